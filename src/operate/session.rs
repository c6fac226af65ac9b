//! `chappe session`, `chappe mute` and `chappe kick`: one session of any node, looked at, muted or ended.

use serde_json::{Value, json};

use super::admin::Admin;
use super::commands::{Look, Mute, OfSession};
use super::table::{self, Column, Field};
use super::units;
use crate::failure::Failure;
use crate::output;
use crate::values::session_id;

pub fn show(order: &Look) -> Result<(), Failure> {
    let session: Value = Admin::of(&order.target)?.get(&path(&order.id)?)?;
    if order.json {
        return output::line(format_args!("{session:#}"));
    }
    let rows: Vec<(String, String)> = facts(&session);
    table::print(FACT_COLUMNS, &rows)?;
    let of = |way: &'static str| list(&session["stats"], way).map(move |track| (way, track.clone()));
    let tracks: Vec<(&str, Value)> = of("received").chain(of("sent")).collect();
    if !tracks.is_empty() {
        table::print(TRACK_COLUMNS, &tracks)?;
    }
    let slots: Vec<Value> = list(&session, "slots").cloned().collect();
    if !slots.is_empty() {
        table::print(SLOT_COLUMNS, &slots)?;
    }
    Ok(())
}

pub fn kick(of: &OfSession) -> Result<(), Failure> {
    Admin::of(&of.target)?.delete_only(&path(&of.id)?)?;
    of.results.tell(&format!("{} has ended", of.id), &json!({ "session": of.id, "ended": true }))
}

/// Says which tracks nobody gets from now on, or which are forwarded again.
pub fn mute(order: &Mute) -> Result<(), Failure> {
    let OfSession { target, results, id } = &order.of;
    let kind = match (order.audio, order.video) {
        (true, _) => Some("audio"),
        (_, true) => Some("video"),
        _ => None,
    };
    let mut body = json!({ "muted": !order.undo });
    if let Some(kind) = kind {
        body["kind"] = kind.into();
    }
    let told = Admin::of(target)?.post(&format!("{}/mute", path(id)?), &body)?;
    let tracks = list(&told, "tracks").filter(|track| kind.is_none_or(|kind| track["kind"] == kind));
    let tracks: Vec<String> = tracks.map(|track| format!("{} {}", text(&track["kind"]), text(&track["mid"]))).collect();
    let state = if order.undo { "is not muted any more" } else { "is muted until --undo" };
    // The client may have taken away what was muted.
    let named = if tracks.is_empty() { String::new() } else { format!(": {}", tracks.join(", ")) };
    results.tell(&format!("{id} {state}{named}"), &told)
}

fn path(id: &str) -> Result<String, Failure> {
    match session_id(id) {
        Ok(id) => Ok(format!("/api/v1/sessions/{id}")),
        Err(why) => Err(Failure::Usage(format!("{id:?} {why}"))),
    }
}

/// Every session of the node that is asked.
pub fn all(order: &Look) -> Result<(), Failure> {
    let answer: Value = Admin::of(&order.target)?.get("/api/v1/sessions")?;
    if order.json {
        return output::line(format_args!("{answer:#}"));
    }
    let rows: Vec<Value> = answer.as_array().cloned().unwrap_or_default();
    match rows.is_empty() {
        true => output::line("no sessions: nobody publishes or watches at this node now"),
        false => table::print(SESSION_COLUMNS, &rows),
    }
}

/// What is said of it as a whole; what is not known is left out.
pub fn facts(session: &Value) -> Vec<(String, String)> {
    let told = ["id", "kind", "state", "node", "worker", "room", "member"].map(|key| (key, text(&session[key])));
    let told = told.into_iter().chain([("stream", streams(session))]);
    let stats = &session["stats"];
    let since = session["since_ms"].as_u64().map(units::since).unwrap_or_default();
    let round_trip = stats["round_trip_ms"].as_f64().map(|ms| format!("{ms:.1} ms")).unwrap_or_default();
    let more = [("since", since), ("client at", text(&stats["remote"])), ("round trip", round_trip)];
    let why = match stats.is_null() {
        true => "its worker does not answer: there are no counters".to_owned(),
        false => String::new(),
    };
    let all = told.chain(more).chain([("note", why)]);
    all.filter(|(_, value)| !value.is_empty()).map(|(key, value)| (key.to_owned(), value)).collect()
}

