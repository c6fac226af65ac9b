//! Owns whether an encoding shows text and drawings, as its publisher says with each key frame (the video-content-type
//! extension). Never looks at a picture.

use crate::tracks::history::Arrived;

/// What one encoding shows.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Content {
    is_detail: bool,
    /// Timestamp of a key frame whose last packet, which says what it shows, has not come yet.
    begun: Option<u32>,
}

impl Content {
    /// A packet, and the value of its extension, if it has it. True if something else is shown than before.
    #[inline]
    pub fn note(&mut self, packet: &Arrived, content_type: impl FnOnce() -> Option<u8>) -> bool {
        if packet.keyframe {
            self.begun = Some(packet.timestamp);
        }
        if !packet.marker || self.begun != Some(packet.timestamp) {
            return false;
        }
        self.begun = None;
        // Of what is not a screen nothing is said.
        let is_detail = content_type().is_some_and(|kind| kind & SCREEN != 0);
        std::mem::replace(&mut self.is_detail, is_detail) != is_detail
    }

    /// Resolution matters more than frame rate.
    pub fn is_detail(&self) -> bool {
        self.is_detail
    }
}

/// The lowest bit tells a screen from anything else (libwebrtc: api/video/video_content_type.h).
const SCREEN: u8 = 1;
