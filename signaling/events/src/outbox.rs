//! Owns which events a receiver has not got yet, and when each is told again. Never tells any, and keeps none beyond the
//! process: its changes are there to be written down.
//!
//! Events of a room are in a lane of their own: the first of it is told until the receiver has it or a day is over, and
//! only then the next. Lanes do not wait for each other, but for a place among the requests that run at a time.
//!
//! ```text
//!             poll_attempt                       handle_outcome: delivered, or given up → the next of the lane
//!   Due(at) ───────────────► Running ──────────┬───────────────────────────────────────►  Due(now)
//!      ▲                                       │ failed
//!      └── after a growing pause ──────────────┘
//! ```

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::event::PublicEvent;
use crate::journal::{JournalChange, Rest};

/// Of one receiver.
#[derive(Debug, Default)]
pub struct Outbox {
    lanes: HashMap<Lane, Waiting>,
    /// Lanes whose first event is to be told, by time.
    due: BTreeSet<(Instant, Lane)>,
    queued: usize,
    running: usize,
    /// For which there was no place, since that was told last.
    untold: u64,
    figures: Figures,
    /// Since they were taken last.
    changes: Vec<JournalChange>,
}

/// A room, or what is of none.
type Lane = Option<String>;

/// How telling goes, since the process started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    pub delivered: u64,
    /// Attempts after which the event is told again.
    pub failed: u64,
    /// That the receiver did not take for a day.
    pub given_up: u64,
    /// For want of a place.
    pub dropped: u64,
    /// Events that wait now.
    pub waiting: usize,
}

impl Figures {
    #[must_use]
    pub fn and(self, other: Figures) -> Figures {
        Figures {
            delivered: self.delivered + other.delivered,
            failed: self.failed + other.failed,
            given_up: self.given_up + other.given_up,
            dropped: self.dropped + other.dropped,
            waiting: self.waiting + other.waiting,
        }
    }
}

#[derive(Debug, Default)]
struct Waiting {
    /// Each with the end of its day.
    events: VecDeque<(Arc<PublicEvent>, Instant)>,
    /// How often the first was told in vain.
    failures: usize,
}

/// An event to be told now. Its outcome is to be handed in.
#[derive(Debug, Clone, PartialEq)]
pub struct EventAttempt {
    pub event: Arc<PublicEvent>,
    lane: Lane,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Delivered,
    Failed,
}

/// What becomes of an event after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventFate {
    Over,
    ToldAgain,
    /// Its day is over.
    GivenUp,
}

impl Outbox {
    /// As an earlier process left it, by its changes: what waits is told at once, and then goes on in its pauses, until
    /// the day is over that began when it happened. `unix_ms` is now.
    pub fn restored(now: Instant, unix_ms: u64, changes: &str) -> Outbox {
        let mut outbox = Outbox::default();
        let Rest { waiting, untold } = Rest::of(changes);
        if untold > 0 {
            outbox.untold = untold;
            outbox.changes.push(JournalChange::Untold(untold));
        }
        for (event, failures) in waiting {
            let lane = event.room.clone();
            let age = Duration::from_millis(unix_ms.saturating_sub(event.at_ms));
            outbox.push_until(now, now + DAY.saturating_sub(age), Arc::new(event));
            // The attempt that comes now is in place of the last one.
            let first = outbox.lanes.get_mut(&lane).filter(|waiting| waiting.events.len() == 1);
            first.into_iter().for_each(|waiting| waiting.failures = failures.saturating_sub(1));
        }
        outbox
    }

    /// For whoever writes them down.
    pub fn take_changes(&mut self) -> Vec<JournalChange> {
        std::mem::take(&mut self.changes)
    }

    /// The changes by which a queue comes to be what this one is.
    pub fn summary(&self) -> Vec<JournalChange> {
        let of_lane = |waiting: &Waiting| {
            let id = waiting.events.front().map(|(event, _)| event.id.clone()).unwrap_or_default();
            let queued =
                waiting.events.iter().map(|(event, _)| JournalChange::Queued(Arc::clone(event))).collect::<Vec<_>>();
            queued.into_iter().chain(vec![JournalChange::Failed(id); waiting.failures]).collect::<Vec<_>>()
        };
        let untold = Some(JournalChange::Untold(self.untold)).filter(|_| self.untold > 0);
        self.lanes.values().flat_map(of_lane).chain(untold).collect()
    }

    /// One that finds no place is dropped and counted.
    pub fn push(&mut self, now: Instant, event: Arc<PublicEvent>) {
        self.push_until(now, now + DAY, event);
    }

    fn push_until(&mut self, now: Instant, day_ends: Instant, event: Arc<PublicEvent>) {
        if self.queued >= EVENTS_MAX {
            self.drop_events(1);
            return;
        }
        self.queued += 1;
        self.changes.push(JournalChange::Queued(Arc::clone(&event)));
        let lane = event.room.clone();
        let waiting = self.lanes.entry(lane.clone()).or_default();
        waiting.events.push_back((event, day_ends));
        if waiting.events.len() == 1 {
            self.due.insert((now, lane));
        }
    }

