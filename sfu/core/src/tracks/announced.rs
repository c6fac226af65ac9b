//! Owns what one worker tells another of an encoding. Never decides which is watched.

use crate::codec::PictureSize;

/// What another worker says of an encoding that is published elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Announced {
    pub bits_per_second: u64,
    pub frames_per_second: u16,
    pub size: Option<PictureSize>,
    /// Packets of it come, or would if it were watched.
    pub is_alive: bool,
    /// Its publisher does not send it because nobody watched it.
    pub is_off: bool,
}
