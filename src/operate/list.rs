//! `chappe ls`, `rooms`, `streams`: one request each, as a table or as the JSON that came.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::admin::Admin;
use super::commands::Listing;
use super::entries::{Room, Stream, Track, Worker};
use super::table::{self, Align, Column};
use super::units;
use crate::failure::Failure;

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
    let answer: Value = admin.get(path)?;
    if listing.json {
        println!("{answer:#}");
        return Ok(());
    }
    let rows: Vec<R> = serde_json::from_value(answer)
        .map_err(|error| Failure::Refused(format!("{path} answers what this version does not understand: {error}")))?;
    if rows.is_empty() {
        println!("{nothing}");
    } else {
        table::print(columns, &rows);
    }
    Ok(())
}

const WORKER_COLUMNS: &[Column<Worker>] = &[
    Column { head: "node", text: |row| row.node.clone(), align: Align::Left, rank: 0 },
    Column { head: "worker", text: |row| row.index.to_string(), align: Align::Right, rank: 0 },
    Column { head: "pid", text: |row| or_dash(row.pid), align: Align::Right, rank: 7 },
    Column { head: "state", text: |row| row.state.clone(), align: Align::State, rank: 0 },
    Column { head: "uptime", text: |row| or_dash(row.uptime_ms.map(units::duration)), align: Align::Right, rank: 5 },
    Column { head: "↺", text: |row| row.restarts.to_string(), align: Align::Right, rank: 4 },
    Column { head: "cpu", text: |row| units::percent(row.cpu), align: Align::Right, rank: 1 },
    Column { head: "memory", text: |row| units::memory(row.rss_bytes), align: Align::Right, rank: 6 },
    Column { head: "sessions", text: |row| row.sessions.to_string(), align: Align::Right, rank: 0 },
    Column { head: "Mbit/s in", text: |row| units::megabits(row.bits_per_second_in), align: Align::Right, rank: 3 },
    Column { head: "Mbit/s out", text: |row| units::megabits(row.bits_per_second_out), align: Align::Right, rank: 2 },
];

const ROOM_COLUMNS: &[Column<Room>] = &[
    Column { head: "room", text: |row| row.room.clone(), align: Align::Left, rank: 0 },
    Column { head: "streams", text: |row| row.streams.to_string(), align: Align::Right, rank: 0 },
    Column { head: "members", text: |row| row.members.to_string(), align: Align::Right, rank: 0 },
    Column { head: "players", text: |row| row.players.to_string(), align: Align::Right, rank: 1 },
    Column { head: "workers", text: |row| row.workers.join(" "), align: Align::Left, rank: 2 },
];

const STREAM_COLUMNS: &[Column<Stream>] = &[
    Column { head: "room", text: |row| row.room.clone(), align: Align::Left, rank: 0 },
    Column { head: "stream", text: |row| row.stream.clone(), align: Align::Left, rank: 0 },
    Column { head: "worker", text: |row| row.worker.clone(), align: Align::Left, rank: 2 },
    Column { head: "since", text: |row| units::since(row.since_ms), align: Align::Right, rank: 3 },
    Column { head: "viewers here", text: |row| row.viewers.to_string(), align: Align::Right, rank: 0 },
    Column { head: "tracks", text: |row| tracks(&row.tracks), align: Align::Left, rank: 1 },
];

fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or("-".to_owned(), |value| value.to_string())
}

/// `audio opus, video vp8 (silent)`.
fn tracks(tracks: &[Track]) -> String {
    let track = |track: &Track| {
        let codec = track.codec.as_deref().map(|codec| format!(" {codec}")).unwrap_or_default();
        format!("{}{codec}{}", track.kind, if track.active { "" } else { " (silent)" })
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
        };
        let told = tracks(&[track("audio", Some("opus"), true), track("video", None, false)]);
        assert_eq!(told, "audio opus, video (silent)");
    }
}
