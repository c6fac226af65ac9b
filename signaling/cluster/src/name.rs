//! Owns the rule for the names of rooms, streams and nodes, and the names and secrets of members.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Name of a room, checked.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomName(Arc<str>);

/// Name of a stream in its room, checked.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamName(Arc<str>);

/// Name of a node, checked.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeName(Arc<str>);

/// The text is not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a {what} name has 1 to {NAME_BYTES_MAX} characters of A-Z a-z 0-9 . _ - and does not start with a dot")]
pub struct BadName {
    what: &'static str,
}

impl RoomName {
    pub fn parse(text: &str) -> Result<RoomName, BadName> {
        if is_name(text) { Ok(RoomName(text.into())) } else { Err(BadName { what: "room" }) }
    }
}

impl StreamName {
    pub fn parse(text: &str) -> Result<StreamName, BadName> {
        if is_name(text) { Ok(StreamName(text.into())) } else { Err(BadName { what: "stream" }) }
    }
}

impl NodeName {
    pub fn parse(text: &str) -> Result<NodeName, BadName> {
        if is_name(text) { Ok(NodeName(text.into())) } else { Err(BadName { what: "node" }) }
    }
}

fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=NAME_BYTES_MAX).contains(&text.len()) && !text.starts_with('.') && text.bytes().all(allowed)
}

macro_rules! name_as_text {
    ($name:ident) => {
        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                $name::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

name_as_text!(RoomName);
name_as_text!(StreamName);
name_as_text!(NodeName);

/// One page in a room. Others see it; only its page knows the [`ResumeSecret`] of which it is the hash, and nobody can
/// find another that has the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MemberId(pub u128);

/// Proves to a later connection that it is the same page. Never logged, never shown to others.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ResumeSecret(pub u128);

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemberId({self})")
    }
}

impl fmt::Debug for ResumeSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResumeSecret(…)")
    }
}

impl From<MemberId> for String {
    fn from(member: MemberId) -> String {
        member.to_string()
    }
}

impl From<ResumeSecret> for String {
    fn from(secret: ResumeSecret) -> String {
        format!("{:032x}", secret.0)
    }
}

/// The text is not an id or secret that this server gave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a value that this server gave out")]
pub struct NotOurs;

impl TryFrom<String> for MemberId {
    type Error = NotOurs;

    fn try_from(text: String) -> Result<MemberId, NotOurs> {
        if text.len() != 32 {
            return Err(NotOurs);
        }
        u128::from_str_radix(&text, 16).map(MemberId).map_err(|_| NotOurs)
    }
}

impl TryFrom<String> for ResumeSecret {
    type Error = NotOurs;

    fn try_from(text: String) -> Result<ResumeSecret, NotOurs> {
        if text.len() != 32 {
            return Err(NotOurs);
        }
        u128::from_str_radix(&text, 16).map(ResumeSecret).map_err(|_| NotOurs)
    }
}

/// Longest room or stream name; one byte per character.
pub const NAME_BYTES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rule_of_the_protocol() {
        for good in ["a", "demo", "A.b_c-9", "_", "-", &"x".repeat(64)] {
            assert!(RoomName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", ".", ".a", "a b", "a/b", "ä", "a\n", "%2e", &"x".repeat(65)] {
            assert!(StreamName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_resume_secret_is_not_in_the_debug_text() {
        assert_eq!(format!("{:?}", ResumeSecret(0xabcdef)), "ResumeSecret(…)");
    }
}
