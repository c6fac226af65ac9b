//! Owns what fills a probe that media does not: packets that were sent lately, once more on the SSRC for repeats. A
//! receiver drops them. Never decides to probe.

use std::time::Instant;

use chappe_sfu_rate::PacketClass;

use crate::clients::delivery::Delivery;
use crate::keys::SendLine;
use crate::outputs::Outputs;
use crate::tracks::Tracks;
use crate::tracks::history::History;

impl Delivery {
    /// Sends what a probe is short of by now.
    pub fn pad(&mut self, now: Instant, tracks: &Tracks, out: &mut Outputs) {
        let Some((mut bytes, size)) = self.acknowledged_mut().and_then(|bandwidth| bandwidth.padding(now)) else {
            return;
        };
        let Some(line) = self.padding_line() else { return };
        let Some(history) = self.history_of(line, tracks) else { return };
        for _ in 0..PACKETS_MAX {
            let Some(sender) = self.sender_mut(line).filter(|_| bytes > 0) else { return };
            let Some(repeat) = sender.decide_padding(history, size as usize) else { return };
            let sent = self.push_rtx(line, &repeat, PacketClass::Padding, (now, history), out.egress.media());
            let Some(sent) = sent else { return };
            out.counters.packets_out += 1;
            out.counters.bytes_out += sent as u64;
            bytes = bytes.saturating_sub(sent as u64);
        }
    }

    /// The m-line that a probe is filled with. None where nothing is sent yet, or no repeats are negotiated.
    pub(super) fn padding_line(&self) -> Option<SendLine> {
        self.lines().find(|(_, sender)| sender.can_pad()).map(|(line, _)| line)
    }

    fn history_of<'a>(&self, line: SendLine, tracks: &'a Tracks) -> Option<&'a History> {
        tracks.history(self.sender(line)?.layer?)
    }
}

/// Of one look. A probe of 20 Mbit/s takes five in two milliseconds.
const PACKETS_MAX: usize = 16;
