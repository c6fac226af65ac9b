//! Owns the form in which the queue of a receiver outlives the process: its changes, each a line. Never reads or writes a
//! file.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::event::PublicEvent;

/// Of what waits for a receiver.
#[derive(Debug, Clone, PartialEq)]
pub enum JournalChange {
    Queued(Arc<PublicEvent>),
    /// The event of this id was told in vain, and is told again.
    Failed(String),
    /// The receiver has it, or it was given up.
    Done(String),
    /// So many were dropped that the receiver was not told of.
    Untold(u64),
}

/// What is left of the changes of a queue.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Rest {
    /// In their order, each with how often it was told in vain.
    pub waiting: Vec<(PublicEvent, usize)>,
    pub untold: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line<'a> {
    Queued(Cow<'a, PublicEvent>),
    Failed(Cow<'a, str>),
    Done(Cow<'a, str>),
    Untold(u64),
}

impl JournalChange {
    /// With the end of the line.
    pub fn to_line(&self) -> String {
        let line = match self {
            JournalChange::Queued(event) => Line::Queued(Cow::Borrowed(event.as_ref())),
            JournalChange::Failed(id) => Line::Failed(Cow::Borrowed(id)),
            JournalChange::Done(id) => Line::Done(Cow::Borrowed(id)),
            JournalChange::Untold(count) => Line::Untold(*count),
        };
        let mut text = serde_json::to_string(&line).expect("a change has only string keys");
        text.push('\n');
        text
    }
}

impl Rest {
    /// Of the lines of a queue. One that can't be read was cut off by the end of the process, or is of another version.
    pub fn of(text: &str) -> Rest {
        let (mut queued, mut untold) = (Vec::new(), 0);
        // By id, where it is among these.
        let mut places: HashMap<String, VecDeque<usize>> = HashMap::new();
        for line in text.lines() {
            match serde_json::from_str(line) {
                Ok(Line::Queued(event)) => {
                    places.entry(event.id.clone()).or_default().push_back(queued.len());
                    queued.push(Some((event.into_owned(), 0)));
                }
                Ok(Line::Failed(id)) => {
                    let place = places.get(id.as_ref()).and_then(|places| places.front());
                    let of_it = place.and_then(|place| queued.get_mut(*place)).and_then(Option::as_mut);
                    of_it.into_iter().for_each(|(_, failures)| *failures += 1);
                }
                Ok(Line::Done(id)) => {
                    let place = places.get_mut(id.as_ref()).and_then(VecDeque::pop_front);
                    let of_it = place.and_then(|place| queued.get_mut(place));
                    of_it.into_iter().for_each(|of_it| *of_it = None);
                }
                Ok(Line::Untold(count)) => untold = count,
                Err(_) if line.starts_with(QUEUED) => untold += 1,
                Err(_) => {}
            }
        }
        Rest { waiting: queued.into_iter().flatten().collect(), untold }
    }
}

/// The same for a receiver in every process and version, and tells nothing of its address, which may hold a secret.
pub fn journal_name(receiver: &str) -> String {
    let hash = digest(&SHA256, receiver.as_bytes());
    hash.as_ref().iter().take(NAME_BYTES).fold(String::new(), |mut name, byte| {
        let _ = write!(name, "{byte:02x}");
        name
    })
}

const QUEUED: &str = "{\"queued\":";
const NAME_BYTES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventKind;

    fn event(id: &str) -> PublicEvent {
        let (room, data) = (Some("demo".to_owned()), serde_json::json!({ "room": "demo" }));
        PublicEvent { id: id.to_owned(), kind: EventKind::TrackPublished, at_ms: 7, room, data }
    }

    #[test]
    fn what_is_not_done_is_left_in_its_order() {
        let queued = |id: &str| JournalChange::Queued(Arc::new(event(id)));
        let named = |change: fn(String) -> JournalChange, id: &str| change(id.to_owned());
        let changes = [
            queued("a"),
            queued("b"),
            named(JournalChange::Failed, "a"),
            queued("c"),
            JournalChange::Untold(3),
            named(JournalChange::Done, "b"),
            named(JournalChange::Failed, "a"),
            named(JournalChange::Done, "unknown"),
        ];
        let text: String = changes.iter().map(JournalChange::to_line).collect();
        let expected = Rest { waiting: vec![(event("a"), 2), (event("c"), 0)], untold: 3 };
        assert_eq!(Rest::of(&text), expected);
    }

    #[test]
    fn one_that_was_queued_twice_is_done_once_for_each() {
        let (queued, done) =
            (JournalChange::Queued(Arc::new(event("a"))).to_line(), JournalChange::Done("a".to_owned()).to_line());
        let rest = |text: String| Rest::of(&text).waiting.len();
        assert_eq!(rest(format!("{queued}{queued}{done}")), 1);
        assert_eq!(rest(format!("{queued}{done}{queued}{done}{done}")), 0);
    }

    #[test]
    fn a_line_that_is_cut_off_costs_itself_and_is_counted() {
        let whole = JournalChange::Queued(Arc::new(event("a"))).to_line();
        let cut = &whole[..whole.len() / 2];
        assert_eq!(Rest::of(&format!("{whole}{cut}")), Rest { waiting: vec![(event("a"), 0)], untold: 1 });
        assert_eq!(Rest::of("{\"danced\":1}\n{\"done\":"), Rest::default());
    }

    #[test]
    fn a_name_is_that_of_one_receiver_and_does_not_show_it() {
        let name = journal_name("https://example.org/hooks?secret=1");
        assert_eq!((name.len(), name == journal_name("https://example.org/hooks?secret=2")), (16, false));
    }

    #[test]
    fn kinds_are_written_as_receivers_know_them() {
        let text = serde_json::to_value(EventKind::TrackUnpublished).unwrap();
        assert_eq!(text, EventKind::TrackUnpublished.as_text());
    }
}
