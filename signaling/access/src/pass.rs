//! Owns what is known of a client once its token was found good.

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::grants::Grants;

/// A good token, read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pass {
    pub access: Access,
    pub grants: Grants,
}

/// What a session keeps of the token that it was made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    pub holder: Holder,
    /// Id of the key, or name of the foreign issuer.
    pub issuer: String,
    /// Unix time; the session ends then.
    pub expires_ms: u64,
    /// Shown to others in place of what the client calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What the application says of the client to the others in its room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
}

/// A good token of somebody who operates nodes, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Id of the key.
    pub issuer: String,
    /// Unix time; what is followed with it ends then.
    pub expires_ms: u64,
}

/// Whom a token was given to: the same for all tokens that one issuer gives to one `sub`. A token without a `sub` is a
/// holder by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Holder(u128);

impl Holder {
    pub(crate) fn of(issuer: &str, subject: Option<&str>, token: &str) -> Holder {
        let text = match subject {
            // Neither part can have the other's end in it, because its length stands first.
            Some(subject) => format!("sub {} {issuer} {subject}", issuer.len()),
            None => format!("token {token}"),
        };
        let hash = digest(&SHA256, text.as_bytes());
        Holder(u128::from_be_bytes(hash.as_ref().first_chunk().copied().unwrap_or_default()))
    }
}

impl From<Holder> for String {
    fn from(holder: Holder) -> String {
        format!("{:032x}", holder.0)
    }
}

impl TryFrom<String> for Holder {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Holder, Self::Error> {
        u128::from_str_radix(&text, 16).map(Holder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_told_by_issuer_and_subject_and_else_by_the_token() {
        let of = |issuer, subject, token| Holder::of(issuer, subject, token);
        assert_eq!(of("a", Some("bob"), "t1"), of("a", Some("bob"), "t2"));
        assert_ne!(of("a", Some("bob"), "t1"), of("b", Some("bob"), "t1"));
        assert_ne!(of("a", Some("b c"), "t"), of("a b", Some("c"), "t"));
        assert_ne!(of("a", None, "t1"), of("a", None, "t2"));
        assert_eq!(of("a", None, "t1"), of("a", None, "t1"));
        let text = String::from(of("a", None, "t1"));
        assert_eq!(Holder::try_from(text), Ok(of("a", None, "t1")));
    }
}
