//! Owns one m-line we send on: its numbers, RTX, sender reports and what the viewer says of it. Never reads a
//! clock and never picks the source.

mod ahead;
mod awaited;
mod hearing;
mod layers;
mod padding;
mod recent_repairs;
mod reported;
mod reports;
mod rest;

use std::time::{Duration, Instant};

use chappe_sfu_rate::Bitrate;

pub(crate) use awaited::Awaited;
pub(crate) use hearing::Hearing;

use crate::clients::delivery::frame_order::FrameOrder;
use crate::clients::delivery::keyframe_allowance::KeyframeAllowance;
use crate::clients::delivery::layer_reason::Allotment;
use crate::clients::delivery::layer_selection::LayerSelection;
use crate::clients::delivery::rewrite::{Rewriter, Rewritten};
use crate::clients::delivery::sender::recent_repairs::RecentRepairs;
use crate::clients::delivery::sender::reported::{Reported, Told};
use crate::clients::delivery::sender::rest::Rest;
use crate::codec::frame::FrameNumbers;
use crate::keys::LayerKey;
use crate::spec::{MediaKind, PayloadMap, SendTrack, Shown};
use crate::stats::Traffic;
use crate::tracks::LayerChoice;
use crate::tracks::history::{Arrived, Entry, Gop, History};
use crate::tracks::playout::ClockBridge;
use crate::wire::rtcp::ReportBlock;

pub(crate) struct Sender {
    pub spec: SendTrack,
    /// The encoding that it follows.
    pub layer: Option<LayerKey>,
    /// How its client's page shows it.
    pub shown: Shown,
    /// The next one, while this one goes on.
    pub awaited: Option<Box<Awaited>>,
    /// What its client should get of its track, as whoever allocates has decided; `None` for the best.
    pub choice: Option<LayerChoice>,
    /// What that is among what there is, and why it is not more.
    pub allotment: Option<Allotment>,
    /// Changes from one encoding of a track to another.
    pub switches: u64,
    pub hearing: Hearing,
    rewriter: Rewriter,
    /// From the clock of the encoding before to that of this one, until this one begins.
    bridge: Option<ClockBridge>,
    frames: FrameOrder,
    /// Of a source with layers, which of them leave.
    layers: LayerSelection,
    /// Index of the next RTX packet.
    pub repair_next: u64,
    /// Repeats in plain (without RTX) are possible from this index on: before it the header looked different.
    plain_from: u64,
    generation: Option<u32>,
    clock_rate: u32,
    /// Since when it could send a picture and has sent none.
    pub waits_since: Option<Instant>,
    /// Until the viewer reports on the SSRC each packet names its mid (RFC 8843 section 9.2).
    pub names_mid: bool,
    pub traffic: Traffic,
    pub repaired: u64,
    pub lost: i32,
    reported: Option<Reported>,
    pub keyframe_requests: u64,
    pub keyframe_allowance: KeyframeAllowance,
    /// Bytes that repairs may still take; earned by media.
    credit: u32,
    recent: Option<Box<RecentRepairs>>,
    pub report_at: Option<Instant>,
    rest: Rest,
    /// Middle bits of the NTP time of the last two sender reports, the newest first, and when they left: a
    /// viewer that is far away answers the one before.
    last_reports: [Option<(u32, Instant)>; 2],
}

/// What becomes of a packet of the source for one viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Send(Rewritten, u8),
    /// Left out, and what came after it has left: an empty packet takes its number.
    Fill(Rewritten, u8),
    /// Left out, without a gap.
    Skip,
    /// The viewer waits for a key frame, and this is none.
    AwaitsKeyframe,
}

/// What a NACK for one packet is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repair {
    /// RFC 4588: payload type, index, and the sequence number of the original.
    Rtx { payload_type: u8, index: u64, original: u16 },
    /// The same packet once more, byte for byte.
    Plain { payload_type: u8, index: u64 },
}

