//! Owns one simulated viewer with its sender: a source of frames, the control loop under test, and the feedback that
//! comes back. The source stands for the readers of the core.

use std::collections::VecDeque;
use std::time::Duration;

use chappe_sfu_rate::{
    Allocator, Backlog, Bitrate, Layer, PacketClass, PacketReport, RateConfig, RateControl, ReceiverTime, SharedLine,
    Shown, Time,
};

use super::link::EmulatedLink;
use super::random::Random;

/// What there is to send.
#[derive(Debug, Clone, Copy)]
pub enum Source {
    /// An encoder that follows the estimate up to this many kbit/s.
    Elastic(f64),
    /// Layers of these kbit/s, as a publisher with simulcast sends them.
    Layers(&'static [u64]),
}

/// The way back, and what the receiver does.
#[derive(Debug, Clone, Copy)]
pub struct Back {
    pub delay_ms: f64,
    pub interval_ms: u64,
    pub loss: f64,
    /// From, to: no feedback at all.
    pub silent_ms: (u64, u64),
    pub form: Form,
}

/// How the receiver says when a packet came.
#[derive(Debug, Clone, Copy)]
pub enum Form {
    /// In ticks of 250 µs of its clock (transport-wide feedback).
    Ticks,
    /// So many 1/1024 s before the report (RFC 8888).
    BeforeReport,
}

impl Form {
    fn told(self, now: u64, at: u64) -> ReceiverTime {
        let micros = match self {
            Form::Ticks => at / 250 * 250,
            Form::BeforeReport => now - (now - at) * 1_024 / 1_000_000 * 15_625 / 16,
        };
        // In a clock of the receiver's own.
        ReceiverTime::from_micros(micros as i64 + 123_456_789)
    }
}

pub struct Viewer {
    pub control: RateControl,
    pub allocator: Allocator,
    source: Source,
    back: Back,
    flow: usize,
    random: Random,
    next_frame: u64,
    next_audio: u64,
    layer: Option<u8>,
    /// Bytes of packets that wait, and when each came.
    queue: VecDeque<(u32, u64)>,
    queued_bytes: u64,
    sent: Vec<u32>,
    /// At the receiver: the arrival of each packet that reached it, until it is told.
    arrived: Vec<(u64, u64)>,
    told: u64,
    next_feedback: u64,
    on_the_way: VecDeque<(u64, Vec<PacketReport>)>,
    pub log: Log,
}

/// What a run is judged by.
#[derive(Default)]
pub struct Log {
    /// Millisecond of arrival, bytes.
    pub received: Vec<(u64, u32)>,
    /// Millisecond of sending, milliseconds in the queue of the link.
    pub queued: Vec<(u64, f64)>,
    /// Millisecond, kbit/s of the estimate, layer.
    pub states: Vec<(u64, f64, Option<u8>)>,
    pub given_up: u64,
}

impl Viewer {
    pub fn new(flow: usize, source: Source, back: Back, start_ms: u64, random: Random) -> Viewer {
        let start = start_ms * 1000;
        let is_coarse = matches!(back.form, Form::BeforeReport);
        let config = RateConfig { is_coarse, ..RateConfig::default() };
        let mut viewer = Viewer {
            control: RateControl::new(Time::from_micros(start), &config),
            allocator: Allocator::new(),
            source,
            back,
            flow,
            random,
            next_frame: start,
            next_audio: start,
            layer: None,
            queue: VecDeque::new(),
            queued_bytes: 0,
            sent: Vec::new(),
            arrived: Vec::new(),
            told: 0,
            next_feedback: start,
            on_the_way: VecDeque::new(),
            log: Log::default(),
        };
        let most = match source {
            Source::Elastic(kbps) => kbps,
            Source::Layers(layers) => layers.last().map_or(0.0, |kbps| *kbps as f64) + AUDIO_KBPS,
        };
        viewer.control.handle_demand(Bitrate::from_kbps(most as u64));
        viewer
    }

