//! Finds what a person probably meant. Knows no keys of its own.

use strsim::levenshtein;

/// The candidate with the fewest edits to `word`, if there is any near enough to be meant.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distances = candidates.into_iter().map(|candidate| (levenshtein(word, candidate), candidate));
    let (distance, candidate) = distances.min()?;
    (distance <= candidate.len().max(word.len()).div_ceil(2)).then_some(candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_nonsense_is_not() {
        let keys = ["http", "admin", "media-port"];
        assert_eq!(nearest("media_port", keys), Some("media-port"));
        assert_eq!(nearest("htp", keys), Some("http"));
        assert_eq!(nearest("zzzzzzzz", keys), None);
    }
}
