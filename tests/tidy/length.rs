//! How long files and functions may be. Exceptions state their length and their reason, and can only shrink.

use crate::Rule;
use crate::rust_text::code_of;
use crate::tree::{Finding, Source};

pub const FILES: Rule = Rule {
    name: "a file has at most 400 lines",
    reason: "a file of one concern is read in one sitting; split it by what its parts own",
    check: long_files,
};

pub const FUNCTIONS: Rule = Rule {
    name: "a function has at most 70 lines",
    reason: "what fits a screen is seen whole; name its steps",
    check: long_functions,
};

pub const EXCEPTIONS: Rule = Rule {
    name: "an exception only shrinks",
    reason: "the list says how far we are from the rule, so it must be exact",
    check: |sources| stale_exceptions(sources, FILE_EXCEPTIONS, FUNCTION_EXCEPTIONS),
};

pub const PARAGRAPHS: Rule = Rule {
    name: "a paragraph of a document about the code has at most 800 characters",
    reason: "a longer one is several facts that nobody finds again; split it, or tell it where the code is",
    check: long_paragraphs,
};

const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;

/// Each paragraph is a line there.
const ABOUT_THE_CODE: [&str; 3] = ["ARCHITECTURE.md", "sfu/core/LAYERS.md", "signaling/CLUSTER.md"];
const PARAGRAPH_CHARS_MAX: usize = 800;

/// Path, lines, reason.
const FILE_EXCEPTIONS: &[(&str, usize, &str)] = &[];

/// Path, name, lines, reason.
const FUNCTION_EXCEPTIONS: &[(&str, &str, usize, &str)] = &[];

/// Documents and lists of dependencies are as long as what they describe.
fn is_code(source: &Source) -> bool {
    [".rs", ".js", ".mjs", ".css", ".html", ".sh", ".py"].iter().any(|extension| source.path.ends_with(extension))
}

fn long_files(sources: &[Source]) -> Vec<Finding> {
    let long = sources.iter().filter(|source| is_code(source)).filter_map(|source| {
        let lines = source.text.lines().count();
        let excepted = FILE_EXCEPTIONS.iter().find(|(path, ..)| *path == source.path);
        let limit = excepted.map_or(FILE_LINES_MAX, |(_, lines, _)| *lines);
        (lines > limit).then(|| Finding::new(source, lines, format!("{lines} lines, the limit is {limit}")))
    });
    long.collect()
}

fn long_functions(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        for function in functions(&source.text) {
            let excepted =
                FUNCTION_EXCEPTIONS.iter().find(|(path, name, ..)| *path == source.path && *name == function.name);
            let limit = excepted.map_or(FUNCTION_LINES_MAX, |(_, _, lines, _)| *lines);
            if function.lines > limit {
                let what = format!("fn {} has {} lines, the limit is {limit}", function.name, function.lines);
                findings.push(Finding::new(source, function.line, what));
            }
        }
    }
    findings
}

fn long_paragraphs(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| ABOUT_THE_CODE.contains(&source.path.as_str())) {
        for (index, line) in source.text.lines().enumerate().filter(|(_, line)| !line.starts_with('|')) {
            let chars = line.chars().count();
            if chars > PARAGRAPH_CHARS_MAX {
                findings.push(Finding::new(source, index + 1, format!("{chars} characters")));
            }
        }
    }
    findings
}

fn stale_exceptions(
    sources: &[Source],
    files: &[(&str, usize, &str)],
    long: &[(&str, &str, usize, &str)],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let stale = |path: &str, what: String| Finding { path: path.to_owned(), line: 1, what };
    for (path, allowed, _) in files {
        let lines = sources.iter().find(|source| source.path == *path).map_or(0, |source| source.text.lines().count());
        if lines < *allowed || lines <= FILE_LINES_MAX {
            findings
                .push(stale(path, format!("has {lines} lines now, the exception says {allowed}: lower or remove it")));
        }
    }
    for (path, name, allowed, _) in long {
        let source = sources.iter().find(|source| source.path == *path);
        let found = source.and_then(|source| functions(&source.text).into_iter().find(|f| f.name == *name));
        let lines = found.map_or(0, |function| function.lines);
        if lines < *allowed || lines <= FUNCTION_LINES_MAX {
            let what = format!("fn {name} has {lines} lines now, the exception says {allowed}: lower or remove it");
            findings.push(stale(path, what));
        }
    }
    findings
}

