//! Owns how one reader goes through a history: where it is and how fast it goes on. Never reads.

use std::ops::Range;
use std::time::Duration;

/// The only cursor into a history. `S` is the key of what gets the packets: a viewer's sender, another worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reader<S> {
    pub sink: S,
    /// Number of the packet that it reads next.
    pub next: u64,
    pub pace: Pace,
}

/// The state of a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// It reads what arrives, with all others that are as far.
    Live,
    /// It is to begin with the past, and waits for its turn.
    Admitted(Wait),
    /// It reads the past, and has read so many packets of it.
    Behind { read: u64 },
    /// What arrives is more than its line takes at once: it reads as its budget allows.
    Paced,
    /// It is sound that its viewer is not to hear now.
    Silenced,
}

/// How long a reader has been waiting for a relay to deliver the past.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Wait {
    turns: u32,
    /// Turns since something came, and the number of what would have come next then.
    quiet: u32,
    next: u64,
}

/// What a reader that is behind may read before others have their turn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    pub packets: u64,
    /// Then it goes on after this.
    pub pause: Duration,
}

/// Whether the arena had room for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flushed {
    Done,
    Full,
}

impl<S> Reader<S> {
    pub fn new(sink: S, next: u64) -> Reader<S> {
        Reader { sink, next, pace: Pace::Live }
    }

    pub fn is_live(&self) -> bool {
        self.pace == Pace::Live
    }

    /// The numbers that it may read now of a history that is kept from `oldest` and read up to `head`.
    pub fn slice(&self, oldest: u64, head: u64, packets_max: u64) -> Range<u64> {
        let from = self.next.max(oldest);
        from..head.min(from.saturating_add(packets_max)).max(from)
    }
}

impl Wait {
    /// Another turn passes, and `next` is what the history would number next. A relay sends the past in one go:
    /// when it is quiet there is no more to come, however old the newest is.
    pub fn goes_on(&mut self, next: u64) -> bool {
        self.turns += 1;
        self.quiet = if next == self.next { self.quiet + 1 } else { 0 };
        self.next = next;
        self.turns <= WAIT_TURNS_MAX && self.quiet <= QUIET_TURNS_MAX
    }
}

/// A viewer: about 70 Mbit/s, which most ways to a viewer take and their queues even out.
pub(crate) const VIEWER: Budget = Budget { packets: 8, pause: Duration::from_millis(1) };
/// Another worker.
pub(crate) const WORKER: Budget = Budget { packets: crate::mesh::BURST_MAX as u64, pause: Duration::from_millis(2) };
/// Turns that a viewer waits for a relay to deliver the past, in all and after the last packet of it.
const WAIT_TURNS_MAX: u32 = 400;
const QUIET_TURNS_MAX: u32 = 10;
