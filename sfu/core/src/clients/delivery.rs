//! Owns what goes to one client: the way there, SRTP, and the m-lines we send on. Never chooses what is sent.

mod acknowledgement;
mod ahead;
mod allotment;
mod allotter;
mod bandwidth;
mod frame_order;
mod keyframe_allowance;
mod layer_reason;
mod layer_selection;
mod left_out;
mod padding;
mod path;
mod repair;
mod reports;
mod rewrite;
mod rtx;
mod sender;
mod template;

use std::time::{Duration, Instant};

use chappe_sfu_rate::{Bitrate, Known, PacketClass};

pub(crate) use acknowledgement::Acknowledgement;
use allotter::Allotter;
pub(crate) use bandwidth::{Bandwidth, Original, ReportsByStream, SentStream};
pub use bandwidth::{LineBasis, LineStats};
pub(crate) use keyframe_allowance::KeyframeAnswer;
pub use layer_reason::LayerReason;
pub(crate) use layer_reason::{Allotment, Limits};
pub(crate) use path::Path;
pub(crate) use sender::{Awaited, Hearing, Sender};
pub(crate) use template::{PASS_PACKETS_MAX, Templates, line_bytes};

use crate::allowance::Allowance;
use crate::clients::delivery::sender::Step;
use crate::clients::delivery::template::{patch, patch_frame, patch_number, write_header};
use crate::codec::frame::renumber;
use crate::egress::Egress;
use crate::keys::{Key, SendLine};
use crate::outputs::Outputs;
use crate::spec::{MediaKind, SendTrack};
use crate::tracks::Tracks;
use crate::tracks::history::{Arrived, Gop, History};
use crate::wire::rtp::{ExtensionKind, ExtensionMap, Ssrc};

pub(crate) struct Delivery {
    pub path: Path,
    /// Of our RTCP towards this client.
    pub ssrc: Ssrc,
    extensions: ExtensionMap,
    /// The same for packets that carry no transport-wide number.
    unnumbered: ExtensionMap,
    acknowledgement: Acknowledgement,
    /// What is known of the line; `None` as long as the client says nothing of it and can't. Made for one way to
    /// acknowledge, and never kept for another.
    pub bandwidth: Option<Box<Bandwidth>>,
    /// Of feedback on single packets that is read: a few bytes of it may speak of thousands, and who sends them need not
    /// mean it.
    pub feedback_allowance: Allowance,
    /// None before the first choice of layers.
    allotter: Option<Box<Allotter>>,
    /// Places are stable: an m-line that went leaves `None`.
    pub senders: Vec<Option<Sender>>,
    /// Where the numbers of SSRCs that are no longer sent ended: they must never be used again.
    spent: Vec<(u32, u64)>,
}

impl Delivery {
    pub fn new(ssrc: Ssrc) -> Delivery {
        Delivery {
            path: Path::default(),
            ssrc,
            extensions: ExtensionMap::empty(),
            unnumbered: ExtensionMap::empty(),
            acknowledgement: Acknowledgement::default(),
            bandwidth: None,
            feedback_allowance: Allowance::new(FEEDBACK_INTERVAL, FEEDBACK_AT_ONCE),
            allotter: None,
            senders: Vec::new(),
            spent: Vec::new(),
        }
    }

    /// `reports_streams` where the client sends congestion control feedback (RFC 8888).
    pub fn set_extensions(&mut self, extensions: ExtensionMap, reports_streams: bool) {
        let acknowledgement = Acknowledgement::negotiated(&extensions, reports_streams);
        self.unnumbered = extensions.with(ExtensionKind::TransportCc, None);
        self.extensions = if acknowledgement == Acknowledgement::ByNumber { extensions } else { self.unnumbered };
        // What can't be told by its fate any more, or can be from now on, is estimated afresh.
        self.bandwidth.take_if(|_| acknowledgement != self.acknowledgement);
        self.acknowledgement = acknowledgement;
    }

    /// Whether the client can be reached and will tell the fate of each packet, of which nothing is known yet.
    pub fn may_start_estimate(&self) -> bool {
        self.bandwidth.is_none() && self.will_estimate() && self.path.is_keyed() && !self.senders.is_empty()
    }

    /// `known` is what a client that comes back left with.
    pub fn start_estimate(&mut self, now: Instant, known: Option<Known>) {
        self.bandwidth = Some(Box::new(Bandwidth::acknowledged(now, self.acknowledgement, known)));
    }