struct Function {
    name: String,
    /// Where `fn` stands, from 1.
    line: usize,
    /// From `fn` to the closing brace.
    lines: usize,
}

/// Every function with a body, by counting braces; one inside another counts for both.
fn functions(text: &str) -> Vec<Function> {
    let code = code_of(text);
    let starts = code.match_indices("fn ").map(|(at, _)| at);
    let starts = starts.filter(|&at| at == 0 || !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'));
    starts.filter_map(|at| function_at(&code, at)).collect()
}

fn function_at(code: &str, at: usize) -> Option<Function> {
    let rest = &code[at..];
    let name: String = rest[3..].trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    // `fn(u32) -> bool` is a type, `fn f();` in a trait has no body.
    let open = signature_end(rest)?;
    if name.is_empty() || rest[open..].starts_with(';') {
        return None;
    }
    let mut depth = 0_usize;
    let end = rest[open..].char_indices().find_map(|(offset, c)| {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        (depth == 0).then_some(open + offset)
    })?;
    let line = code[..at].matches('\n').count() + 1;
    Some(Function { name, line, lines: rest[..end].matches('\n').count() + 1 })
}

/// The `{` of the body, or the `;` of a function without one; not the `;` of `[u8; 2]`.
fn signature_end(code: &str) -> Option<usize> {
    let mut depth = 0_usize;
    code.char_indices().find_map(|(at, c)| {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            '{' | ';' if depth == 0 => return Some(at),
            _ => {}
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function_of(lines: usize) -> String {
        format!("/// {{\nfn long(x: [u8; 2]) {{\n{}}}\n", "    a();\n".repeat(lines - 2))
    }

    #[test]
    fn a_file_of_401_lines_is_found_and_one_of_400_is_not() {
        let file = |lines| [Source::sample("a/src/b.rs", &"x\n".repeat(lines))];
        assert_eq!(long_files(&file(400)), []);
        assert_eq!(long_files(&file(401)).len(), 1);
        assert_eq!(long_files(&[Source::sample("CHANGELOG.md", &"x\n".repeat(1000))]), []);
    }

    #[test]
    fn a_function_of_71_lines_is_found_with_its_name_and_one_of_70_is_not() {
        let file = |lines| [Source::sample("a/src/b.rs", &function_of(lines))];
        let found = long_functions(&file(71));
        assert_eq!(found.len(), 1);
        assert!(found[0].what.starts_with("fn long has 71 lines"), "{}", found[0].what);
        assert_eq!(found[0].line, 2);
    }

    #[test]
    fn a_paragraph_of_801_characters_is_found_and_one_of_800_or_a_row_of_a_table_is_not() {
        let text = |chars| [Source::sample("ARCHITECTURE.md", &"é".repeat(chars))];
        assert_eq!(long_paragraphs(&text(800)), []);
        assert_eq!(long_paragraphs(&text(801)).len(), 1);
        assert_eq!(long_paragraphs(&[Source::sample("ARCHITECTURE.md", &"|".repeat(801))]), []);
    }

    #[test]
    fn an_exception_that_is_no_longer_needed_is_found() {
        let files = [("a.rs", 500, "reason")];
        let sample = |lines| [Source::sample("a.rs", &"x\n".repeat(lines))];
        assert_eq!(stale_exceptions(&sample(500), &files, &[]), []);
        assert_eq!(stale_exceptions(&sample(499), &files, &[]).len(), 1, "shrunk");
        assert_eq!(stale_exceptions(&[], &files, &[]).len(), 1, "gone");
        let functions = [("a.rs", "long", 80, "reason")];
        let sample = |lines| [Source::sample("a.rs", &function_of(lines))];
        assert_eq!(stale_exceptions(&sample(80), &[], &functions), []);
        assert_eq!(stale_exceptions(&sample(75), &[], &functions).len(), 1);
    }
}
