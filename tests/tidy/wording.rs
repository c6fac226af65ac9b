//! Names and words that say nothing, or that say that something is not done.

use crate::Rule;
use crate::tree::{Finding, Source};

pub const FILE_NAMES: Rule = Rule {
    name: "a file is not called utils, common, helpers, types, manager or info",
    reason: "such a name says nothing of what the file owns, so everything ends up in it",
    check: empty_names,
};

pub const WORDS: Rule = Rule {
    name: "no unfinished work, no filler and no riddles in the text",
    reason: "a note to oneself belongs in an issue; a word such as the listed ones hides a missing reason, or stops a \
             stranger who can't look it up",
    check: banned_words,
};

const NAMES: [&str; 11] =
    ["utils", "util", "common", "helpers", "helper", "types", "manager", "info", "misc", "shared", "stuff"];

/// In any case. Assembled here, so that this file does not break its own rule.
const WORDS_ANY_CASE: [&str; 4] =
    [concat!("simp", "ly"), concat!("lorem ", "ipsum"), concat!("blaz", "ing"), concat!("obvi", "ously")];
/// Words of our own, in any case, for which the field has others: test harness, publisher and subscriber, chat.
const OWN_WORDS: [&str; 6] = [
    concat!("b", "ed"),
    concat!("de", "af"),
    concat!("path", "less"),
    concat!("sc", "old"),
    concat!("sque", "eze"),
    concat!("sw", "arm"),
];
/// As they are written.
const MARKS: [&str; 4] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("HA", "CK")];
/// Parts of paths and addresses that exist on one machine only.
const PLACES: [&str; 3] = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("arti", "factory")];

fn empty_names(sources: &[Source]) -> Vec<Finding> {
    let named = sources.iter().filter(|source| {
        let name = source.path.rsplit('/').next().unwrap_or_default();
        let stem = name.split('.').next().unwrap_or_default().to_lowercase();
        let folder = source.path.rsplit('/').nth(1).unwrap_or_default();
        NAMES.contains(&stem.as_str()) || NAMES.contains(&folder)
    });
    named.map(|source| Finding::new(source, 1, "name it after what it owns")).collect()
}

fn banned_words(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        for (index, line) in source.text.lines().enumerate() {
            let lower = line.to_lowercase();
            let any_case = WORDS_ANY_CASE.iter().chain(&OWN_WORDS).filter(|word| has_word(&lower, word));
            let marks = MARKS.iter().filter(|word| has_word(line, word));
            let places = PLACES.iter().filter(|place| line.contains(**place));
            findings.extend(
                any_case.chain(marks).chain(places).map(|word| Finding::new(source, index + 1, format!("`{word}`"))),
            );
        }
    }
    findings
}

/// Whether `word` stands in `line` between characters that are no letters.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let letter = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !letter(before) && !letter(after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_name_is_found_as_file_and_as_folder() {
        for path in ["a/src/utils.rs", "a/src/helpers/b.rs", "web/client/common.test.mjs"] {
            assert_eq!(empty_names(&[Source::sample(path, "")]).len(), 1, "{path}");
        }
        assert_eq!(empty_names(&[Source::sample("a/src/information.rs", "")]), []);
    }

    #[test]
    fn every_banned_word_is_found_and_its_neighbours_are_not() {
        for word in WORDS_ANY_CASE.iter().chain(&OWN_WORDS).chain(&MARKS).chain(&PLACES) {
            let text = format!("fine\n// {word} here\n");
            let found = banned_words(&[Source::sample("a.rs", &text)]);
            assert_eq!((found.len(), found[0].line), (1, 2), "{word}");
        }
        let text = format!("{}_0 {}fication {}A", MARKS[2], &WORDS_ANY_CASE[0][..5], MARKS[0]);
        assert_eq!(banned_words(&[Source::sample("a.rs", &text)]), []);
    }
}
