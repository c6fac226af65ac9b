//! Owns what is known of one client's line: the transport-wide numbers of what is sent to it, what it says of them, and
//! the estimate that follows. Never sends a packet and never chooses one.

mod ahead;
mod feedback;
mod missed;
mod stream_log;

use std::time::{Duration, Instant};

use arrayvec::ArrayVec;
use chappe_sfu_rate::{
    Backlog, Basis, Bitrate, Grant, Known, Line, PacketClass, RateConfig, RateControl, ReceiverReport, ReferenceClock,
    ReportClock, Taken, Time, Usage,
};

use crate::clients::delivery::Acknowledgement;
use crate::keys::{Key, SendLine};
use crate::wire::rtp::Seq;
pub(crate) use missed::Original;
use missed::{Missed, TOLD_MAX};
use stream_log::StreamLog;
pub(crate) use stream_log::{ReportsByStream, SentStream};

pub(crate) struct Bandwidth {
    control: RateControl,
    /// Time zero of the control loop.
    zero: Instant,
    reference: ReferenceClock,
    report_clock: ReportClock,
    missed: Missed,
    /// Of a client that acknowledges by stream.
    log: Option<Box<StreamLog>>,
    hold: Hold,
    /// Since when the client reports on what it is sent.
    reports_since: Option<Instant>,
    /// The first estimate.
    first: Bitrate,
    /// A bit for each m-line whose reader waits for the budget.
    waiting: u32,
    /// What all layers that are wanted would take, and whether there are several of a track.
    wanted: Bitrate,
    is_layered: bool,
    /// What was sent in the last second.
    sent: Bitrate,
    /// A picture that it watches does not come: it waits for a key frame.
    lacks: bool,
    /// Times that what waited was too old.
    given_up: u64,
    padded: Option<Instant>,
}

/// Whether what is sent is held to the estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    /// Once the first probes are through: until then nothing speaks for it.
    Probing,
    /// Once the client has said something.
    Unheard,
    On,
}

/// What a snapshot says of the line to one client.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LineStats {
    /// What the line is thought to carry, in bits per second.
    pub estimate: u64,
    pub basis: LineBasis,
    /// What arrived lately, in bits per second; only feedback on each packet tells.
    pub acknowledged: Option<u64>,
    /// Of the last seconds, 0 to 1.
    pub loss: f64,
    /// How long a packet waits in the queue of the line.
    pub queue: Duration,
    /// Something waits for the budget.
    pub is_waiting: bool,
    /// Times that what waited was given up because it was too old.
    pub given_up: u64,
}

/// What an estimate stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineBasis {
    /// Nothing was heard yet.
    Start,
    /// What the client says of each packet: transport-wide feedback, or that of RFC 8888.
    Feedback,
    /// It does not say it any more.
    Silent,
    /// Receiver reports, or the client's own estimate (REMB).
    Reports,
}

impl Bandwidth {
    /// For a client that tells the fate of each packet; `known` is what it left with, if it comes back.
    pub fn acknowledged(now: Instant, acknowledgement: Acknowledgement, known: Option<Known>) -> Bandwidth {
        let is_by_stream = acknowledgement == Acknowledgement::ByStream;
        let config = RateConfig { is_coarse: is_by_stream, known, ..RateConfig::default() };
        let hold = if config.is_known() { Hold::On } else { Hold::Probing };
        Bandwidth { log: is_by_stream.then(Box::default), hold, ..Bandwidth::new(now, &config) }
    }

    /// For a client that has only reports and has had `sent` until now, which its first report says more of than any
    /// guess would.
    pub fn reported(now: Instant, sent: Bitrate) -> Bandwidth {
        let config = RateConfig::default();
        Bandwidth::new(now, &RateConfig { start: sent.max(config.start), ..config })
    }

    fn new(now: Instant, config: &RateConfig) -> Bandwidth {
        let control = RateControl::new(Time::default(), config);
        Bandwidth {
            control,
            zero: now,
            reference: ReferenceClock::default(),
            report_clock: ReportClock::default(),
            missed: Missed::default(),
            log: None,
            hold: Hold::Unheard,
            reports_since: None,
            first: config.first(),
            waiting: 0,
            wanted: Bitrate::ZERO,
            is_layered: false,
            sent: Bitrate::ZERO,
            lacks: false,
            given_up: 0,
            padded: None,
        }
    }

    /// This moment for the control loop.
    #[inline]
    pub fn time(&self, now: Instant) -> Time {
        Time::from_micros(now.saturating_duration_since(self.zero).as_micros() as u64)
    }

    /// Notes a datagram of this length as it leaves, and gives the transport-wide number that it is to carry, if it is.
    /// `original` is what to repeat if it does not arrive; `rtx` the index of what is a repeat, on the SSRC for these.
    #[inline]
    pub fn number(
        &mut self,
        now: Time,
        datagram_bytes: usize,
        class: PacketClass,
        original: Original,
        rtx: Option<u64>,
    ) -> Option<u16> {
        let number = self.control.handle_sent(now, datagram_bytes as u32 + IP_AND_UDP_BYTES, class);
        let may_repeat = matches!(class, PacketClass::Video | PacketClass::Repair);
        self.missed.note_sent(number, may_repeat.then_some(original));
        let Some(log) = &mut self.log else { return Some(number) };
        let line = original.line();
        match rtx {
            None => log.note_sent(number, SentStream::media(line), Seq(original.seq)),
            Some(index) => log.note_sent(number, SentStream::rtx(line), Seq(index as u16)),
        }
        None
    }

