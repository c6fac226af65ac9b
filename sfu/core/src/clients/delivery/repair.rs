//! Owns the answer to what a viewer misses, by its NACK or by its feedback: which packet, under which numbers, sealed once
//! more. Never looks beyond the history of the track.

use std::time::{Duration, Instant};

use arrayvec::ArrayVec;
use chappe_sfu_rate::PacketClass;

use crate::clients::delivery::rewrite::Rewritten;
use crate::clients::delivery::rtx::Repeat;
use crate::clients::delivery::sender::Repair;
use crate::clients::delivery::template::{HEADER_BYTES_MAX, patch, patch_frame, write_header};
use crate::clients::delivery::{Bandwidth, Delivery, Original};
use crate::codec::frame::{Renumbered, renumber};
use crate::egress::Arena;
use crate::keys::{Key, SendLine};
use crate::outputs::Outputs;
use crate::tracks::Tracks;
use crate::tracks::history::{Entry, History};
use crate::wire::rtp::{Seq, Ssrc};

impl Delivery {
    /// Repeats what a viewer asks for, as far as it is there and the budget allows.
    pub fn repair(
        &mut self,
        now: Instant,
        (media, lost): (Ssrc, impl Iterator<Item = Seq>),
        round_trip: Option<Duration>,
        tracks: &Tracks,
        out: &mut Outputs,
    ) {
        let Some((line, _)) = self.sender_of(media) else { return };
        let lost = lost.take(REPAIRS_PER_NACK_MAX).map(|seq| Original::of(line, seq.0.into()));
        self.repeat(now, lost, round_trip, tracks, out);
    }

    /// Repeats what the viewer's feedback says did not arrive, without being asked.
    pub fn repair_missed(&mut self, now: Instant, round_trip: Option<Duration>, tracks: &Tracks, out: &mut Outputs) {
        let Some(missed) = self.bandwidth.as_mut().map(|bandwidth| bandwidth.missed()) else { return };
        if !missed.is_empty() {
            self.repeat(now, missed.into_iter(), round_trip, tracks, out);
        }
    }

    fn repeat(
        &mut self,
        now: Instant,
        lost: impl Iterator<Item = Original>,
        round_trip: Option<Duration>,
        tracks: &Tracks,
        out: &mut Outputs,
    ) {
        let round_trip = round_trip.unwrap_or(ROUND_TRIP_DEFAULT).clamp(ROUND_TRIP_MIN, ROUND_TRIP_MAX);
        if !self.path.is_open() {
            return;
        }
        let is_twice = self.acknowledged().is_some_and(Bandwidth::repeats_twice);
        let mut again: ArrayVec<Original, REPAIRS_TWICE_MAX> = ArrayVec::new();
        for original in lost {
            match self.repeat_one(now, original, Some(round_trip), tracks, out) {
                Repeated::Rtx if is_twice && !again.is_full() => again.push(original),
                Repeated::Rtx | Repeated::Plain | Repeated::No => {}
                Repeated::Full => return,
            }
        }
        // Behind all others, because what loses one packet often loses the next.
        for original in again {
            self.repeat_one(now, original, None, tracks, out);
        }
    }

    /// Once per `round_trip`, if there is one.
    fn repeat_one(
        &mut self,
        now: Instant,
        original: Original,
        round_trip: Option<Duration>,
        tracks: &Tracks,
        out: &mut Outputs,
    ) -> Repeated {
        let arena = out.egress.media();
        if !arena.has_room(DATAGRAM_BYTES_MAX) {
            return Repeated::Full;
        }
        let line = original.line();
        let Some(sender) = self.sender_mut(line) else { return Repeated::No };
        let Some(history) = sender.layer.and_then(|layer| tracks.history(layer)) else { return Repeated::No };
        let Some((repair, entry, numbers)) = sender.decide_repair(history, original.seq, round_trip, now) else {
            return Repeated::No;
        };
        let (is_sent, repeated) = match repair {
            Repair::Rtx { payload_type, index, original } => {
                let repeat = Repeat { entry: &entry, payload_type, index, original, timestamp: numbers.timestamp };
                let sent = self.push_rtx(line, &repeat, PacketClass::Repair, (now, history), arena);
                (sent.is_some(), Repeated::Rtx)
            }
            Repair::Plain { payload_type, index } => {
                let numbers = Rewritten { index, ..numbers };
                (self.push_plain(line, (&entry, payload_type, numbers), history, arena), Repeated::Plain)
            }
        };
        out.counters.packets_out += u64::from(is_sent);
        if is_sent { repeated } else { Repeated::No }
    }

    /// The same packet once more, to the last bit: it has no transport-wide number.
    fn push_plain(
        &mut self,
        line: SendLine,
        (entry, payload_type, numbers): (&Entry, u8, Rewritten),
        history: &History,
        arena: &mut Arena,
    ) -> bool {
        let (Some(route), Some(sealer)) = (self.path.route, self.path.sealer.as_ref()) else { return false };
        let Some(Some(sender)) = self.senders.get(line.place()) else { return false };
        let own = sender.own(&entry.packet, &self.unnumbered);
        let mut header = [0; HEADER_BYTES_MAX];
        let len = write_header(&mut header, history, entry, &self.unnumbered, own);
        let header = &mut header[..len];
        patch(header, sender.spec.ssrc, payload_type, sender.ends_picture(&entry.packet), numbers);
        let payload = history.payload(entry);
        let renumbered = sender.renumber(&entry.packet).and_then(|frame| {
            patch_frame(header, &self.unnumbered, &frame);
            renumber(entry.packet.codec, payload, &frame)
        });
        let Renumbered { head, replaced } = renumbered.unwrap_or_default();
        let payload = payload.get(replaced..).unwrap_or(&[]);
        let len_max = len + head.len() + payload.len() + sealer.rtp_overhead();
        if let Some(bandwidth) = &mut self.bandwidth {
            bandwidth.note_repeated(len_max, line, numbers.index);
        }
        arena.push(route, len_max, |out| sealer.seal_rtp_parts(numbers.index, header, &head, payload, out))
    }
}

enum Repeated {
    /// On an SSRC of its own, where each copy has its own number.
    Rtx,
    Plain,
    /// Not there, too soon, or beyond the budget.
    No,
    /// Nothing more can be sent now.
    Full,
}

/// Before a round trip is measured.
const ROUND_TRIP_DEFAULT: Duration = Duration::from_millis(50);
/// A packet is not repeated twice within this, however near the viewer is.
const ROUND_TRIP_MIN: Duration = Duration::from_millis(10);
/// Nor is a viewer that is far away made to wait longer.
const ROUND_TRIP_MAX: Duration = Duration::from_millis(300);
/// Packets of one NACK that are looked at; a viewer that misses more needs a key frame.
const REPAIRS_PER_NACK_MAX: usize = 256;
/// Of them, those that are sent twice on a line that loses at random.
const REPAIRS_TWICE_MAX: usize = 32;
/// Longest datagram a repair makes, in bytes.
const DATAGRAM_BYTES_MAX: usize = 2_048;
