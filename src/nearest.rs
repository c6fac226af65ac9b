//! Finds what a person probably meant. Knows no keys of its own.

/// The candidate with the fewest edits to `word`, if there is any near enough to be meant.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distances = candidates.into_iter().map(|candidate| (edits(word, candidate), candidate));
    let (distance, candidate) = distances.min()?;
    (distance <= candidate.len().max(word.len()).div_ceil(2)).then_some(candidate)
}

/// Levenshtein: insertions, deletions and replacements of one character.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (to, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = *cell;
            left = replaced.min(*cell + 1).min(left + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted_as_in_the_book() {
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("abc", ""), 3);
        assert_eq!(edits("same", "same"), 0);
    }

    #[test]
    fn a_slip_is_recognised_and_nonsense_is_not() {
        let keys = ["http", "admin", "media-port"];
        assert_eq!(nearest("media_port", keys), Some("media-port"));
        assert_eq!(nearest("htp", keys), Some("http"));
        assert_eq!(nearest("zzzzzzzz", keys), None);
    }
}
