//! Owns what one worker tells another of an encoding. Never decides which is watched.

use crate::codec::PictureSize;

/// What another worker says of an encoding that is published elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Announced {
    pub bits_per_second: u64,
    pub frames_per_second: u16,
    pub size: Option<PictureSize>,
    pub is_alive: bool,
}