    /// Notes a datagram that leaves once more as it was.
    pub fn note_repeated(&mut self, datagram_bytes: usize, line: SendLine, index: u64) {
        self.note_sent(datagram_bytes);
        if let Some(log) = &mut self.log {
            log.note_repeated(SentStream::media(line), Seq(index as u16));
        }
    }

    /// An m-line is gone.
    pub fn forget_line(&mut self, line: SendLine) {
        if let Some(log) = &mut self.log {
            log.forget(line);
        }
    }

    /// Notes a datagram without such a number.
    #[inline]
    pub fn note_sent(&mut self, datagram_bytes: usize) {
        self.control.handle_sent_untold(datagram_bytes as u32 + IP_AND_UDP_BYTES);
    }

    /// What the line is thought to carry. Until the first probes are through, or show that it carries all that is wanted,
    /// that is what it was thought to at the start.
    pub fn estimate(&self) -> Bitrate {
        let estimate = self.control.estimate();
        let is_enough = estimate >= self.wanted.scaled(ENOUGH);
        if self.hold == Hold::Probing && !is_enough { estimate.min(self.first) } else { estimate }
    }

    /// What its own feedback says of the line, for the client's return.
    pub fn known(&self) -> Option<Known> {
        let is_measured = self.hold != Hold::Probing && self.control.estimator().basis() == Basis::Transport;
        is_measured.then(|| self.control.export())
    }

    /// What is known of the line when layers are chosen.
    pub fn line(&self, now: Instant) -> Line {
        Line { estimate: self.estimate(), ..self.control.line(self.time(now)) }
    }

    /// What is taken of the line, for others who share it.
    pub fn taken(&self, demand: Bitrate) -> Taken {
        self.control.taken(demand)
    }

    // ── The budget ──────────────────────────────────────────────────────────────────────────────────────

    /// Whether so many bytes of video may leave at once. What does not waits, and is granted piece by piece.
    #[inline]
    pub fn covers(&mut self, now: Instant, bytes: u64) -> bool {
        !self.is_paced() || self.control.covers(self.time(now), bytes)
    }

    /// Whether so many bytes of the past may leave one after the other, as fast as they are sealed: a line that is known
    /// to be slow would lose most of them.
    pub fn takes_burst(&self, bytes: usize) -> bool {
        !self.is_paced() || self.control.estimate().bytes_in(BURST_MAX) >= bytes as u64
    }

    /// What may leave now of what waits for one m-line, the oldest of it since `oldest`.
    pub fn grant(&mut self, now: Instant, video_bytes: u64, oldest: Option<Instant>) -> Grant {
        let oldest_video = oldest.map(|at| self.time(at));
        let grant = self.control.poll_grant(self.time(now), &Backlog { repair_bytes: 0, video_bytes, oldest_video });
        self.given_up += u64::from(grant.gives_up);
        grant
    }

    pub fn set_waiting(&mut self, line: SendLine, waits: bool) {
        let bit = 1_u32.checked_shl(line.place() as u32).unwrap_or(0);
        self.waiting = if waits { self.waiting | bit } else { self.waiting & !bit };
        if waits {
            self.tell_demand();
        }
    }

    /// What all layers that are wanted would take.
    pub fn want(&mut self, demand: Bitrate, is_layered: bool) {
        (self.wanted, self.is_layered) = (demand, is_layered);
        if is_layered {
            self.tell_demand();
        }
    }

    /// What is sent takes so much, of a client that gets all that it watches or `lacks` some of it.
    pub fn note_sent_rate(&mut self, sent: Bitrate, lacks: bool) {
        (self.sent, self.lacks) = (sent, lacks);
        self.tell_demand();
    }

    fn tell_demand(&mut self) {
        let demand = match (self.is_layered, self.waiting) {
            // It is known what more of the line would be of use for.
            (true, _) => self.wanted,
            (false, 0) if !self.lacks => self.sent.scaled(DEMAND_MARGIN),
            // The line could carry more, or is at its limit: either is worth knowing.
            (false, _) => RateConfig::default().max,
        };
        self.control.handle_demand(demand);
    }

    fn is_paced(&self) -> bool {
        match self.hold {
            Hold::Probing => false,
            Hold::Unheard => self.control.estimator().basis() != Basis::Start,
            Hold::On => true,
        }
    }

    /// Bytes of padding that a probe is short of, and the best size of a packet of it. None while media waits, which
    /// probes as well.
    pub fn padding(&mut self, now: Instant) -> Option<(u64, u64)> {
        self.padding_at().filter(|at| *at <= now)?;
        self.padded = Some(now);
        let grant = self.grant(now, 0, None);
        (grant.padding_bytes > 0).then_some((grant.padding_bytes, grant.padding_packet_bytes))
    }

