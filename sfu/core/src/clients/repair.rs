//! Owns the answer to a viewer's NACK: which packet, under which numbers, sealed once more. Never looks
//! beyond the history of the track.

use std::time::{Duration, Instant};

use crate::clients::rewrite::Rewritten;
use crate::clients::sender::Repair;
use crate::clients::template::{HEADER_BYTES_MAX, patch, write_header};
use crate::keys::SessionKey;
use crate::sfu::Sfu;
use crate::tracks::history::Entry;
use crate::wire::rtp::{ExtensionKind, ExtensionMap, Seq, Ssrc};

impl Sfu {
    /// Repeats what a viewer misses, as far as it is there and the budget allows.
    pub(crate) fn repair(&mut self, now: Instant, key: SessionKey, media: Ssrc, lost: impl Iterator<Item = Seq>) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let round_trip = session.round_trip.unwrap_or(ROUND_TRIP_DEFAULT).clamp(ROUND_TRIP_MIN, ROUND_TRIP_MAX);
        let Some((at, _)) = session.sender_of(media) else { return };
        let (Some(route), Some(sealer)) = (session.outlet.route, session.outlet.sealer.as_ref()) else { return };
        let Some(Some(sender)) = session.senders.get_mut(at) else { return };
        let history = sender.track.and_then(|track| self.tracks.get(track)?.history.as_ref());
        let Some(history) = history else { return };
        let arena = self.egress.media();
        for seq in lost.take(REPAIRS_PER_NACK_MAX) {
            if !arena.has_room(DATAGRAM_BYTES_MAX) {
                return;
            }
            let Some((repair, entry, numbers)) = sender.decide_repair(history, seq.0, round_trip, now) else {
                continue;
            };
            let mid = sender.names_mid.then(|| session.extensions.id(ExtensionKind::Mid)).flatten();
            let mid = mid.map(|id| (id, sender.spec.mid.as_bytes()));
            let mut header = [0; HEADER_BYTES_MAX];
            let write = |header: &mut [u8; HEADER_BYTES_MAX], entry: &Entry, ids: &ExtensionMap| {
                write_header(header, history, entry, ids, mid)
            };
            let is_sent = match repair {
                Repair::Rtx { payload_type, index, original } => {
                    let Some(ssrc) = sender.spec.rtx_ssrc else { continue };
                    let bare = entry.without_padding();
                    let len = write(&mut header, &bare, &session.extensions);
                    let header = &mut header[..len];
                    let numbers = Rewritten { index, timestamp: numbers.timestamp };
                    patch(header, ssrc, payload_type, entry.packet.marker, numbers);
                    let payload = history.payload(&bare);
                    arena.push(route, len + 2 + payload.len() + sealer.rtp_overhead(), |out| {
                        sealer.seal_rtp_parts(index, header, &original.to_be_bytes(), payload, out)
                    })
                }
                Repair::Plain { payload_type, index } => {
                    let len = write(&mut header, entry, &session.extensions);
                    let header = &mut header[..len];
                    patch(header, sender.spec.ssrc, payload_type, entry.packet.marker, numbers);
                    let payload = history.payload(entry);
                    arena.push(route, len + payload.len() + sealer.rtp_overhead(), |out| {
                        sealer.seal_rtp(index, header, payload, out)
                    })
                }
            };
            self.counters.packets_out += u64::from(is_sent);
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