    /// Whether the client tells the fate of each packet, now or once it can be reached.
    pub fn will_estimate(&self) -> bool {
        self.acknowledgement.is_per_packet()
    }

    /// What is known of the line to a client that tells the fate of each packet.
    pub fn acknowledged(&self) -> Option<&Bandwidth> {
        self.bandwidth.as_deref().filter(|_| self.acknowledgement.is_per_packet())
    }

    pub fn acknowledged_mut(&mut self) -> Option<&mut Bandwidth> {
        self.bandwidth.as_deref_mut().filter(|_| self.acknowledgement.is_per_packet())
    }

    /// Whether the client is told what depends on what by header extensions.
    pub fn has_descriptors(&self) -> bool {
        self.extensions.id(ExtensionKind::DependencyDescriptor).is_some()
    }

    /// What is known of the line to a client that says something of it for the first time, by report or REMB, when `sent`
    /// was what it got.
    fn reported_bandwidth(&mut self, now: Instant, sent: Bitrate) -> &mut Bandwidth {
        self.bandwidth.get_or_insert_with(|| Box::new(Bandwidth::reported(now, sent)))
    }

    /// What is sent, by the last measurement of each sender.
    fn bits_per_second(&self) -> Bitrate {
        Bitrate::from_bps(self.senders.iter().flatten().map(|sender| sender.traffic.bits_per_second).sum())
    }

    pub fn sender(&self, line: SendLine) -> Option<&Sender> {
        self.senders.get(line.place())?.as_ref()
    }

    pub fn sender_mut(&mut self, line: SendLine) -> Option<&mut Sender> {
        self.senders.get_mut(line.place())?.as_mut()
    }

    pub fn sender_of(&mut self, ssrc: Ssrc) -> Option<(SendLine, &mut Sender)> {
        let of = |sender: &&mut Sender| sender.spec.ssrc == ssrc.0;
        let mut senders = self.senders.iter_mut().enumerate();
        senders.find_map(|(at, sender)| Some((SendLine::new(at), sender.as_mut().filter(of)?)))
    }

    /// The m-lines that are there, and where.
    pub fn lines(&self) -> impl Iterator<Item = (SendLine, &Sender)> {
        let senders = self.senders.iter().enumerate();
        senders.filter_map(|(at, sender)| Some((SendLine::new(at), sender.as_ref()?)))
    }

    // ── Media ───────────────────────────────────────────────────────────────────────────────────────────

    /// The viewer's copies of these packets, one behind the other in the arena. True when a source started with one
    /// of them: then a sender report is due.
    #[inline]
    pub fn forward(
        &mut self,
        line: SendLine,
        history: &History,
        templates: &mut Templates,
        now: Instant,
        out: &mut Outputs,
    ) -> bool {
        let (Some(route), Some(sealer)) = (self.path.route, self.path.sealer.as_ref()) else { return false };
        let Some(Some(sender)) = self.senders.get_mut(line.place()) else { return false };
        let report_at = sender.report_at;
        let mut bandwidth = self.bandwidth.as_deref_mut();
        let is_numbered = bandwidth.is_some() && self.acknowledgement.numbers(sender);
        let ids = if is_numbered { &self.extensions } else { &self.unnumbered };
        let sent = bandwidth.as_deref().map(|bandwidth| bandwidth.time(now)).unwrap_or_default();
        let class = class_of(sender.spec.kind);
        templates.translate(history, ids);
        let Templates { packets, scratch, .. } = templates;
        for template in packets {
            let (numbers, payload_type, is_filler) = match sender.step(&template.entry, now) {
                Step::Send(numbers, payload_type) => (numbers, payload_type, false),
                Step::Fill(numbers, payload_type) => (numbers, payload_type, true),
                Step::Skip | Step::AwaitsKeyframe => continue,
            };
            let entry = if is_filler { template.entry.emptied() } else { template.entry };
            let payload = history.payload(&entry);
            let frame = sender.renumber(&entry.packet);
            let own = sender.own(&entry.packet, ids);
            let header = if own.says_something() || is_filler {
                let len = write_header(scratch, history, &entry, ids, own);
                &mut scratch[..len]
            } else {
                template.header_mut(scratch, frame.is_some())
            };
            patch(header, sender.spec.ssrc, payload_type, sender.ends_picture(&entry.packet), numbers);
            let renumbered = frame.and_then(|frame| {
                patch_frame(header, ids, &frame);
                renumber(entry.packet.codec, payload, &frame)
            });
            let longer = renumbered.as_ref().map_or(0, |other| other.head.len() - other.replaced);
            let len_max = header.len() + longer + payload.len() + sealer.rtp_overhead();
            match bandwidth.as_deref_mut() {
                Some(bandwidth) if is_numbered => {
                    let original = Original::of(line, numbers.index);
                    patch_number(header, bandwidth.number(sent, len_max, class, original, None));
                }
                Some(bandwidth) => bandwidth.note_sent(len_max),
                None => {}
            }
            let seal = |out: &mut [u8]| match &renumbered {
                None => sealer.seal_rtp(numbers.index, header, payload, out),
                Some(other) => {
                    sealer.seal_rtp_parts(numbers.index, header, &other.head, payload.get(other.replaced..)?, out)
                }
            };
            if out.egress.media().push(route, len_max, seal) {
                sender.note_sent(payload.len());
                out.counters.packets_out += 1;
                out.counters.bytes_out += len_max as u64;
                self.path.sent = Some(now);
            }
        }
        if let Some(since) = sender.waits_since.filter(|_| sender.is_started()) {
            sender.waits_since = None;
            out.counters.first_keyframes.note(now.saturating_duration_since(since));
        }
        sender.report_at != report_at
    }

