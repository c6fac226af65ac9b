//! Owns the names of stored values and of message channels, and their form on NATS. Never accepts a name that has no
//! form there, so that what works on one node works on many.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The name of a stored value: segments of `A–Z a–z 0–9 . _ -`, separated by `/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Box<str>);

/// The name of a message channel, of the same form as a [`Key`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(Box<str>);

impl Key {
    pub fn parse(text: &str) -> Result<Key, BadStoreName> {
        check(text)?;
        Ok(Key(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key as tokens of a NATS subject. No two keys have the same: `=` and `.` stand for one character each.
    pub(crate) fn to_tokens(&self) -> String {
        to_tokens(&self.0)
    }

    /// The key of which these are the tokens.
    pub(crate) fn from_tokens(tokens: &str) -> Result<Key, BadStoreName> {
        let swapped = tokens.chars().map(|c| match c {
            '.' => '/',
            '=' => '.',
            // Neither has a place in tokens; as they are they would stand for what another character stands for.
            '/' => '\0',
            other => other,
        });
        Key::parse(&swapped.collect::<String>())
    }

    /// Whether the key is below `prefix`.
    pub(crate) fn is_below(&self, prefix: &Prefix) -> bool {
        prefix.0.is_empty()
            || self.0.strip_prefix(&*prefix.0).is_some_and(|rest| rest.starts_with('/') && rest.len() > 1)
    }
}

impl Subject {
    pub fn parse(text: &str) -> Result<Subject, BadStoreName> {
        check(text)?;
        Ok(Subject(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn to_tokens(&self) -> String {
        to_tokens(&self.0)
    }
}

/// What a watch follows: the keys below whole segments, or all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prefix(Box<str>);

impl Prefix {
    /// A `/` at the end changes nothing.
    pub(crate) fn parse(text: &str) -> Result<Prefix, BadStoreName> {
        let text = text.strip_suffix('/').unwrap_or(text);
        if !text.is_empty() {
            check(text)?;
        }
        Ok(Prefix(text.into()))
    }

    /// The subject filter, after the bucket's own tokens, that all keys below match and no others.
    pub(crate) fn to_filter(&self) -> String {
        if self.0.is_empty() { ">".to_owned() } else { format!("{}.>", to_tokens(&self.0)) }
    }
}

/// The name of a node: one segment of a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NodeName(Box<str>);

impl NodeName {
    pub(crate) fn parse(text: &str) -> Result<NodeName, BadStoreName> {
        check(text)?;
        if text.contains('/') { Err(BadStoreName::Character { found: '/' }) } else { Ok(NodeName(text.into())) }
    }

    pub(crate) fn to_token(&self) -> String {
        to_tokens(&self.0)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Key {
    type Err = BadStoreName;

    fn from_str(text: &str) -> Result<Key, BadStoreName> {
        Key::parse(text)
    }
}

impl FromStr for Subject {
    type Err = BadStoreName;

    fn from_str(text: &str) -> Result<Subject, BadStoreName> {
        Subject::parse(text)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadStoreName {
    #[error("a name must not be empty, and neither must what stands between two slashes")]
    EmptySegment,
    #[error("{found:?} must not stand in a name; letters, digits, '.', '_' and '-' may, and '/' between segments")]
    Character { found: char },
    #[error("a name of {length} bytes is too long; {KEY_LENGTH_MAX} are the most")]
    TooLong { length: usize },
    #[error("a name of {segments} segments is too deep; {KEY_SEGMENTS_MAX} are the most")]
    TooDeep { segments: usize },
}

/// Bytes of a name. NATS takes far longer subjects; what we store is named after rooms and streams, which are shorter.
pub const KEY_LENGTH_MAX: usize = 512;
/// Segments of a name. NATS matches subjects of up to 32 tokens without allocating, and puts some in front.
pub const KEY_SEGMENTS_MAX: usize = 16;

fn check(text: &str) -> Result<(), BadStoreName> {
    if text.len() > KEY_LENGTH_MAX {
        return Err(BadStoreName::TooLong { length: text.len() });
    }
    if let Some(found) = text.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '_' | '-' | '/')) {
        return Err(BadStoreName::Character { found });
    }
    if text.split('/').any(str::is_empty) {
        return Err(BadStoreName::EmptySegment);
    }
    let segments = text.split('/').count();
    if segments > KEY_SEGMENTS_MAX {
        return Err(BadStoreName::TooDeep { segments });
    }
    Ok(())
}

/// NATS separates by `.`, allows `=`, and allows `/` but splits nothing by it.
fn to_tokens(name: &str) -> String {
    let swapped = name.chars().map(|c| match c {
        '.' => '=',
        '/' => '.',
        other => other,
    });
    swapped.collect()
}

#[cfg(test)]
mod tests;
