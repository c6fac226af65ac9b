//! Owns how much there may be of what clients can make.

/// What an operator bounds, for one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// With those in which only clients of other nodes publish, as far as they are known here.
    pub rooms: usize,
    pub members: usize,
    pub members_per_room: usize,
    pub streams_per_room: usize,
}

impl Default for Caps {
    fn default() -> Caps {
        Caps { rooms: 20_000, members: 20_000, members_per_room: 2_000, streams_per_room: 256 }
    }
}

/// Caps can't be higher. All members of a room on a node are told to the others in one message, of the 1 MB that NATS
/// carries.
pub const MEMBERS_PER_ROOM_MAX: usize = 2_000;

/// Rooms that are known of all nodes, and of one other node. No node may have more.
pub const ROOMS_KNOWN_MAX: usize = 100_000;

/// Most sessions of one page.
pub const SESSIONS_PER_MEMBER_MAX: usize = 64;

/// Viewers that are brought in line within one turn of the lock: each takes some ten microseconds.
pub const VIEWERS_PER_TURN: usize = 32;
