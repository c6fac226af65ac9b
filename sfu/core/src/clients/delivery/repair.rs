//! Owns the answer to a viewer's NACK: which packet, under which numbers, sealed once more. Never looks
//! beyond the history of the track.

use std::time::{Duration, Instant};

use chappe_sfu_rate::PacketClass;

use crate::clients::delivery::Delivery;
use crate::clients::delivery::rewrite::Rewritten;
use crate::clients::delivery::sender::{Repair, Sender};
use crate::clients::delivery::template::{HEADER_BYTES_MAX, patch, patch_number, write_header};
use crate::outputs::Outputs;
use crate::tracks::Tracks;
use crate::tracks::history::Entry;
use crate::wire::rtp::{ExtensionKind, Seq, Ssrc};

impl Delivery {
    /// Repeats what a viewer misses, as far as it is there and the budget allows.
    pub fn repair(
        &mut self,
        now: Instant,
        (media, lost): (Ssrc, impl Iterator<Item = Seq>),
        round_trip: Option<Duration>,
        tracks: &Tracks,
        out: &mut Outputs,
    ) {
        let round_trip = round_trip.unwrap_or(ROUND_TRIP_DEFAULT).clamp(ROUND_TRIP_MIN, ROUND_TRIP_MAX);
        let (Some(route), Some(sealer)) = (self.path.route, self.path.sealer.as_ref()) else { return };
        let of = |sender: &&mut Sender| sender.spec.ssrc == media.0;
        let Some(sender) = self.senders.iter_mut().flatten().find(of) else { return };
        let Some(history) = sender.track.and_then(|track| tracks.history_of(track)) else { return };
        let mut bandwidth = self.bandwidth.as_deref_mut().filter(|bandwidth| bandwidth.numbers(sender));
        let ids = if bandwidth.is_some() { &self.extensions } else { &self.unnumbered };
        let arena = out.egress.media();
        for seq in lost.take(REPAIRS_PER_NACK_MAX) {
            if !arena.has_room(DATAGRAM_BYTES_MAX) {
                return;
            }
            let Some((repair, entry, numbers)) = sender.decide_repair(history, seq.0, round_trip, now) else {
                continue;
            };
            let mid = sender.names_mid.then(|| ids.id(ExtensionKind::Mid)).flatten();
            let mid = mid.map(|id| (id, sender.spec.mid.as_bytes()));
            let mut header = [0; HEADER_BYTES_MAX];
            let write =
                |header: &mut [u8; HEADER_BYTES_MAX], entry: &Entry| write_header(header, history, entry, ids, mid);
            let is_sent = match repair {
                Repair::Rtx { payload_type, index, original } => {
                    let Some(ssrc) = sender.spec.rtx_ssrc else { continue };
                    let bare = entry.without_padding();
                    let len = write(&mut header, &bare);
                    let header = &mut header[..len];
                    let numbers = Rewritten { index, timestamp: numbers.timestamp };
                    patch(header, ssrc, payload_type, entry.packet.marker, numbers);
                    let payload = history.payload(&bare);
                    let len_max = len + 2 + payload.len() + sealer.rtp_overhead();
                    if let Some(bandwidth) = bandwidth.as_deref_mut() {
                        let sent = bandwidth.time(now);
                        patch_number(header, bandwidth.number(sent, len_max, PacketClass::Repair));
                    }
                    arena.push(route, len_max, |out| {
                        sealer.seal_rtp_parts(index, header, &original.to_be_bytes(), payload, out)
                    })
                }
                Repair::Plain { payload_type, index } => {
                    let len = write(&mut header, entry);
                    let header = &mut header[..len];
                    patch(header, sender.spec.ssrc, payload_type, entry.packet.marker, numbers);
                    let payload = history.payload(entry);
                    arena.push(route, len + payload.len() + sealer.rtp_overhead(), |out| {
                        sealer.seal_rtp(index, header, payload, out)
                    })
                }
            };
            out.counters.packets_out += u64::from(is_sent);
        }
    }
}

/// Before a round trip is measured.
const ROUND_TRIP_DEFAULT: Duration = Duration::from_millis(50);
/// A packet is not repeated twice within this, however near the viewer is.
const ROUND_TRIP_MIN: Duration = Duration::from_millis(10);
/// Nor is a viewer that is far away made to wait longer.
const ROUND_TRIP_MAX: Duration = Duration::from_millis(300);
/// Packets of one NACK that are looked at; a viewer that misses more needs a key frame.
const REPAIRS_PER_NACK_MAX: usize = 256;
/// Longest datagram a repair makes, in bytes.
const DATAGRAM_BYTES_MAX: usize = 2_048;
