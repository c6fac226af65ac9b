//! Owns names with `*` in them, which stand for many names.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A name, or one in which `*` stands for any characters, also none. Names themselves never have a `*`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Pattern(String);

/// The text is no name and no pattern of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a name or pattern is 1 to {CHARS_MAX} of A-Z a-z 0-9 . _ - and at most {STARS_MAX} *")]
pub struct BadPattern;

impl Pattern {
    pub fn parse(text: &str) -> Result<Pattern, BadPattern> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'*');
        let stars = text.bytes().filter(|byte| *byte == b'*').count();
        let is_pattern = (1..=CHARS_MAX).contains(&text.len()) && text.bytes().all(plain) && stars <= STARS_MAX;
        if is_pattern { Ok(Pattern(text.to_owned())) } else { Err(BadPattern) }
    }

    pub fn covers(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        for part in parts {
            let Some(at) = rest.find(part) else { return false };
            rest = rest.get(at + part.len()..).unwrap_or_default();
        }
        rest.ends_with(last)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({})", self.0)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> String {
        pattern.0
    }
}

impl TryFrom<String> for Pattern {
    type Error = BadPattern;

    fn try_from(text: String) -> Result<Pattern, BadPattern> {
        Pattern::parse(&text)
    }
}

const CHARS_MAX: usize = 128;
/// With more, a match would take long.
const STARS_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_star_stands_for_any_characters_and_nothing_else_does() {
        for (pattern, yes, no) in [
            ("demo", &["demo"][..], &["demo2", "Demo", "dem", ""][..]),
            ("demo-*", &["demo-", "demo-1"], &["demo", "x-demo-1"]),
            ("*", &["a", "demo"], &[]),
            ("*-cam", &["a-cam", "-cam"], &["cam", "a-cam-b"]),
            ("a*b*c", &["abc", "a-b-c", "abbc", "abcbc"], &["ab", "acb", "ac"]),
            ("a*a", &["aa", "aba"], &["a"]),
        ] {
            let parsed = Pattern::parse(pattern).unwrap();
            assert!(yes.iter().all(|name| parsed.covers(name)), "{pattern}");
            assert!(no.iter().all(|name| !parsed.covers(name)), "{pattern}");
        }
        for bad in ["", "a b", "a/b", "*********", "?", &"x".repeat(129)] {
            assert_eq!(Pattern::parse(bad), Err(BadPattern), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn it_is_the_same_as_trying_all_ways(pattern in "[ab*]{1,8}", name in "[ab]{0,8}") {
            fn matches(pattern: &[u8], name: &[u8]) -> bool {
                match pattern.split_first() {
                    None => name.is_empty(),
                    Some((b'*', rest)) => (0..=name.len()).any(|at| matches(rest, &name[at..])),
                    Some((byte, rest)) => name.first() == Some(byte) && matches(rest, &name[1..]),
                }
            }
            let parsed = Pattern::parse(&pattern).unwrap();
            prop_assert_eq!(parsed.covers(&name), matches(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
