//! Owns what a synthetic viewer tells of the packets that it got: when each came, as browsers do (transport-wide
//! feedback). Never opens a packet.

use std::iter::Sum;
use std::time::{Instant, SystemTime};

use chappe_sfu_core::rtcp::RtcpWriter;
use chappe_sfu_core::rtp::{Header, Seq, Ssrc};
use chappe_sfu_core::twcc::ArrivalLog;
use chappe_sfu_core::{ExtensionKind, ExtensionMap};

use crate::offer::NUMBER_ID;

pub struct Telling {
    extensions: ExtensionMap,
    log: ArrivalLog,
    /// One moment by two clocks.
    zero: (Instant, SystemTime),
    media: Ssrc,
    count: ToldCount,
}

/// How much was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ToldCount {
    pub packets: u64,
    /// Before sealing.
    pub bytes: u64,
}

impl Telling {
    pub fn new() -> Telling {
        let zero = (Instant::now(), SystemTime::now());
        let extensions = ExtensionMap::empty().with(ExtensionKind::TransportCc, Some(NUMBER_ID));
        Telling { extensions, log: ArrivalLog::new(zero.0), zero, media: Ssrc(0), count: ToldCount::default() }
    }

    /// A packet that the kernel got at `at`.
    pub fn note(&mut self, header: &Header, packet: &[u8], at: SystemTime) {
        let Some(number) = self.extensions.find(header.extensions(packet)).transport_seq() else { return };
        let (began, wall) = self.zero;
        self.log.record(began + at.duration_since(wall).unwrap_or_default(), Seq(number));
        self.media = header.ssrc;
    }

    /// Writes what is to be told by now.
    pub fn poll(&mut self, now: Instant, out: &mut [u8]) -> Option<usize> {
        if self.log.poll_timeout().is_none_or(|at| at > now) {
            return None;
        }
        let mut writer = RtcpWriter::new(out);
        let length = self.log.poll_feedback(now, OWN, self.media, &mut writer).then(|| writer.len())?;
        self.count.packets += 1;
        self.count.bytes += length as u64;
        Some(length)
    }

    /// Since the last [`Telling::forget`].
    pub fn count(&self) -> ToldCount {
        self.count
    }

    /// Starts counting anew.
    pub fn forget(&mut self) {
        self.count = ToldCount::default();
    }
}

impl Sum for ToldCount {
    fn sum<I: Iterator<Item = ToldCount>>(counts: I) -> ToldCount {
        let add = |sum: ToldCount, more: ToldCount| ToldCount {
            packets: sum.packets + more.packets,
            bytes: sum.bytes + more.bytes,
        };
        counts.fold(ToldCount::default(), add)
    }
}

impl Default for Telling {
    fn default() -> Telling {
        Telling::new()
    }
}

/// A client that only watches has none that the server would have to know.
const OWN: Ssrc = Ssrc(1);
