//! Owns the way to one client: where it is and the keys. Never chooses what is sent.

use std::time::Instant;

use crate::crypto::srtp::Sealer;
use crate::egress::Egress;
use crate::net::Route;
use crate::wire::rtcp::RtcpWriter;

/// It is open once both are there.
#[derive(Default)]
pub(crate) struct Path {
    /// The transport's choice, kept at hand.
    pub route: Option<Route>,
    pub sealer: Option<Sealer>,
    /// When media or RTCP left last: what a browser's statistics show to have arrived. Answers to checks are not
    /// in them.
    pub sent: Option<Instant>,
}

impl Path {
    pub fn is_open(&self) -> bool {
        self.route.is_some() && self.is_keyed()
    }

    /// The DTLS handshake is complete.
    pub fn is_keyed(&self) -> bool {
        self.sealer.is_some()
    }

    /// Writes a compound packet, seals it and leaves it to be sent at once. `write` returns `None` for nothing.
    pub fn send_rtcp(
        &mut self,
        now: Instant,
        egress: &mut Egress,
        write: impl FnOnce(&mut RtcpWriter<'_>) -> Option<()>,
    ) {
        let (Some(route), Some(sealer)) = (self.route, self.sealer.as_mut()) else { return };
        let mut plain = [0; RTCP_BYTES_MAX];
        let mut writer = RtcpWriter::new(&mut plain);
        if write(&mut writer).is_none() || writer.is_empty() {
            return;
        }
        let len = writer.len();
        let sealed_max = len + sealer.rtcp_overhead();
        if egress.control().push(route, sealed_max, |out| sealer.seal_rtcp(&plain[..len], out)) {
            self.sent = Some(now);
        }
    }
}

/// Longest RTCP packet before it is sealed, in bytes.
const RTCP_BYTES_MAX: usize = 1_200;
