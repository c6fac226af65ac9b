//! Owns the form of an event. Never decides when there is one.

use serde_json::{Value, json};

/// Something that happened once.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The same however often it is told, also by several nodes that saw the same.
    pub id: String,
    pub kind: EventKind,
    /// Unix time.
    pub at_ms: u64,
    /// Events of a room are told in their order; those of none in an order of their own.
    pub room: Option<String>,
    pub data: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    RoomStarted,
    RoomFinished,
    ParticipantJoined,
    ParticipantLeft,
    TrackPublished,
    TrackUnpublished,
    StreamMoved,
    NodeJoined,
    NodeLeft,
    WorkerDied,
    /// There was no place for events of which nobody is told now.
    EventsDropped,
}

impl EventKind {
    pub fn as_text(self) -> &'static str {
        match self {
            EventKind::RoomStarted => "room_started",
            EventKind::RoomFinished => "room_finished",
            EventKind::ParticipantJoined => "participant_joined",
            EventKind::ParticipantLeft => "participant_left",
            EventKind::TrackPublished => "track_published",
            EventKind::TrackUnpublished => "track_unpublished",
            EventKind::StreamMoved => "stream_moved",
            EventKind::NodeJoined => "node_joined",
            EventKind::NodeLeft => "node_left",
            EventKind::WorkerDied => "worker_died",
            EventKind::EventsDropped => "events_dropped",
        }
    }
}

impl Event {
    /// As a receiver gets it.
    pub fn body(&self) -> String {
        json!({ "type": self.kind.as_text(), "timestamp": utc(self.at_ms), "data": self.data }).to_string()
    }
}

/// RFC 3339 in milliseconds. Days become a date by the algorithm of Howard Hinnant (`civil_from_days`).
fn utc(unix_ms: u64) -> String {
    let (seconds, ms) = (unix_ms / 1000, unix_ms % 1000);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    // From 1 March of the year 0, so that a leap day is the last of its year.
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_dates() {
        assert_eq!(utc(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(utc(951_782_400_007), "2000-02-29T00:00:00.007Z");
        assert_eq!(utc(1_735_689_599_999), "2024-12-31T23:59:59.999Z");
        assert_eq!(utc(1_795_961_696_000), "2026-11-29T14:14:56.000Z");
    }

    #[test]
    fn a_body_has_type_timestamp_and_data() {
        let event = Event {
            id: "a".to_owned(),
            kind: EventKind::RoomStarted,
            at_ms: 0,
            room: Some("demo".to_owned()),
            data: json!({ "room": "demo" }),
        };
        let expected = r#"{"data":{"room":"demo"},"timestamp":"1970-01-01T00:00:00.000Z","type":"room_started"}"#;
        assert_eq!(
            serde_json::from_str::<Value>(&event.body()).unwrap(),
            serde_json::from_str::<Value>(expected).unwrap()
        );
    }
}