/// A line for each of its tracks.
pub fn track_facts(session: &Value) -> Vec<(String, String)> {
    let of = |way: &'static str| list(&session["stats"], way).map(move |track| (way, track));
    let fact = |(way, track): (&str, &Value)| {
        let rate = units::megabits(track["bits_per_second"].as_u64().unwrap_or(0));
        let count = |key: &str| track[key].as_u64().unwrap_or(0);
        let told = format!("{rate} Mbit/s, {} packets, {} lost", count("packets"), count("lost"));
        (format!("{way} {} {}", text(&track["kind"]), text(&track["mid"])), told)
    };
    of("received").chain(of("sent")).map(fact).collect()
}

/// Which encoding a viewer gets of how many, its lines, and why not a better one.
fn layer(layer: &Value) -> String {
    if layer.is_null() {
        return String::new();
    }
    let lines = layer["lines"].as_u64().map(|lines| format!(" {lines}p")).unwrap_or_default();
    format!("{}/{}{lines} {}", text(&layer["layer"]), text(&layer["layers"]), text(&layer["reason"]))
}

/// The one that it publishes, or those that it watches, each once.
fn streams(session: &Value) -> String {
    let mut names = vec![text(&session["stream"])];
    for name in list(session, "slots").map(|slot| text(&slot["stream"])) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.retain(|name| !name.is_empty());
    names.join(" ")
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value[key].as_array().into_iter().flatten()
}

pub fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

pub const FACT_COLUMNS: &[Column<(String, String)>] =
    &[Column::new("session", 0, |row| Field::text(&row.0)), Column::new("", 0, |row| Field::text(&row.1))];

const TRACK_COLUMNS: &[Column<(&str, Value)>] = &[
    Column::new("", 0, |row| Field::text(row.0)),
    Column::new("mid", 0, |row| Field::text(text(&row.1["mid"]))),
    Column::new("kind", 0, |row| Field::text(text(&row.1["kind"]))),
    Column::new("packets", 1, |row| Field::count(row.1["packets"].as_u64())),
    Column::new("lost", 0, |row| Field::count(row.1["lost"].as_u64())),
    Column::new("repaired", 2, |row| Field::count(row.1["repaired"].as_u64())),
    Column::new("key frames asked", 3, |row| Field::count(row.1["keyframe_requests"].as_u64())),
    Column::new("Mbit/s", 0, |row| {
        let rate = row.1["bits_per_second"].as_u64().unwrap_or(0);
        Field::number(rate, units::megabits(rate))
    }),
    Column::new("layer", 1, |row| Field::text(layer(&row.1["layer"]))),
];

const SLOT_COLUMNS: &[Column<Value>] = &[
    Column::new("mid", 0, |row| Field::text(text(&row["mid"]))),
    Column::new("stream", 0, |row| Field::text(text(&row["stream"]))),
    Column::new("track", 0, |row| Field::text(text(&row["track"]))),
    Column::new("state", 0, |row| Field::state(text(&row["state"]))),
];

pub const SESSION_COLUMNS: &[Column<Value>] = &[
    Column::new("session", 0, |row| Field::text(text(&row["id"]))),
    Column::new("kind", 1, |row| Field::text(text(&row["kind"]))),
    Column::new("state", 0, |row| Field::state(text(&row["state"]))),
    Column::new("worker", 3, |row| Field::text(text(&row["worker"]))),
    Column::new("room", 0, |row| Field::text(text(&row["room"]))),
    Column::new("stream", 2, |row| Field::text(streams(row))),
];