    /// Whether a key frame would help this viewer. It would not while the publisher sends a codec that the viewer
    /// cannot decode, but each would cost all others.
    pub fn awaits_keyframe(&self, line: SendLine, newest: &Arrived, now: Instant) -> bool {
        let waits = |sender: &Sender| sender.spec.kind == MediaKind::Video && sender.is_waiting(newest);
        self.path.is_open() && self.sender(line).is_some_and(|sender| waits(sender) && !self.rests(sender, now))
    }

    /// The same, or that it would help it to get the layers that it should have.
    pub fn wants_keyframe(&self, line: SendLine, newest: &Arrived, now: Instant) -> bool {
        let wants = |sender: &Sender| sender.wants_keyframe(newest, now);
        self.path.is_open() && self.sender(line).is_some_and(|sender| wants(sender) && !self.rests(sender, now))
    }

    /// Whether a line that carries so little is not to cost the others a key frame yet.
    pub fn rests(&self, sender: &Sender, now: Instant) -> bool {
        sender.rests(now, || self.estimate())
    }

    /// Nothing where it is not known.
    pub fn estimate(&self) -> Bitrate {
        self.bandwidth.as_ref().map_or(Bitrate::ZERO, |bandwidth| bandwidth.estimate())
    }

    /// What a pass takes of a viewer's line.
    pub fn line_bytes_of(&self, line: SendLine, templates: &Templates) -> u64 {
        match self.sender(line).filter(|_| templates.is_layered()) {
            Some(sender) => {
                let wanted = templates.entries().filter(|entry| sender.wants(&entry.packet));
                wanted.map(line_bytes).sum()
            }
            None => templates.bytes,
        }
    }

    /// Whether the line takes this key frame and all since then at once.
    pub fn takes_at_once(&self, gop: &Gop) -> bool {
        self.bandwidth.as_ref().is_none_or(|bandwidth| bandwidth.takes_burst(gop.bytes()))
    }

    /// Whether a pass of so many bytes of video is more than this viewer's line takes at once. From then on it waits for
    /// its budget. `newest` is the last packet of the pass; a viewer that waits for a key frame gets nothing of a pass
    /// without one.
    #[inline]
    pub fn holds_back(
        &mut self,
        line: SendLine,
        (newest, has_start, bytes): (&Arrived, bool, u64),
        now: Instant,
    ) -> bool {
        let Some(bandwidth) = self.bandwidth.as_deref_mut() else { return false };
        let Some(Some(sender)) = self.senders.get(line.place()) else { return false };
        let gets_it = sender.spec.kind == MediaKind::Video && (has_start || !sender.is_waiting(newest));
        if !gets_it || bandwidth.covers(now, bytes) {
            return false;
        }
        bandwidth.set_waiting(line, true);
        true
    }

    // ── RTCP ────────────────────────────────────────────────────────────────────────────────────────────

