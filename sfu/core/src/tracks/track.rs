//! Owns what a publisher and its viewers share: the history of a track, who watches it, and what of it
//! waits to leave. Never touches a session.

use std::time::{Duration, Instant};

use crate::keys::{ChildKey, FeedKey, SenderKey, SessionKey, SourceKey};
use crate::readers::subscribers::Subscribers;
use crate::spec::{Epoch, MediaKind, TrackId};
use crate::tracks::company::{Company, Turn};
use crate::tracks::history::{Arrived, CacheBudget, History, HistoryLimits};
use crate::tracks::playout::MediaClock;

/// A track exists while it is published, relayed or watched.
pub(crate) struct Track {
    pub id: TrackId,
    pub publisher: Option<SourceKey>,
    /// Key of the relay it comes by. A publisher of our own has precedence.
    pub feed: Option<FeedKey>,
    pub subscribers: Subscribers,
    /// Viewers that are sent something else until there is something here to begin with.
    pub awaiting: Subscribers,
    /// Keys of the relays it leaves by.
    pub outlets: Vec<ChildKey>,
    /// Number of what a publisher of ours sends under this id: a new one each time it starts over.
    pub run: u64,
    /// Highest another worker asked for it under.
    pub epoch: Epoch,
    /// Who wants it changed since the last look.
    pub demand_noted: bool,
    /// None until the first packet.
    pub history: Option<History>,
    /// When the newest packet came; `None` before the first.
    pub heard: Option<Instant>,
    /// Generation of the newest packet.
    pub generation: u32,
    /// What the timestamps of the forwarded stream mean; `None` until its first packet.
    pub clock: Option<MediaClock>,
    /// Number of the first packet that waits to be sent.
    sent: u64,
    /// Since when something waits.
    waiting_since: Option<Instant>,
    /// The newest packet leaves its frame incomplete: the next one could join it.
    is_open: bool,
    company: Company,
    /// The viewers that already have the packets of the current pass.
    pub pass: Pass,
    /// A viewer asked for a key frame, or waits for one, since the last look.
    pub keyframe_wanted: bool,
}

/// The packets `from..to` on their way to the subscribers, of whom the first `done` are served.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Pass {
    pub from: u64,
    pub to: u64,
    pub done: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flush {
    Nothing,
    Now,
    Later,
}

impl Track {
    pub fn new(id: TrackId, run: u64) -> Track {
        Track {
            id,
            publisher: None,
            feed: None,
            subscribers: Subscribers::default(),
            awaiting: Subscribers::default(),
            outlets: Vec::new(),
            run,
            epoch: Epoch::default(),
            demand_noted: false,
            history: None,
            heard: None,
            generation: 0,
            clock: None,
            sent: 0,
            waiting_since: None,
            is_open: false,
            company: Company::default(),
            pass: Pass::default(),
            keyframe_wanted: false,
        }
    }

    pub fn history_mut(&mut self, kind: MediaKind) -> &mut History {
        self.history.get_or_insert_with(|| {
            History::new(match kind {
                MediaKind::Video => HistoryLimits::VIDEO,
                MediaKind::Audio => HistoryLimits::AUDIO,
            })
        })
    }

    /// The publisher or the feed is gone. What it sent is of no use to whoever comes next under this id, and
    /// whose numbers are of run `run`.
    pub fn end(&mut self, run: u64, cache: &mut CacheBudget) {
        self.release(cache);
        (self.publisher, self.run) = (None, run);
        self.heard = None;
        (self.is_open, self.company) = (false, Company::default());
        self.clock = None;
        self.waiting_since = None;
        (self.sent, self.pass) = (0, Pass::default());
        // A new publisher under the same id starts a new run.
        self.generation = self.generation.wrapping_add(1);
    }

    /// Its memory is for other tracks.
    pub fn release(&mut self, cache: &mut CacheBudget) {
        if let Some(history) = self.history.take() {
            history.release(cache);
        }
    }

    /// A session is gone and could not say what it published and watched. True if it published this track. What waits to
    /// leave to those who watched beside it is given up: who has it already can't be told any more.
    pub fn forget_session(&mut self, session: SessionKey) -> bool {
        let watched = self.subscribers.len();
        self.subscribers.forget_session(session);
        self.awaiting.forget_session(session);
        if self.subscribers.len() != watched {
            self.skip_passes();
        }
        self.publisher.take_if(|publisher| publisher.session() == session).is_some()
    }

    pub fn is_unused(&self) -> bool {
        self.publisher.is_none() && self.feed.is_none() && !self.is_wanted()
    }

    /// Somebody here watches it, or another worker gets it from here.
    pub fn is_wanted(&self) -> bool {
        !self.subscribers.is_empty() || !self.awaiting.is_empty() || !self.outlets.is_empty()
    }

