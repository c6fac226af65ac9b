//! Owns what leaves the core: datagrams, events and counters, and the note of who is at work, which is whom a panic is
//! blamed on. Never decides what leaves.

use std::collections::VecDeque;

use crate::blame::AtWork;
use crate::egress::Egress;
use crate::spec::Event;
use crate::stats::{Counters, DropReason};

/// Lent to whatever is at work.
pub(crate) struct Outputs {
    pub egress: Egress,
    pub counters: Counters,
    /// `None` while it is nobody in particular.
    pub at_work: Option<AtWork>,
    events: VecDeque<Event>,
}

impl Outputs {
    pub fn new() -> Outputs {
        Outputs { egress: Egress::new(), counters: Counters::default(), at_work: None, events: VecDeque::new() }
    }

    #[inline]
    pub fn note(&mut self, at_work: AtWork) {
        self.at_work = Some(at_work);
    }

    /// Signaling that does not read loses the oldest events and asks for a snapshot instead.
    pub fn push_event(&mut self, event: Event) {
        if self.events.len() >= EVENTS_MAX {
            self.events.pop_front();
            self.counters.drop(DropReason::EventUnread);
        }
        self.events.push_back(event);
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}

/// Events that wait for the worker.
const EVENTS_MAX: usize = 1 << 16;