impl Sender {
    /// `first` and `repair_first` are the indices of the first packets of the two SSRCs.
    pub fn new(spec: SendTrack, first: u64, repair_first: u64, timestamp: u32) -> Sender {
        let clock_rate = spec.payload_types.first().map_or(90_000, |map| map.clock_rate);
        Sender {
            spec,
            layer: None,
            shown: Shown::default(),
            awaited: None,
            choice: None,
            allotment: None,
            switches: 0,
            hearing: Hearing::default(),
            rewriter: Rewriter::new(first, timestamp),
            bridge: None,
            frames: FrameOrder::default(),
            layers: LayerSelection::new(),
            repair_next: repair_first,
            plain_from: first,
            generation: None,
            clock_rate,
            waits_since: None,
            names_mid: true,
            traffic: Traffic::default(),
            repaired: 0,
            lost: 0,
            reported: None,
            keyframe_requests: 0,
            keyframe_allowance: KeyframeAllowance::default(),
            credit: REPAIR_CREDIT_START,
            recent: None,
            report_at: None,
            rest: Rest::default(),
            last_reports: [None; 2],
        }
    }

    /// New payload types or extensions: what was sent before can't be repeated byte for byte any more.
    pub fn replace_spec(&mut self, spec: SendTrack) {
        self.forbid_plain_repeats();
        self.spec = spec;
    }

    pub fn forbid_plain_repeats(&mut self) {
        self.plain_from = self.rewriter.next();
    }

    /// What the m-line is once it sends what it awaits.
    pub fn next_spec(&self) -> &SendTrack {
        self.awaited.as_ref().and_then(|awaited| awaited.spec.as_ref()).unwrap_or(&self.spec)
    }

    /// Another encoding follows, and so the clocks of both are related.
    pub fn cross(&mut self, bridge: Option<ClockBridge>) {
        self.bridge = bridge;
    }

    /// The source changed or went; the next one starts at a key frame. Nothing of the old one is repeated:
    /// its numbers may mean other packets by now.
    pub fn interrupt(&mut self) {
        (self.generation, self.hearing) = (None, Hearing::default());
        self.rewriter.stop();
        self.plain_from = self.rewriter.next();
    }

    /// Decides what becomes of a packet, in the order the source received them.
    #[inline]
    pub fn step(&mut self, entry: &Entry, now: Instant) -> Step {
        let packet = &entry.packet;
        let is_current = self.generation == Some(packet.generation);
        let Some(map) = self.payload_map(packet.payload_type) else {
            if is_current {
                self.rewriter.skip(packet.sequence);
            }
            return Step::Skip;
        };
        let (payload_type, clock_rate) = (map.to, map.clock_rate);
        if !is_current {
            if !packet.keyframe || self.generation.is_some_and(|current| is_older(packet.generation, current)) {
                return Step::AwaitsKeyframe;
            }
            self.begin(entry, now, clock_rate);
        }
        if !self.hearing.passes(|| self.rewriter.resume(packet.sequence)) {
            return Step::Skip;
        }
        if packet.layers.is_layered() && !self.layers.passes(packet.sequence, &packet.layers, now) {
            let is_late = !self.rewriter.skip(packet.sequence);
            let numbers = is_late.then(|| self.rewriter.map(packet.sequence, packet.timestamp, now)).flatten();
            return numbers.map_or(Step::Skip, |numbers| Step::Fill(numbers, payload_type));
        }
        // Padding alone is left out, unless its number is spent already: then an empty packet fills it.
        if entry.is_empty() && self.rewriter.skip(packet.sequence) {
            return Step::Skip;
        }
        match self.rewriter.map(packet.sequence, packet.timestamp, now) {
            Some(rewritten) => {
                self.frames.note(&packet.frame);
                Step::Send(rewritten, payload_type)
            }
            None => Step::Skip,
        }
    }

    /// The viewer starts, or starts afresh, at this packet.
    fn begin(&mut self, entry: &Entry, now: Instant, clock_rate: u32) {
        let (sequence, timestamp) = (entry.packet.sequence, entry.packet.timestamp);
        let passed = self.take_passed(timestamp, clock_rate);
        self.rewriter.start((sequence, timestamp), passed, now, clock_rate);
        self.frames.begin(&entry.packet.frame);
        self.layers.begin(sequence);
        self.note_begun(entry.packet.generation, now, clock_rate);
    }

