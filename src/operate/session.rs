//! `chappe session` and `chappe kick`: one session of any node, looked at or ended.

use serde_json::Value;

use super::admin::Admin;
use super::commands::{Kick, Look};
use super::table::{self, Align, Column};
use super::units;
use crate::failure::Failure;

pub fn show(order: &Look) -> Result<(), Failure> {
    let session: Value = Admin::of(&order.target)?.get(&path(&order.id)?)?;
    if order.json {
        println!("{session:#}");
        return Ok(());
    }
    let rows: Vec<(String, String)> = facts(&session);
    table::print(FACT_COLUMNS, &rows);
    let of = |way: &'static str| list(&session["stats"], way).map(move |track| (way, track.clone()));
    let tracks: Vec<(&str, Value)> = of("received").chain(of("sent")).collect();
    if !tracks.is_empty() {
        table::print(TRACK_COLUMNS, &tracks);
    }
    let slots: Vec<Value> = list(&session, "slots").cloned().collect();
    if !slots.is_empty() {
        table::print(SLOT_COLUMNS, &slots);
    }
    Ok(())
}

pub fn kick(order: &Kick) -> Result<(), Failure> {
    Admin::of(&order.target)?.delete_only(&path(&order.id)?)?;
    println!("{} has ended", order.id);
    Ok(())
}

fn path(id: &str) -> Result<String, Failure> {
    // It goes into a path as it is.
    match id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
        true if !id.is_empty() => Ok(format!("/api/v1/sessions/{id}")),
        _ => Err(Failure::Usage(format!(
            "{id:?} is no id of a session: `chappe session --list` lists those that there are"
        ))),
    }
}

/// Every session of the node that is asked.
pub fn all(order: &Look) -> Result<(), Failure> {
    let answer: Value = Admin::of(&order.target)?.get("/api/v1/sessions")?;
    if order.json {
        println!("{answer:#}");
        return Ok(());
    }
    let rows: Vec<Value> = answer.as_array().cloned().unwrap_or_default();
    match rows.is_empty() {
        true => println!("no sessions: nobody publishes or watches at this node now"),
        false => table::print(SESSION_COLUMNS, &rows),
    }
    Ok(())
}

/// What is said of it as a whole; what is not known is left out.
fn facts(session: &Value) -> Vec<(String, String)> {
    let told =
        ["id", "kind", "state", "node", "worker", "room", "stream", "member"].map(|key| (key, text(&session[key])));
    let stats = &session["stats"];
    let since = session["since_ms"].as_u64().map(units::since).unwrap_or_default();
    let round_trip = stats["round_trip_ms"].as_f64().map(|ms| format!("{ms:.1} ms")).unwrap_or_default();
    let more = [("since", since), ("client at", text(&stats["remote"])), ("round trip", round_trip)];
    let why = match stats.is_null() {
        true => "its worker does not answer: there are no counters".to_owned(),
        false => String::new(),
    };
    let all = told.into_iter().chain(more).chain([("note", why)]);
    all.filter(|(_, value)| !value.is_empty()).map(|(key, value)| (key.to_owned(), value)).collect()
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value[key].as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

const FACT_COLUMNS: &[Column<(String, String)>] = &[
    Column { head: "session", text: |row| row.0.clone(), align: Align::Left, rank: 0 },
    Column { head: "", text: |row| row.1.clone(), align: Align::State, rank: 0 },
];

const TRACK_COLUMNS: &[Column<(&str, Value)>] = &[
    Column { head: "", text: |row| row.0.to_owned(), align: Align::Left, rank: 0 },
    Column { head: "mid", text: |row| text(&row.1["mid"]), align: Align::Right, rank: 0 },
    Column { head: "kind", text: |row| text(&row.1["kind"]), align: Align::Left, rank: 0 },
    Column { head: "packets", text: |row| text(&row.1["packets"]), align: Align::Right, rank: 1 },
    Column { head: "lost", text: |row| text(&row.1["lost"]), align: Align::Right, rank: 0 },
    Column { head: "repaired", text: |row| text(&row.1["repaired"]), align: Align::Right, rank: 2 },
    Column { head: "key frames asked", text: |row| text(&row.1["keyframe_requests"]), align: Align::Right, rank: 3 },
    Column {
        head: "Mbit/s",
        text: |row| units::megabits(row.1["bits_per_second"].as_u64().unwrap_or(0)),
        align: Align::Right,
        rank: 0,
    },
];

const SLOT_COLUMNS: &[Column<Value>] = &[
    Column { head: "mid", text: |row| text(&row["mid"]), align: Align::Right, rank: 0 },
    Column { head: "stream", text: |row| text(&row["stream"]), align: Align::Left, rank: 0 },
    Column { head: "track", text: |row| text(&row["track"]), align: Align::Left, rank: 0 },
    Column { head: "state", text: |row| text(&row["state"]), align: Align::State, rank: 0 },
];

const SESSION_COLUMNS: &[Column<Value>] = &[
    Column { head: "session", text: |row| text(&row["id"]), align: Align::Left, rank: 0 },
    Column { head: "kind", text: |row| text(&row["kind"]), align: Align::Left, rank: 1 },
    Column { head: "state", text: |row| text(&row["state"]), align: Align::State, rank: 0 },
    Column { head: "worker", text: |row| text(&row["worker"]), align: Align::Left, rank: 3 },
    Column { head: "room", text: |row| text(&row["room"]), align: Align::Left, rank: 0 },
    Column { head: "stream", text: |row| text(&row["stream"]), align: Align::Left, rank: 2 },
];