    /// Sender reports, in our time.
    pub fn send_sender_reports(&mut self, now: Instant, tracks: &Tracks, egress: &mut Egress) {
        let mut is_measured = false;
        for sender in self.senders.iter_mut().flatten() {
            if sender.report_at.is_none_or(|due| due > now) {
                continue;
            }
            sender.report_at = Some(now + sender.report_interval());
            sender.traffic.measure(now);
            is_measured = true;
            let clock = sender.layer.and_then(|layer| tracks.clock(layer));
            let Some(clock) = clock.filter(|_| sender.is_started()) else { continue };
            let report = sender.report(&clock, now);
            let cname = &sender.spec.cname;
            self.path.send_rtcp(now, egress, |writer| {
                writer.sender_report(&report, &[])?;
                writer.cname(report.ssrc, cname)
            });
        }
        let sent = self.bits_per_second();
        let lacks = self.senders.iter().flatten().any(Sender::is_interrupted);
        if let Some(bandwidth) = self.bandwidth.as_mut().filter(|_| is_measured) {
            bandwidth.note_sent_rate(sent, lacks);
        }
    }

    // ── m-lines that come and go ────────────────────────────────────────────────────────────────────────

    /// Finds the sender of an m-line by its SSRC, or makes one whose numbers go on where its SSRC ended, or begin as
    /// `random` has it.
    pub fn place_sender(&mut self, line: &SendTrack, random: u64) -> SendLine {
        let same = |sender: &Option<Sender>| sender.as_ref().is_some_and(|sender| sender.spec.ssrc == line.ssrc);
        if let Some(at) = self.senders.iter().position(same) {
            return SendLine::new(at);
        }
        // Below 2^15, so that a receiver that misses the first packets still guesses the cycle (RFC 3711 3.3.1).
        let first = self.take_spent(line.ssrc).unwrap_or(random & FIRST_INDEX_MASK);
        let repair_first = line.rtx_ssrc.and_then(|ssrc| self.take_spent(ssrc));
        let repair_first = repair_first.unwrap_or(random >> 16 & FIRST_INDEX_MASK);
        let sender = Some(Sender::new(line.clone(), first, repair_first, (random >> 32) as u32));
        match self.senders.iter().position(Option::is_none) {
            Some(at) => {
                self.senders[at] = sender;
                SendLine::new(at)
            }
            None => {
                self.senders.push(sender);
                SendLine::new(self.senders.len() - 1)
            }
        }
    }

    /// Keeps where the numbers of an SSRC ended, and says goodbye on it (RFC 3550 section 6.6).
    pub fn end_sender(&mut self, now: Instant, line: SendLine, says_goodbye: bool, egress: &mut Egress) {
        let Some(sender) = self.senders.get_mut(line.place()).and_then(Option::take) else { return };
        self.spent.push((sender.spec.ssrc, sender.next_index()));
        self.spent.extend(sender.spec.rtx_ssrc.map(|ssrc| (ssrc, sender.repair_next)));
        if let Some(bandwidth) = &mut self.bandwidth {
            bandwidth.forget_line(line);
        }
        if says_goodbye && sender.traffic.packets > 0 {
            let ssrc = Ssrc(sender.spec.ssrc);
            self.path.send_rtcp(now, egress, |writer| {
                writer.receiver_report(ssrc, &[])?;
                writer.cname(ssrc, &sender.spec.cname)?;
                writer.bye(&[ssrc])
            });
        }
    }

    fn take_spent(&mut self, ssrc: u32) -> Option<u64> {
        let at = self.spent.iter().position(|(known, _)| *known == ssrc)?;
        Some(self.spent.swap_remove(at).1)
    }

    /// Whether all m-lines of now can be replaced, and the numbers of all be remembered.
    pub fn can_replace_all(&self) -> bool {
        self.spent.len() + 2 * self.senders.iter().flatten().count() <= SPENT_MAX
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let estimate = self.acknowledged().and_then(|bandwidth| bandwidth.poll_timeout(self.padding_line().is_some()));
        self.senders.iter().flatten().filter_map(Sender::poll_timeout).chain(estimate).chain(self.allotment_at()).min()
    }
}

fn class_of(kind: MediaKind) -> PacketClass {
    match kind {
        MediaKind::Audio => PacketClass::Audio,
        MediaKind::Video => PacketClass::Video,
    }
}

const FIRST_INDEX_MASK: u64 = 0x7fff;
/// libwebrtc sends transport-wide feedback each 50 ms at most (`remote_estimator_proxy.cc`), and that of RFC 8888 each 25 ms,
/// in more than one packet where there are many.
const FEEDBACK_INTERVAL: Duration = Duration::from_millis(10);
/// What a line that stood still gives back at once.
const FEEDBACK_AT_ONCE: u32 = 32;
/// SSRCs of ours whose last numbers are remembered per session: 512 m-lines that came and went, in 16 kB.
pub(crate) const SPENT_MAX: usize = 1_024;