    /// The viewer starts with a key frame of the past. False when it can't decode it.
    pub fn begin_behind(&mut self, gop: &Gop, now: Instant) -> bool {
        let Some(clock_rate) = self.payload_map(gop.payload_type).map(|map| map.clock_rate) else { return false };
        let (first, live) = ((gop.sequence, gop.timestamp), (gop.newest_sequence, gop.newest_timestamp));
        let passed = self.take_passed(gop.newest_timestamp, clock_rate);
        self.rewriter.start_behind(first, live, passed, now, clock_rate);
        self.frames.begin(&gop.frame);
        self.layers.begin(gop.sequence);
        self.note_begun(gop.generation, now, clock_rate);
        true
    }

    /// Ticks from the last packet of the encoding before to one of this one with this timestamp, where the publisher has
    /// reported what the timestamps of both mean.
    fn take_passed(&mut self, timestamp: u32, clock_rate: u32) -> Option<i32> {
        let last = self.rewriter.last_source_timestamp()?;
        self.bridge.take()?.ticks_between(last, timestamp, clock_rate)
    }

    fn note_begun(&mut self, generation: u32, now: Instant, clock_rate: u32) {
        self.plain_from = self.rewriter.next();
        self.generation = Some(generation);
        self.clock_rate = clock_rate;
        self.report_at = Some(now);
    }

    /// What waited for the viewer was too old, and it goes on with the next key frame. Its publisher is asked for one,
    /// but not again and again for a line that does not carry what follows it.
    pub fn give_up(&mut self, now: Instant, takes: Bitrate, estimate: Bitrate) {
        self.interrupt();
        self.rest.note(now, takes, estimate);
    }

    /// Whether a key frame is not to be asked for yet, on a line that carries so much.
    pub fn rests(&self, now: Instant, estimate: impl FnOnce() -> Bitrate) -> bool {
        self.rest.lasts(now, estimate)
    }

    /// Whether a picture that it sent before stands still until there is a key frame.
    pub fn is_interrupted(&self) -> bool {
        self.spec.kind == MediaKind::Video && self.layer.is_some() && self.is_started() && self.generation.is_none()
    }

    /// Whether this packet would be sent if it were a key frame, and only then.
    pub fn is_waiting(&self, packet: &Arrived) -> bool {
        self.generation != Some(packet.generation) && self.decodes(packet.payload_type)
    }

    pub fn decodes(&self, payload_type: u8) -> bool {
        self.spec.decodes(payload_type)
    }

    /// The numbers of a frame, where the viewer gets others than the source gives it.
    #[inline]
    pub fn renumber(&self, packet: &Arrived) -> Option<FrameNumbers> {
        self.frames.renumber(&packet.frame)
    }

    /// Packets of the track have numbers.
    pub fn is_started(&self) -> bool {
        self.rewriter.is_started()
    }

    /// What a new packet's index would be; everything below is spent.
    pub fn next_index(&self) -> u64 {
        self.rewriter.next()
    }

    /// Whether the page of its client does not show it. What is only heard always comes.
    pub fn is_hidden(&self) -> bool {
        self.spec.kind == MediaKind::Video && !self.shown.is_visible
    }

    /// Whether it has begun with what its track is now.
    pub fn is_sending(&self, generation: u32) -> bool {
        self.generation == Some(generation)
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let look_at = self.awaited.as_ref().map(|awaited| awaited.look_at);
        [self.report_at, look_at].into_iter().flatten().min()
    }

    #[inline]
    pub fn note_sent(&mut self, payload_bytes: usize) {
        self.traffic.add(payload_bytes);
        self.credit = (self.credit + payload_bytes as u32 / REPAIR_SHARE).min(REPAIR_CREDIT_MAX);
    }

