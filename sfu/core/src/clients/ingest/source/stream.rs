//! Owns what is known of one SSRC that a client sends on. Never decides whether it is forwarded.

use std::time::Instant;

use crate::clients::ingest::nack::NackSchedule;
use crate::clients::ingest::source::reception::Reception;
use crate::crypto::srtp::ReplayWindow;
use crate::tracks::playout::StreamClock;
use crate::wire::rtcp::SenderReport;
use crate::wire::rtp::Ssrc;

/// One SSRC of a source.
pub(crate) struct Stream {
    pub ssrc: Ssrc,
    pub role: StreamRole,
    /// Place of its encoding; 0 without simulcast.
    pub encoding: u8,
    pub window: ReplayWindow,
    pub reception: Reception,
    pub nack: NackSchedule,
    /// What its last sender report said, and when that arrived.
    pub report: Option<(SenderReport, Instant)>,
    /// What they say of it in our time.
    pub clock: StreamClock,
    pub heard: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamRole {
    Media,
    /// RTX (RFC 4588); the SSRC it repairs, if anything named it.
    Repair(Option<Ssrc>),
}

impl Stream {
    /// Packets of media that never came, not even late.
    pub fn lost(&self) -> u64 {
        if self.role == StreamRole::Media { u64::try_from(self.reception.lost()).unwrap_or(0) } else { 0 }
    }
}
