//! Owns what is known of one page. Never holds its connection.

use std::collections::BTreeSet;

use chappe_cluster::{MemberId, RoomName};
use chappe_sfu_api::SessionId;
use chappe_signaling_access::Holder;

#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    pub id: MemberId,
    pub room: RoomName,
    /// Shown to others.
    pub name: Option<String>,
    /// What its token says of it to others.
    pub metadata: Option<String>,
    /// Whose token it came with.
    pub holder: Option<Holder>,
    /// Also those on workers of other nodes.
    pub sessions: BTreeSet<SessionId>,
    /// Numbered, so that the end of an old one is not taken for the end of the present one.
    pub connection: Connection,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    Up(u64),
    /// Gone, and kept for a while; the number of the last one.
    Broken(u64),
    /// Gone for longer than the grace: kept only as long as media flows.
    Expired(u64),
}

impl Connection {
    pub fn is_up(self) -> bool {
        matches!(self, Connection::Up(_))
    }
}