    /// What the viewer's payload type for a repeat and its form are; `None` when it is not to be repeated now. Of one packet
    /// once per round trip, unless none is given.
    pub fn decide_repair(
        &mut self,
        history: &History,
        lost: u16,
        round_trip: Option<Duration>,
        now: Instant,
    ) -> Option<(Repair, Entry, Rewritten)> {
        let (sequence, index) = self.rewriter.origin(lost)?;
        let entry = self.sent_under_number(history.find(sequence)?)?;
        let map = *self.payload_map(entry.packet.payload_type)?;
        let timestamp = self.rewriter.timestamp(sequence, entry.packet.timestamp);
        let cost = entry.payload_len() as u32 + HEADER_COST;
        if !map.nack && map.rtx.is_none() || self.credit < cost {
            return None;
        }
        let repair = match (map.rtx, self.spec.rtx_ssrc) {
            (Some(payload_type), Some(_)) => Repair::Rtx { payload_type, index: self.repair_next, original: lost },
            _ if index < self.plain_from => return None,
            _ => Repair::Plain { payload_type: map.to, index },
        };
        if round_trip.is_some_and(|rtt| !self.recent.get_or_insert_default().may_repeat(lost, rtt, now)) {
            return None;
        }
        if let Repair::Rtx { .. } = repair {
            // Advanced before use: an index is never sealed twice.
            self.repair_next += 1;
        }
        self.credit -= cost;
        self.repaired += 1;
        Some((repair, entry, Rewritten { index, timestamp }))
    }

    /// Whether its packets may have transport-wide numbers: not if one may be repeated as it was, because then it must be
    /// the same to the last bit (RFC 7714 section 8.1).
    #[inline]
    pub fn is_numbered(&self) -> bool {
        let repeats_in_plain = |map: &PayloadMap| map.nack && (map.rtx.is_none() || self.spec.rtx_ssrc.is_none());
        !self.spec.payload_types.iter().any(repeats_in_plain)
    }

    /// Whether a packet must look the same whenever it is sent: then its mid never disappears.
    pub fn names_mid_always(&self) -> bool {
        self.spec.rtx_ssrc.is_none() || self.spec.payload_types.iter().any(|map| map.rtx.is_none())
    }

    /// What a report adds to the one before. The first adds nothing: what the start lost, which leaves as fast as it can be
    /// sealed, says little of the line.
    pub fn note_told(&mut self, now: Instant, block: &ReportBlock) -> Option<Told> {
        let reported = Reported::new(now, block, &self.traffic);
        self.reported.replace(reported).map(|before| reported.since(&before))
    }

    /// The viewer reports on the SSRC. Returns the round trip, if the report tells.
    pub fn handle_report(&mut self, block: &ReportBlock, now: Instant) -> Option<Duration> {
        self.lost = block.cumulative_lost;
        if !self.names_mid_always() {
            self.names_mid = false;
        }
        let answered = |(middle, _): &&(u32, Instant)| block.last_sr != 0 && block.last_sr == *middle;
        let (_, sent) = *self.last_reports.iter().flatten().find(answered)?;
        let held = Duration::from_micros(u64::from(block.delay_since_last_sr) * 1_000_000 / 65_536);
        now.saturating_duration_since(sent).checked_sub(held)
    }

    fn payload_map(&self, from: u8) -> Option<&PayloadMap> {
        self.spec.payload_types.iter().find(|map| map.from == from)
    }
}

/// Whether generation `a` came before `b`.
fn is_older(a: u32, b: u32) -> bool {
    b.wrapping_sub(a) < 1 << 31 && a != b
}

/// Repairs may take one byte for this many of media.
const REPAIR_SHARE: u32 = 2;
/// Repairs that may leave before media has earned any, in bytes.
const REPAIR_CREDIT_START: u32 = 32 << 10;
/// Repairs that may leave at once, in bytes: half a second of 4 Mbit/s.
const REPAIR_CREDIT_MAX: u32 = 256 << 10;
/// What a packet costs beside its payload, in bytes.
const HEADER_COST: u32 = 40;
