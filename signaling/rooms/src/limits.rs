//! Owns how much there may be of what clients can make.

/// Most rooms of one node.
pub const ROOMS_MAX: usize = 20_000;

/// Most streams of one room.
pub const STREAMS_PER_ROOM_MAX: usize = 256;

/// Most members of one room.
pub const MEMBERS_PER_ROOM_MAX: usize = 2_000;

/// Most members of one node.
pub const MEMBERS_MAX: usize = 20_000;

/// Most sessions of one page.
pub const SESSIONS_PER_MEMBER_MAX: usize = 64;

/// Viewers that are brought in line within one turn of the lock: each takes some ten microseconds.
pub const VIEWERS_PER_TURN: usize = 32;
