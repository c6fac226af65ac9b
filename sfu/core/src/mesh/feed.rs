//! Owns what an edge knows of an encoding that another worker sends it: from whom, what is missing, whether anybody
//! still watches. Never sends and never touches a history.

use std::time::{Duration, Instant};

use crate::crypto::srtp::ReplayWindow;
use crate::keys::{LayerKey, LinkKey};
use crate::mesh::missing::Missing;
use crate::spec::{Epoch, MediaKind, PeerId, TrackId};
use crate::stats::Traffic;

/// One encoding that comes from elsewhere. It exists while somebody here wants it.
pub(crate) struct Feed {
    /// Where its packets go.
    pub layer: LayerKey,
    /// Its place among those of its track.
    pub encoding: u8,
    pub id: TrackId,
    pub kind: MediaKind,
    pub parent: Option<ParentRelay>,
    /// The parent before, until the new one delivers.
    pub previous: Option<ParentRelay>,
    /// The numbering of what is in the history.
    pub run: Option<u64>,
    /// Hops from the origin, as the parent said.
    pub depth: u8,
    /// Whose wall clock the parent tells.
    pub origin: Option<PeerId>,
    /// Sequences that are in the history, or were.
    pub seen: ReplayWindow,
    pub missing: Missing,
    /// Since when nobody watches.
    pub idle_since: Option<Instant>,
    pub keyframes: KeyframeDemand,
    pub received: Traffic,
    pub lost: u64,
    pub repaired: u64,
}

/// The relay from one parent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ParentRelay {
    pub link: LinkKey,
    pub peer: PeerId,
    /// Our number for it, under which the parent sends.
    pub channel: u32,
    pub epoch: Epoch,
    pub state: ParentState,
    pub began: Instant,
    /// When to ask, or to ask again.
    pub ask_at: Instant,
    /// When signaling was last told that this parent does not want to be one.
    pub told: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ParentState {
    /// Asked this often without an answer.
    Asking(u32),
    /// Accepted, and refreshed each second.
    Open,
    /// Turned down or at its end; asked now and then in case that changes.
    Closed,
}

/// Key frames to ask the parent for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct KeyframeDemand {
    wanted: bool,
    asked: Option<Instant>,
    /// One is promised to come by then.
    expected_by: Option<Instant>,
}

impl Feed {
    pub fn new((layer, encoding): (LayerKey, u8), id: TrackId, kind: MediaKind) -> Feed {
        Feed {
            layer,
            encoding,
            id,
            kind,
            parent: None,
            previous: None,
            run: None,
            depth: 1,
            origin: None,
            seen: ReplayWindow::new(),
            missing: Missing::new(),
            idle_since: None,
            keyframes: KeyframeDemand::default(),
            received: Traffic::default(),
            lost: 0,
            repaired: 0,
        }
    }

    /// Another numbering begins: nothing of the old one counts.
    pub fn restart(&mut self, run: Option<u64>) {
        self.run = run;
        self.seen = ReplayWindow::new();
        self.missing = Missing::new();
    }

    pub fn parent_of(&mut self, link: LinkKey, channel: u32) -> Option<&mut ParentRelay> {
        let of = |parent: &&mut ParentRelay| (parent.link, parent.channel) == (link, channel);
        self.parent.as_mut().filter(of).or(self.previous.as_mut().filter(of))
    }

    /// Whom to ask for repeats and key frames: the newest that delivers.
    pub fn open_parent(&self) -> Option<&ParentRelay> {
        [&self.parent, &self.previous].into_iter().flatten().find(|parent| parent.is_open())
    }

    /// What to tell a parent that we have already.
    pub fn have(&self) -> Option<(u64, u64)> {
        Some((self.run?, self.seen.highest()?))
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let asks = [&self.parent, &self.previous].into_iter().flatten().map(|parent| parent.ask_at).min();
        let idle = self.idle_since.map(|since| since + LINGER);
        // Without a parent that delivers there is nobody to ask for these.
        let open = self.open_parent();
        let missing = open.and_then(|_| self.missing.poll_timeout());
        let keyframe = open.and_then(|_| self.keyframes.poll_timeout());
        [asks, missing, idle, keyframe].into_iter().flatten().min()
    }
}

impl ParentRelay {
    pub fn is_open(&self) -> bool {
        self.state == ParentState::Open
    }

    /// Asked now; sets when to ask again.
    pub fn note_asked(&mut self, now: Instant, patience: Duration, is_lost: bool) {
        let pause = match &mut self.state {
            ParentState::Asking(tries) => {
                *tries = tries.saturating_add(1);
                if is_lost || *tries > QUICK_TRIES { patience.max(SLOW_RETRY) } else { patience }
            }
            ParentState::Open => REFRESH_INTERVAL,
            ParentState::Closed => CLOSED_RETRY,
        };
        self.ask_at = now + pause;
    }

    /// The parent has been one for a second or so.
    pub fn is_settled(&self, now: Instant) -> bool {
        self.is_open() && now >= self.began + REFRESH_INTERVAL
    }

    pub fn is_unanswered(&self, now: Instant) -> bool {
        matches!(self.state, ParentState::Asking(_)) && now >= self.began + UNANSWERED_AFTER
    }

    /// Whether signaling is to be told of a refusal; not at every repetition.
    pub fn note_refused(&mut self, now: Instant) -> bool {
        let is_news = self.told.is_none_or(|told| now >= told + TELL_INTERVAL);
        if is_news {
            self.told = Some(now);
        }
        is_news
    }
}

impl KeyframeDemand {
    pub fn want(&mut self) {
        self.wanted = true;
    }

    pub fn satisfy(&mut self) {
        *self = KeyframeDemand { asked: self.asked, ..KeyframeDemand::default() };
    }

    /// The parent sends one without being asked.
    pub fn expect_by(&mut self, until: Instant) {
        self.expected_by = Some(until);
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        if !self.wanted {
            return None;
        }
        // Without any of the two it is due at once, which whoever wanted it sees to.
        [self.asked.map(|asked| asked + KEYFRAME_INTERVAL), self.expected_by].into_iter().flatten().max()
    }

    /// Whether to ask now. It stays wanted until one comes.
    pub fn take_due(&mut self, now: Instant) -> bool {
        let is_due = self.wanted && self.poll_timeout().is_none_or(|at| now >= at);
        if is_due {
            self.asked = Some(now);
        }
        is_due
    }
}

/// How long a relay outlives its last viewer: long enough for one who reloads the page.
pub(crate) const LINGER: Duration = Duration::from_secs(2);
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);
/// Tries at the pace of the round trip before it gets slower.
const QUICK_TRIES: u32 = 8;
const SLOW_RETRY: Duration = Duration::from_millis(250);
const CLOSED_RETRY: Duration = Duration::from_secs(1);
/// A parent that lives and has the track answers within a round trip.
const UNANSWERED_AFTER: Duration = Duration::from_secs(2);
const TELL_INTERVAL: Duration = Duration::from_secs(5);
/// Between two requests of a worker for a key frame.
pub(crate) const KEYFRAME_INTERVAL: Duration = Duration::from_millis(250);
