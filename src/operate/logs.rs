//! `chappe logs`: the newest lines of a node's processes, and with -f those to come.

use std::io::{self, BufRead as _, Write as _};

use super::admin::Admin;
use super::commands::Logs;
use crate::failure::Failure;

pub fn run(order: &Logs) -> Result<(), Failure> {
    let admin = Admin::of(&order.target)?;
    let of = order.worker.as_deref().map(source).transpose()?;
    let query = of.as_ref().map(|source| format!("of={source}&")).unwrap_or_default();
    let path = format!("/api/v1/log?{query}lines={}&follow={}", order.lines, order.follow);
    let mut out = io::stdout().lock();
    for line in admin.stream(&path)?.lines() {
        let Ok(line) = line else { break };
        let (source, text) = line.split_once(' ').unwrap_or(("", &line));
        // A pager that was closed early ends it, and is no failure.
        if writeln!(out, "{source:<10} | {text}").and_then(|()| out.flush()).is_err() {
            return Ok(());
        }
    }
    if order.follow {
        return Err(Failure::NotReached(format!(
            "{} answers no more: the node has ended, or its signaling",
            admin.base()
        )));
    }
    Ok(())
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