    /// Events that were lost before they came here.
    pub fn drop_events(&mut self, count: u64) {
        self.untold += count;
        self.figures.dropped += count;
        self.changes.push(JournalChange::Untold(self.untold));
    }

    /// What the receiver has to be told of: so many events were dropped. Once there is a place for that again.
    pub fn poll_untold(&mut self) -> Option<u64> {
        let has_place = self.queued < EVENTS_MAX / 2;
        if !has_place || self.untold == 0 {
            return None;
        }
        self.changes.push(JournalChange::Untold(0));
        Some(std::mem::take(&mut self.untold))
    }

    pub fn poll_attempt(&mut self, now: Instant) -> Option<EventAttempt> {
        if self.running >= RUNNING_MAX {
            return None;
        }
        let first = self.due.first().filter(|(at, _)| *at <= now)?.clone();
        self.due.remove(&first);
        let (_, lane) = first;
        let (event, _) = self.lanes.get(&lane)?.events.front().cloned()?;
        self.running += 1;
        Some(EventAttempt { event, lane })
    }

    /// Says what becomes of the event.
    pub fn handle_outcome(&mut self, now: Instant, attempt: &EventAttempt, outcome: Outcome) -> EventFate {
        self.running = self.running.saturating_sub(1);
        let Some(waiting) = self.lanes.get_mut(&attempt.lane) else { return EventFate::Over };
        let day_ends = waiting.events.front().map_or(now, |(_, day_ends)| *day_ends);
        let pause = PAUSES.get(waiting.failures).filter(|_| outcome == Outcome::Failed && now < day_ends);
        if let Some(pause) = pause {
            waiting.failures += 1;
            self.figures.failed += 1;
            self.changes.push(JournalChange::Failed(attempt.event.id.clone()));
            self.due.insert(((now + *pause).min(day_ends), attempt.lane.clone()));
            return EventFate::ToldAgain;
        }
        let (count, fate) = match outcome {
            Outcome::Delivered => (&mut self.figures.delivered, EventFate::Over),
            Outcome::Failed => (&mut self.figures.given_up, EventFate::GivenUp),
        };
        *count += 1;
        self.changes.push(JournalChange::Done(attempt.event.id.clone()));
        waiting.events.pop_front();
        waiting.failures = 0;
        self.queued -= 1;
        match waiting.events.is_empty() {
            true => drop(self.lanes.remove(&attempt.lane)),
            false => drop(self.due.insert((now, attempt.lane.clone()))),
        }
        fate
    }

    /// When there is something to be told again; none while as many requests run as may.
    pub fn next_timeout(&self) -> Option<Instant> {
        let first = self.due.first().filter(|_| self.running < RUNNING_MAX);
        first.map(|(at, _)| *at)
    }

    pub fn queued(&self) -> usize {
        self.queued
    }

    pub fn figures(&self) -> Figures {
        Figures { waiting: self.queued, ..self.figures }
    }
}