    pub fn subscribe(&mut self, subscriber: SenderKey) {
        self.subscribers.insert(subscriber);
    }

    pub fn unsubscribe(&mut self, subscriber: SenderKey) {
        self.pass.done = self.subscribers.remove(subscriber, self.pass.done);
    }

    pub fn stop_awaiting(&mut self, subscriber: SenderKey) {
        self.awaiting.remove(subscriber, 0);
    }

    /// Number of the first packet that no viewer has as live.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether a picture starts here that is of the past: a relay delivers what was there before it was asked.
    pub fn starts_late(&self, packet: &Arrived, now: Instant) -> bool {
        packet.keyframe && self.is_late(packet, now)
    }

    /// Whether a relay still delivers the past.
    pub fn is_filling(&self, now: Instant) -> bool {
        self.newest().is_some_and(|packet| self.is_late(packet, now))
    }

    fn newest(&self) -> Option<&Arrived> {
        let history = self.history.as_ref()?;
        Some(&history.entry(history.next().checked_sub(1)?)?.packet)
    }

    /// Only by a relay more than one frame comes at once.
    fn is_late(&self, packet: &Arrived, now: Instant) -> bool {
        let clock = self.clock.filter(|_| self.feed.is_some() && self.publisher.is_none());
        clock.is_some_and(|clock| {
            let (_, live) = clock.advanced(now, VIDEO_CLOCK_RATE);
            live.wrapping_sub(packet.timestamp) as i32 > LATE_TICKS
        })
    }

    /// A packet was added; `turn` is the last one that ended. True when the track had nothing waiting before.
    pub fn note_waiting(&mut self, now: Instant, turn: Turn) -> bool {
        let is_first = self.waiting_since.is_none();
        let before = self.heard.replace(now);
        // What came in one batch was not waited for.
        if let Some(before) = before.filter(|before| self.is_open && *before != now) {
            self.company.note(now < turn.free_after(before) + TICK);
        }
        self.is_open = self.newest().is_some_and(|packet| !packet.ends_burst);
        self.waiting_since.get_or_insert(now);
        is_first
    }

    /// Whether the packets that wait should leave now or would gain from company: a frame that is complete
    /// gains nothing, nor does audio, nor a track with few viewers, nor one whose packets come singly.
    pub fn decide_flush(&self, now: Instant) -> Flush {
        let (Some(since), Some(history)) = (self.waiting_since, &self.history) else { return Flush::Nothing };
        let count = history.next().saturating_sub(self.sent);
        let fan_out = count.saturating_mul(self.subscribers.len() as u64);
        let is_due = self.pass != Pass::default()
            || now >= since + TICK
            || fan_out <= FAN_OUT_AT_ONCE
            || count >= RUN_GOAL
            || !self.is_open
            || !self.company.is_expected();
        if is_due { Flush::Now } else { Flush::Later }
    }

    /// When what waits leaves at the latest.
    pub fn tick_at(&self) -> Option<Instant> {
        self.waiting_since.map(|since| since + TICK)
    }

    /// The packets of the next pass, at most `count_max`: those of the pass under way, or a new one.
    pub fn begin_pass(&mut self, count_max: u64) -> Option<Pass> {
        let history = self.history.as_ref()?;
        if self.pass == Pass::default() {
            let from = self.sent.max(history.oldest());
            let to = history.next().min(from + count_max);
            if from >= to {
                self.waiting_since = None;
                self.sent = from;
                return None;
            }
            self.pass = Pass { from, to, done: 0 };
        }
        Some(self.pass)
    }

    /// Nobody here watches: nothing waits for a pass.
    pub fn skip_passes(&mut self) {
        self.sent = self.history.as_ref().map_or(0, History::next);
        (self.waiting_since, self.pass) = (None, Pass::default());
    }

    /// All subscribers have the packets of the pass.
    pub fn end_pass(&mut self) {
        self.sent = self.pass.to;
        self.pass = Pass::default();
    }
}

/// Longest that a packet waits for company, which saves more system calls than it costs in latency.
pub(crate) const TICK: Duration = Duration::from_millis(1);
/// Sends of one track that are done at once because there is too little to gain. It may be small: a frame
/// can't be shown before its last packet, and that one never waits.
const FAN_OUT_AT_ONCE: u64 = 4;
/// Packets of one track that make a good run.
const RUN_GOAL: u64 = 16;
/// RFC 3551 section 5, and every codec since.
const VIDEO_CLOCK_RATE: u32 = 90_000;
/// A picture this much older than live is not where a viewer's clock should start: 150 ms.
pub(crate) const LATE_TICKS: i32 = 13_500;
