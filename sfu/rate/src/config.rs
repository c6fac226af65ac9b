//! Owns what is said of one viewer's line before anything is sent on it.

use crate::bitrate::Bitrate;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateConfig {
    pub min: Bitrate,
    /// Where a viewer that nobody knows begins.
    pub start: Bitrate,
    pub max: Bitrate,
    /// What a returning client left with.
    pub known: Option<Known>,
    /// The receiver tells in milliseconds when packets came (RFC 8888).
    pub is_coarse: bool,
}

/// What is worth keeping of a line when the client leaves it: plain data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    pub estimate: Bitrate,
}

impl Default for RateConfig {
    /// 300 kbit/s is libwebrtc's start, 30 kbit/s carries Opus alone.
    fn default() -> RateConfig {
        let kbps = Bitrate::from_kbps;
        RateConfig { min: kbps(30), start: kbps(300), max: kbps(20_000), known: None, is_coarse: false }
    }
}

impl RateConfig {
    /// The first estimate.
    pub fn first(&self) -> Bitrate {
        let first = self.known.map_or(self.start, |known| known.estimate);
        first.clamp(self.min, self.max.max(self.min))
    }

    /// Whether that is what the line carried, so that what is sent is held to it from the first packet on. One that
    /// carried less than where others begin is probed as theirs are, and as far: it may have been a bad moment.
    pub fn is_known(&self) -> bool {
        self.known.is_some_and(|known| known.estimate >= self.start)
    }
}
