//! Owns the form of an event. Never decides when there is one.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

/// Something that happened once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PublicEvent {
    /// The same however often it is told, also by several nodes that saw the same.
    pub id: String,
    pub kind: EventKind,
    /// Unix time.
    pub at_ms: u64,
    /// Events of a room are told in their order; those of none in an order of their own.
    pub room: Option<String>,
    pub data: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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

impl PublicEvent {
    /// As a receiver gets it.
    pub fn body(&self) -> String {
        json!({ "type": self.kind.as_text(), "timestamp": utc(self.at_ms), "data": self.data }).to_string()
    }
}

/// RFC 3339 in milliseconds. A time that no calendar has is told as the first there is.
fn utc(unix_ms: u64) -> String {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000);
    at.unwrap_or(OffsetDateTime::UNIX_EPOCH).format(UTC_MS).unwrap_or_default()
}

const UTC_MS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

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
        let event = PublicEvent {
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