    fn padding_at(&self) -> Option<Instant> {
        self.control.prober().cluster().filter(|_| self.waiting == 0)?;
        Some(self.padded.map_or(self.zero, |at| at + PADDING_INTERVAL))
    }

    // ── What the client says ────────────────────────────────────────────────────────────────────────────

    /// What feedback said did not arrive, since the last time this was asked. Nothing while the line is too slow for what is
    /// sent: there it is the client's to say what it still has a use for.
    pub fn missed(&mut self) -> ArrayVec<Original, TOLD_MAX> {
        let missed = self.missed.take();
        if self.is_congested() { ArrayVec::new() } else { missed }
    }

    /// Whether the line loses packets at random and has room, which is judged by the fate of each packet: then a repeat is
    /// worth sending twice, because one that is lost, too, is missed for two round trips.
    pub fn repeats_twice(&self) -> bool {
        let estimator = self.control.estimator();
        let loses = (LOSS_OF_REPEATS..LOSS_OF_REPEATS_MAX).contains(&estimator.loss());
        let has_room = self.waiting == 0 && estimator.estimate() >= self.sent.scaled(ROOM_OF_REPEATS);
        loses && has_room && !self.is_congested()
    }

    fn is_congested(&self) -> bool {
        let estimator = self.control.estimator();
        estimator.queue() >= QUEUE_OF_CONGESTION || estimator.usage() == Usage::Overusing
    }

    pub fn handle_remb(&mut self, now: Instant, bits_per_second: u64) {
        self.control.handle_remb(self.time(now), Bitrate::from_bps(bits_per_second));
    }

    /// Whether reports are all that comes of a client that is to tell the fate of each packet.
    pub fn has_reports_alone(&mut self, now: Instant) -> bool {
        let since = *self.reports_since.get_or_insert(now);
        match self.control.estimator().basis() {
            Basis::Start => now >= since + START_MAX,
            basis => basis == Basis::Reports,
        }
    }

    pub fn handle_report(&mut self, now: Instant, report: ReceiverReport) {
        self.control.handle_receiver_report(self.time(now), report);
    }

    /// The start is over with the first probes, or when the line shows that it has enough.
    fn note_start(&mut self, now: Instant) {
        let estimator = self.control.estimator();
        let has_probed = self.control.prober().is_idle() || now >= self.zero + START_MAX;
        let is_over = has_probed && estimator.basis() != Basis::Start || estimator.usage() == Usage::Overusing;
        if self.hold == Hold::Probing && is_over {
            self.hold = Hold::On;
        }
    }

    // ── Time ────────────────────────────────────────────────────────────────────────────────────────────

    /// Only of a client that tells the fate of each packet: without that nothing is probed for.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.control_due().is_some_and(|at| at <= now) {
            self.control.handle_timeout(self.time(now));
            self.note_start(now);
        }
    }

    /// When [`Bandwidth::handle_timeout`] is due, or [`Bandwidth::padding`] of a client that can be sent some.
    pub fn poll_timeout(&self, can_pad: bool) -> Option<Instant> {
        let padding_at = self.padding_at().filter(|_| can_pad);
        [self.control_due(), padding_at].into_iter().flatten().min()
    }

    fn control_due(&self) -> Option<Instant> {
        let at = self.control.poll_timeout()?;
        Some(self.zero + Duration::from_micros(at.as_micros()))
    }

    pub fn stats(&self) -> LineStats {
        let estimator = self.control.estimator();
        LineStats {
            estimate: estimator.estimate().bps(),
            basis: match estimator.basis() {
                Basis::Start => LineBasis::Start,
                Basis::Transport => LineBasis::Feedback,
                Basis::Silent => LineBasis::Silent,
                Basis::Reports => LineBasis::Reports,
            },
            acknowledged: estimator.acknowledged().map(Bitrate::bps),
            loss: estimator.loss(),
            queue: estimator.queue(),
            is_waiting: self.waiting != 0,
            given_up: self.given_up,
        }
    }
}

/// What is wanted is there when a little more is.
const ENOUGH: f64 = 1.1;
/// The first probes take a round trip each, and are five for 10 Mbit/s.
const START_MAX: Duration = Duration::from_secs(2);
/// What the line carries beside the datagram.
const IP_AND_UDP_BYTES: u32 = 28;
/// What is sent may take this much more in the next second.
const DEMAND_MARGIN: f64 = 1.3;
/// A burst of what the line carries in so much time leaves no queue that the estimate would take for overuse.
const BURST_MAX: Duration = Duration::from_millis(40);
/// At 2 % of loss the second copies take 2 % of the line. Beyond 30 % it is not chance that loses.
const LOSS_OF_REPEATS: f64 = 0.015;
const LOSS_OF_REPEATS_MAX: f64 = 0.3;
const ROOM_OF_REPEATS: f64 = 1.1;
/// What loses behind a queue is the queue.
const QUEUE_OF_CONGESTION: Duration = Duration::from_millis(40);
/// Between two looks at what a probe is short of: a cluster takes 15 ms at least.
const PADDING_INTERVAL: Duration = Duration::from_millis(2);