/// A few megabytes.
pub const EVENTS_MAX: usize = 10_000;
/// Requests to a receiver at a time.
const RUNNING_MAX: usize = 8;
/// An event is told again for so long, since it happened.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// After each attempt that failed: a day in sum.
const PAUSES: [Duration; 11] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(2 * 60),
    Duration::from_secs(10 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(3600),
    Duration::from_secs(2 * 3600),
    Duration::from_secs(4 * 3600),
    Duration::from_secs(8 * 3600),
    Duration::from_secs(8 * 3600 + 1044),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventKind;

    fn event(room: Option<&str>, number: usize) -> Arc<PublicEvent> {
        let room = room.map(str::to_owned);
        let data = serde_json::Value::Null;
        Arc::new(PublicEvent { id: number.to_string(), kind: EventKind::RoomStarted, at_ms: 0, room, data })
    }

    fn ids(outbox: &mut Outbox, now: Instant) -> Vec<EventAttempt> {
        std::iter::from_fn(|| outbox.poll_attempt(now)).collect()
    }

    #[test]
    fn events_of_a_room_come_one_after_the_other_and_rooms_do_not_wait_for_each_other() {
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        for (number, room) in [Some("a"), Some("a"), Some("b"), None].into_iter().enumerate() {
            outbox.push(now, event(room, number));
        }
        let running = ids(&mut outbox, now);
        let mut first: Vec<&str> = running.iter().map(|attempt| attempt.event.id.as_str()).collect();
        first.sort_unstable();
        assert_eq!(first, ["0", "2", "3"]);
        let of_a = running.iter().find(|attempt| attempt.event.id == "0").unwrap();
        outbox.handle_outcome(now, of_a, Outcome::Failed);
        assert_eq!(ids(&mut outbox, now), [], "the second of a room waits for the first");
        let later = outbox.next_timeout().unwrap();
        assert_eq!(later, now + PAUSES[0]);
        let again = ids(&mut outbox, later);
        assert_eq!(again[0].event.id, "0");
        outbox.handle_outcome(later, &again[0], Outcome::Delivered);
        assert_eq!(ids(&mut outbox, later)[0].event.id, "1");
    }

    #[test]
    fn an_event_is_told_again_with_growing_pauses_for_a_day_and_then_given_up() {
        let (mut outbox, start) = (Outbox::default(), Instant::now());
        outbox.push(start, event(Some("a"), 0));
        outbox.push(start, event(Some("a"), 1));
        let (mut now, mut attempts) = (start, 0);
        while outbox.figures().given_up == 0 {
            now = outbox.next_timeout().unwrap();
            let attempt = outbox.poll_attempt(now).unwrap();
            assert_eq!(attempt.event.id, "0");
            outbox.handle_outcome(now, &attempt, Outcome::Failed);
            attempts += 1;
        }
        assert_eq!(attempts, PAUSES.len() + 1);
        assert_eq!((now - start, PAUSES.iter().sum::<Duration>()), (DAY, DAY));
        assert!(PAUSES.is_sorted());
        let second = outbox.poll_attempt(now).unwrap();
        assert_eq!(second.event.id, "1");
        assert_eq!(outbox.handle_outcome(now, &second, Outcome::Failed), EventFate::GivenUp, "its day is over, too");
        let failed = u64::try_from(PAUSES.len()).unwrap();
        assert_eq!(outbox.figures(), Figures { failed, given_up: 2, ..Figures::default() });
    }

    #[test]
    fn an_event_has_one_day_however_often_the_process_is_another() {
        let (start, began_ms) = (Instant::now(), 1_700_000_000_000);
        let of_then = PublicEvent { at_ms: began_ms, ..PublicEvent::clone(&event(Some("a"), 0)) };
        let mut text = JournalChange::Queued(Arc::new(of_then)).to_line();
        let mut given_up_after = None;
        for hours in 1..=30 {
            let since = Duration::from_secs(hours * 3600);
            let mut outbox = Outbox::restored(start + since, began_ms + hours * 3_600_000, &text);
            let attempt = outbox.poll_attempt(start + since).expect("told at once");
            if outbox.handle_outcome(start + since, &attempt, Outcome::Failed) == EventFate::GivenUp {
                given_up_after = Some(hours);
                break;
            }
            assert!(outbox.next_timeout().unwrap() <= start + DAY, "the last attempt is within its day");
            text = outbox.summary().iter().map(JournalChange::to_line).collect();
        }
        assert_eq!(given_up_after, Some(24));
    }

    #[test]
    fn what_finds_no_place_is_counted_and_told_once_there_is_one() {
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        (0..EVENTS_MAX + 3).for_each(|number| outbox.push(now, event(Some(&number.to_string()), number)));
        assert_eq!((outbox.queued(), outbox.figures().dropped, outbox.poll_untold()), (EVENTS_MAX, 3, None));
        while outbox.queued() >= EVENTS_MAX / 2 {
            for attempt in ids(&mut outbox, now) {
                outbox.handle_outcome(now, &attempt, Outcome::Delivered);
            }
        }
        assert_eq!((outbox.poll_untold(), outbox.poll_untold()), (Some(3), None));
    }

    #[test]
    fn what_waits_is_the_same_after_the_process_and_goes_on_in_its_pauses() {
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        for (number, room) in [Some("a"), Some("a"), Some("b"), None].into_iter().enumerate() {
            outbox.push(now, event(room, number));
        }
        let written = |changes: &[JournalChange]| changes.iter().map(JournalChange::to_line).collect::<String>();
        let mut at = now;
        for _ in 0..3 {
            at = outbox.next_timeout().unwrap().max(at);
            for attempt in ids(&mut outbox, at) {
                let got = attempt.event.id == "2";
                outbox.handle_outcome(at, &attempt, if got { Outcome::Delivered } else { Outcome::Failed });
            }
        }
        outbox.drop_events(5);
        let text = written(&outbox.take_changes());
        assert_eq!(outbox.take_changes(), []);
        for text in [text, written(&outbox.summary())] {
            let mut next = Outbox::restored(at, 0, &text);
            assert_eq!(next.figures().dropped, 0, "the process before has counted them");
            assert_eq!((next.queued(), next.poll_untold()), (3, Some(5)));
            let first = ids(&mut next, at).into_iter().find(|attempt| attempt.lane.is_some()).unwrap();
            assert_eq!(first.event.id, "0", "at once");
            next.handle_outcome(at, &first, Outcome::Failed);
            let due: Vec<Instant> = next.due.iter().map(|(at, _)| *at).collect();
            assert_eq!(due, [at + PAUSES[2]], "as if it had gone on");
            next.handle_outcome(at, &first, Outcome::Delivered);
            assert_eq!(ids(&mut next, at)[0].event.id, "1");
        }
    }

    #[test]
    fn no_more_requests_run_at_a_time_than_may() {
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        (0..RUNNING_MAX + 1).for_each(|number| outbox.push(now, event(Some(&number.to_string()), number)));
        let running = ids(&mut outbox, now);
        assert_eq!((running.len(), outbox.next_timeout()), (RUNNING_MAX, None));
        outbox.handle_outcome(now, &running[0], Outcome::Delivered);
        assert_eq!(ids(&mut outbox, now).len(), 1);
        assert_eq!(outbox.lanes.len(), RUNNING_MAX, "a lane that is empty is gone");
    }
}
