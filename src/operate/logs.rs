//! `chappe logs`: the newest lines of a node's processes, and with -f those to come.

use std::io::BufRead as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::admin::Admin;
use super::commands::Logs;
use super::{node, units};
use crate::failure::Failure;
use crate::output;

pub fn run(order: &Logs) -> Result<(), Failure> {
    let admin = Admin::of(&order.target)?;
    let of = order.worker.as_deref().map(source).transpose()?;
    let query = of.as_ref().map(|source| format!("of={source}&")).unwrap_or_default();
    let node = node::named(&admin, order.node.as_deref())?.node;
    // Of several it is said whose line it is.
    let whose = match order.node.is_some() || node::all(&admin)?.len() > 1 {
        true => format!("{node}/"),
        false => String::new(),
    };
    let at = order.node.as_ref().map(|_| format!("node={node}&")).unwrap_or_default();
    let path = format!("/api/v1/log?{at}{query}lines={}&follow={}", order.lines, order.follow);
    let begin = order.since.map(first_second);
    if order.follow {
        output::end_with_reader();
    }
    let mut is_empty = true;
    for line in admin.stream(&path)?.lines() {
        let Ok(line) = line else { break };
        if let Some(why) = line.strip_prefix(ENDED) {
            return Err(Failure::Refused(format!("{node} tells no more of its log: {why}")));
        }
        is_empty = false;
        if begin.as_ref().is_some_and(|begin| is_before(&line, begin)) {
            continue;
        }
        let (source, text) = line.split_once(' ').unwrap_or(("", &line));
        match order.json {
            true => output::line(as_json(&node, source, text))?,
            false => output::line(format_args!("{whose}{source:<10} | {text}"))?,
        }
    }
    // A worker that is not there has no lines, and one that is has some.
    if let Some(source) = of.filter(|_| is_empty && !order.follow && order.lines > 0) {
        return Err(Failure::Refused(format!("{node} keeps no lines of {source}: `chappe ls` lists its workers")));
    }
    if order.follow {
        return Err(Failure::NotReached(format!("{node} answers no more: the node has ended, or its signaling")));
    }
    Ok(())
}

/// A line of a JSON log is the object that it is.
fn as_json(node: &str, source: &str, text: &str) -> String {
    let line = serde_json::from_str(text).ok().filter(Value::is_object);
    json!({ "node": node, "process": source, "line": line.unwrap_or_else(|| text.into()) }).to_string()
}

/// As times stand in the log, which are UTC, to the second.
fn first_second(ago: Duration) -> String {
    let then = SystemTime::now().checked_sub(ago).unwrap_or(UNIX_EPOCH);
    units::utc(then.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}

/// A line without a time belongs to the one before it, and is printed.
fn is_before(line: &str, begin: &str) -> bool {
    let time =
        line.split([' ', '"']).find(|word| word.len() > begin.len() && word.ends_with('Z') && word.contains('T'));
    time.is_some_and(|time| time < begin)
}

/// `worker-1` of what a person calls `1`; signaling and the supervisor by their names.
fn source(text: &str) -> Result<String, Failure> {
    let index = text.strip_prefix("worker-").unwrap_or(text);
    match text {
        "signaling" | "supervisor" => Ok(text.to_owned()),
        _ if index.parse::<u16>().is_ok() => Ok(format!("worker-{index}")),
        _ => Err(Failure::Usage(format!("--worker {text}: wants a number such as 0, or signaling, or supervisor"))),
    }
}

/// Before the reason for which the node ends it, where lines have the process that they are of.
const ENDED: &str = "ended ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_as_json_is_an_object_whatever_the_log_looks_like() {
        let text = as_json("a", "worker-0", "2026 INFO \"up\"");
        assert_eq!(text, r#"{"line":"2026 INFO \"up\"","node":"a","process":"worker-0"}"#);
        let text = as_json("a", "signaling", r#"{"level":"INFO"}"#);
        assert_eq!(text, r#"{"line":{"level":"INFO"},"node":"a","process":"signaling"}"#);
    }

    #[test]
    fn lines_before_a_time_are_told_apart_in_both_forms_of_the_log() {
        let begin = units::utc(1_795_961_696);
        assert_eq!(begin, "2026-11-29T14:14:56");
        let lines = [
            ("worker-0 2026-11-29T14:14:55.999999Z  INFO a", true),
            ("worker-0 2026-11-29T14:14:56.000001Z  INFO a", false),
            ("worker-0 {\"timestamp\":\"2026-11-29T14:14:55.9Z\",\"level\":\"INFO\"}", true),
            ("worker-0 {\"timestamp\":\"2026-11-29T14:15:00.9Z\",\"level\":\"INFO\"}", false),
            ("worker-0   a line without a time", false),
        ];
        for (line, expected) in lines {
            assert_eq!(is_before(line, &begin), expected, "{line}");
        }
    }
}
