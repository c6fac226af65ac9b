//! Owns how much there may be of everything that pages or other nodes can make grow, and how long things
//! take. Never enforces it.

use std::time::Duration;

/// Characters of one message.
pub const TEXT_CHARACTERS_MAX: usize = 2_000;
/// Characters of a shown name.
pub const NAME_CHARACTERS_MAX: usize = 64;
/// Bytes of what a member's application says of it, and of all of them that are local in one room, as JSON: all members of
/// a room are told in one message, which stays below the 1 MB that NATS carries.
pub const METADATA_BYTES_MAX: usize = 1_024;
pub const ROOM_METADATA_BYTES_MAX: usize = 192 << 10;
/// Local members of one room, and as many of one other node.
pub const ROOM_MEMBERS_MAX: usize = 2_000;
/// Members of one room that are shown, whatever node they are on.
pub const SHOWN_MAX: usize = 10_000;
/// Members on other nodes that are remembered in all rooms together.
pub const REMOTE_MEMBERS_MAX: usize = 400_000;
/// Rooms with members on this node.
pub const ROOMS_MAX: usize = 100_000;
/// Other nodes that are remembered in one room.
pub const REMOTES_MAX: usize = 1_024;
/// Earlier lives of one node whose messages are still told apart.
pub const PAST_LIVES_MAX: usize = 4;
/// Messages of a room that a newcomer is shown, and own messages that are kept to repeat them.
pub const HISTORY_MAX: usize = 100;
/// Gaps that are kept with the history.
pub const GAPS_MAX: usize = 32;
/// Bytes of all kept messages of all rooms, with what keeping them costs.
pub const CHAT_BYTES_MAX: usize = 64 << 20;
/// Bytes of messages in one answer, so that every answer is well below the 1 MB that NATS carries.
pub const ANSWER_BYTES_MAX: usize = 256 << 10;
/// No counter of another node is believed beyond this.
pub const COUNTER_MAX: u64 = 1 << 53;
/// When more than this many members come or go at once, pages are told the whole list.
pub const CHANGES_TOLD_SINGLY_MAX: usize = 32;

/// Messages a member may say at once, and how long until it may say one more.
pub const SAY_BURST: u32 = 5;
pub const SAY_INTERVAL: Duration = Duration::from_secs(1);
pub const TYPING_INTERVAL: Duration = Duration::from_secs(1);
/// After this long without a word of it, nobody types.
pub const TYPING_LASTS: Duration = Duration::from_secs(5);
/// A room outlives its last local member by this, so that a page that reloads finds what was said.
pub const ROOM_LINGERS: Duration = Duration::from_secs(60);
/// Between two reports of what there is in a room.
pub const PULSE_INTERVAL: Duration = Duration::from_secs(10);
/// A node that has not been heard in a room for this long has nobody there.
pub const REMOTE_SILENT_MAX: Duration = Duration::from_secs(35);
/// A message that is missing is asked for again after this, and given up after `MISSING_MAX`.
pub const MISSING_ASK_AGAIN: Duration = Duration::from_millis(400);
pub const MISSING_MAX: Duration = Duration::from_secs(1);
/// How much longer a node is taken to have a room than it says, for the way of its message.
pub const AGE_SLACK: Duration = Duration::from_secs(3);
/// The same is told again to all at most once in this time, however many ask.
pub const ANSWER_INTERVAL: Duration = Duration::from_millis(300);
/// How long a room that was opened listens for what was said before, and how long it waits for an answer.
pub const SYNC_LASTS: Duration = Duration::from_secs(3);
pub const SYNC_ASK_AGAIN: Duration = Duration::from_millis(500);
/// Questions for the history before it is given up and shown as a gap.
pub const SYNC_ASKS_MAX: u32 = 10;
