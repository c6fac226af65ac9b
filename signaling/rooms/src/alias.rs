//! Owns the names of sessions that prove nothing. The id of a session is the secret of its URL: where others read along,
//! as they do in the user name at a TURN server and in events, its alias stands for it. Never turns one back into an id.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{Context, SHA256};
use chappe_cluster::session_tag;
use chappe_sfu_api::{ParseIdError, SessionId};

/// The tag of the node that has the session, and a hash of its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionAlias {
    tag: u32,
    hash: u128,
}

impl SessionAlias {
    /// The same in every process. The 128 random bits of the id are too many to be tried.
    pub fn of(session: SessionId) -> SessionAlias {
        let mut context = Context::new(&SHA256);
        context.update(DOMAIN);
        context.update(session.to_string().as_bytes());
        let first = context.finish().as_ref().first_chunk().copied().unwrap_or_default();
        SessionAlias { tag: session_tag(session), hash: u128::from_be_bytes(first) }
    }

    /// What was read as an id, and may be an alias: both have the same form.
    pub fn read(SessionId(tag, hash): SessionId) -> SessionAlias {
        SessionAlias { tag, hash }
    }

    /// As another node is asked about the session by who knows no more of it: [`SessionAlias::read`] reads it there.
    pub fn shown(self) -> SessionId {
        SessionId(self.tag, self.hash)
    }

    /// Of the node that has the session.
    pub fn tag(self) -> u32 {
        self.tag
    }
}

/// Forty hexadecimal digits, as in an id.
impl fmt::Display for SessionAlias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.shown(), f)
    }
}

impl FromStr for SessionAlias {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        text.parse().map(SessionAlias::read)
    }
}

const DOMAIN: &[u8] = b"chappe: alias of a session\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_says_which_node_has_the_session_and_is_not_its_id() {
        let (one, next) = (SessionId(7, 1), SessionId(7, 2));
        let alias = SessionAlias::of(one);
        assert_eq!((alias.tag(), alias), (7, SessionAlias::of(one)));
        assert_ne!(alias, SessionAlias::of(next));
        assert_ne!(alias.to_string(), one.to_string());
        assert_eq!(alias.to_string().parse::<SessionAlias>(), Ok(alias));
        assert_ne!(SessionAlias::of(SessionId(alias.tag, alias.hash)), alias, "shown as an id it is nobody's");
    }
}