    /// One millisecond.
    pub fn tick(&mut self, now: u64, link: &mut EmulatedLink, shared: Option<&mut SharedLine<usize>>) {
        let time = Time::from_micros(now);
        while self.on_the_way.front().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, reports)) = self.on_the_way.pop_front() {
                self.control.handle_feedback(time, reports);
            }
        }
        if self.control.poll_timeout().is_some_and(|due| due <= time) {
            self.control.handle_timeout(time);
        }
        self.choose(now, shared);
        self.produce(now, link);
        self.send(now, link);
        self.tell(now);
        if (now / 1000).is_multiple_of(20) {
            self.log.states.push((now / 1000, self.control.estimate().kbps(), self.layer));
        }
    }

    pub fn handle_arrival(&mut self, id: u64, arrival: u64, bytes: u32) {
        self.arrived.push((id, arrival));
        self.log.received.push((arrival / 1000, bytes));
    }

    fn choose(&mut self, now: u64, shared: Option<&mut SharedLine<usize>>) {
        let Source::Layers(rates) = self.source else { return };
        if !(now / 1000).is_multiple_of(20) {
            return;
        }
        let layers: Vec<Layer> = rates.iter().enumerate().map(|(index, kbps)| layer(index, *kbps)).collect();
        let shown = [Shown {
            track: 1,
            pixels: 0,
            is_visible: true,
            is_pinned: false,
            priority: 128,
            is_detail: false,
            layers: &layers,
        }];
        let audio = Bitrate::from_kbps(AUDIO_KBPS as u64);
        let time = Time::from_micros(now);
        let taken = self.control.taken(self.allocator.present().demand);
        let part = shared.and_then(|shared| shared.part(time, self.flow, taken));
        let line = self.control.line(time).at_most(part);
        let allocation = self.allocator.decide(time, line, audio, &shown);
        let layer = allocation.choices.first().and_then(|choice| choice.layer);
        self.control.handle_demand(part.map_or(allocation.demand, |part| part.min(allocation.demand)));
        if layer != self.layer {
            self.layer = layer;
            self.drop_queue();
            if let Some(layer) = layer {
                // The switch is at a key frame, five times as large as another.
                let bytes = rates[usize::from(layer)] as f64 * 1e3 / 8.0 / FRAMES * 5.0;
                self.frame(now, bytes as u32);
            }
        }
    }

    fn produce(&mut self, now: u64, link: &mut EmulatedLink) {
        if now >= self.next_audio {
            self.next_audio += 20_000;
            self.write(now, link, 100, PacketClass::Audio);
        }
        if now < self.next_frame {
            return;
        }
        self.next_frame += (1e6 / FRAMES) as u64;
        let kbps = match self.source {
            Source::Elastic(most) => (self.control.estimate().kbps() - AUDIO_KBPS).min(most).max(0.0),
            Source::Layers(rates) => self.layer.map_or(0.0, |layer| rates[usize::from(layer)] as f64),
        };
        // Frames vary by half of their size.
        let bytes = kbps * 1e3 / 8.0 / FRAMES * (0.75 + 0.5 * self.random.unit());
        self.frame(now, bytes as u32);
    }

    fn frame(&mut self, now: u64, bytes: u32) {
        let packets = bytes.div_ceil(PACKET).max(1);
        for _ in 0..packets {
            self.queue.push_back((bytes / packets + OVERHEAD, now));
            self.queued_bytes += u64::from(bytes / packets + OVERHEAD);
        }
    }

    fn send(&mut self, now: u64, link: &mut EmulatedLink) {
        let time = Time::from_micros(now);
        let oldest_video = self.queue.front().map(|(_, at)| Time::from_micros(*at));
        let backlog = Backlog { repair_bytes: 0, video_bytes: self.queued_bytes, oldest_video };
        let grant = self.control.poll_grant(time, &backlog);
        if grant.gives_up {
            self.log.given_up += 1;
            self.drop_queue();
        }
        let mut video = grant.video_bytes;
        while video > 0
            && let Some((bytes, _)) = self.queue.pop_front()
        {
            self.queued_bytes -= u64::from(bytes);
            self.write(now, link, bytes, PacketClass::Video);
            video = video.saturating_sub(u64::from(bytes));
        }
        let mut padding = grant.padding_bytes;
        while padding > 0 {
            let bytes = grant.padding_packet_bytes.max(1);
            self.write(now, link, bytes as u32, PacketClass::Padding);
            padding = padding.saturating_sub(bytes);
        }
    }

    fn drop_queue(&mut self) {
        self.queue.clear();
        self.queued_bytes = 0;
    }

    fn write(&mut self, now: u64, link: &mut EmulatedLink, bytes: u32, class: PacketClass) {
        let seq = self.control.handle_sent(Time::from_micros(now), bytes, class);
        assert_eq!(seq, self.sent.len() as u16);
        let id = self.sent.len() as u64;
        self.sent.push(bytes);
        // Packets that find the queue full are lost without a trace.
        let _ = link.send(now, self.flow, id, bytes);
    }

    /// The receiver tells what arrived since it told last, and what is missing between.
    fn tell(&mut self, now: u64) {
        if now < self.next_feedback {
            return;
        }
        self.next_feedback = now + self.back.interval_ms * 1000;
        let mut here: Vec<(u64, u64)> = self.arrived.extract_if(.., |(_, at)| *at <= now).collect();
        here.sort_unstable();
        let (Some(first), Some(last)) = (here.first(), here.last()) else { return };
        let mut reports = Vec::new();
        for id in self.told.min(first.0)..=last.0 {
            let at = here.binary_search_by_key(&id, |(id, _)| *id).ok().map(|place| here[place].1);
            let received = at.map(|at| self.back.form.told(now, at));
            reports.push(PacketReport { seq: id as u16, received });
        }
        self.told = self.told.max(last.0 + 1);
        let (from, to) = self.back.silent_ms;
        let is_silent = (from..to).contains(&(now / 1000));
        if !is_silent && self.random.unit() >= self.back.loss {
            let jitter = Duration::from_micros(self.random.between(0, 2000)).as_micros() as u64;
            self.on_the_way.push_back((now + (self.back.delay_ms * 1e3) as u64 + jitter, reports));
        }
    }
}

/// With what carries it.
fn layer(index: usize, kbps: u64) -> Layer {
    let packets = (kbps as f64 * 125.0 / FRAMES / f64::from(PACKET)).ceil() * FRAMES;
    let kbps = kbps + (packets * f64::from(OVERHEAD) / 125.0) as u64;
    Layer { rate: Bitrate::from_kbps(kbps), pixels: (320 * 180) << (2 * index.min(4)), frames_per_second: 30 }
}

const FRAMES: f64 = 30.0;
const PACKET: u32 = 1150;
/// UDP, IP and SRTP.
const OVERHEAD: u32 = 50;
const AUDIO_KBPS: f64 = 40.0;
