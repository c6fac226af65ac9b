//! `chappe ls`, `rooms`, `streams`: one request each, as a table or as the JSON that came.

use serde::de::DeserializeOwned;

use super::admin::Admin;
use super::commands::Listing;
use super::entries::{Room, Stream, Track, Worker};
use super::table::{self, Column, Field};
use super::units;
use crate::failure::Failure;
use crate::output;

pub fn workers(listing: &Listing) -> Result<(), Failure> {
    show(listing, "/api/v1/workers", WORKER_COLUMNS, "no workers: start a node with `chappe`, or add some to this one")
}

pub fn rooms(listing: &Listing) -> Result<(), Failure> {
    show(listing, "/api/v1/rooms", ROOM_COLUMNS, "no rooms: nobody publishes, watches or chats now")
}

pub fn streams(listing: &Listing) -> Result<(), Failure> {
    show(listing, "/api/v1/streams", STREAM_COLUMNS, "no streams: nobody publishes now")
}

fn show<R: DeserializeOwned>(
    listing: &Listing,
    path: &str,
    columns: &[Column<R>],
    nothing: &str,
) -> Result<(), Failure> {
    let admin = Admin::of(&listing.target)?;
    let answer: serde_json::Value = admin.get(path)?;
    if listing.json {
        return output::line(format_args!("{answer:#}"));
    }
    let rows: Vec<R> = serde_json::from_value(answer)
        .map_err(|error| Failure::Refused(format!("{path} answers what this version does not understand: {error}")))?;
    match rows.is_empty() {
        true => output::line(nothing),
        false => table::print(columns, &rows),
    }
}

pub const WORKER_COLUMNS: &[Column<Worker>] = &[
    Column::new("node", 0, |row| Field::text(&row.node)),
    Column::new("worker", 0, |row| Field::count(u64::from(row.index))),
    Column::new("pid", 7, |row| Field::count(row.pid.map(u64::from))),
    Column::new("state", 0, |row| Field::state(&row.state)),
    Column::new("uptime", 5, |row| {
        Field::number(row.uptime_ms.unwrap_or(0), row.uptime_ms.map_or("-".to_owned(), units::duration))
    }),
    Column::new("↺", 4, |row| Field::count(row.restarts)),
    Column::new("cpu", 1, |row| Field::Number { order: row.cpu, shown: units::percent(row.cpu) }),
    Column::new("memory", 6, |row| Field::number(row.rss_bytes, units::memory(row.rss_bytes))),
    Column::new("sessions", 0, |row| Field::count(u64::from(row.sessions))),
    Column::new("Mbit/s in", 3, |row| rate(row.bits_per_second_in)),
    Column::new("Mbit/s out", 2, |row| rate(row.bits_per_second_out)),
];

pub const ROOM_COLUMNS: &[Column<Room>] = &[
    Column::new("room", 0, |row| Field::text(&row.room)),
    Column::new("streams", 0, |row| Field::count(row.streams)),
    Column::new("members", 0, |row| Field::count(row.members)),
    Column::new("players", 1, |row| Field::count(row.players)),
    Column::new("workers", 2, |row| Field::text(row.workers.join(" "))),
];

pub const STREAM_COLUMNS: &[Column<Stream>] = &[
    Column::new("room", 0, |row| Field::text(&row.room)),
    Column::new("stream", 0, |row| Field::text(&row.stream)),
    Column::new("worker", 2, |row| Field::text(&row.worker)),
    // The youngest last, as with other times.
    Column::new("since", 3, |row| Field::Number { order: -(row.since_ms as f64), shown: units::since(row.since_ms) }),
    Column::new("viewers here", 0, |row| Field::count(row.viewers)),
    Column::new("tracks", 1, |row| Field::text(tracks(&row.tracks))),
];

fn rate(bits_per_second: u64) -> Field {
    Field::number(bits_per_second, units::megabits(bits_per_second))
}

/// `audio opus (muted by an operator), video vp8 (silent)`.
fn tracks(tracks: &[Track]) -> String {
    let track = |track: &Track| {
        let codec = track.codec.as_deref().map(|codec| format!(" {codec}")).unwrap_or_default();
        let state = match track {
            Track { moderated: true, .. } => " (muted by an operator)",
            Track { active: false, .. } => " (silent)",
            _ => "",
        };
        format!("{}{codec}{state}", track.kind)
    };
    tracks.iter().map(track).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracks_are_told_with_codec_and_silence() {
        let track = |kind: &str, codec: Option<&str>, active| Track {
            kind: kind.to_owned(),
            codec: codec.map(str::to_owned),
            active,
            moderated: false,
        };
        let told = tracks(&[track("audio", Some("opus"), true), track("video", None, false)]);
        assert_eq!(told, "audio opus, video (silent)");
        let told = tracks(&[Track { moderated: true, ..track("audio", None, true) }]);
        assert_eq!(told, "audio (muted by an operator)");
    }
}
