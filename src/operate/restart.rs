//! `chappe restart`: drains a worker, whose successor takes its place, and returns when that serves.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::admin::Admin;
use super::commands::Restart;
use super::entries::Worker;
use super::progress::Progress;
use super::{interrupt, node, units};
use crate::failure::Failure;
use crate::values;

pub fn run(order: &Restart) -> Result<(), Failure> {
    let admin = Admin::of(&order.target)?;
    let id = id(&admin, &order.worker)?;
    if order.no_wait {
        empty(&admin, &id, order.deadline)?;
        let deadline_ms = units::ms(order.deadline);
        let time = units::duration(deadline_ms);
        let sentence = format!("{id} is replaced when its sessions have left, after {time} at most");
        let object = json!({ "worker": id, "state": "draining", "deadline_ms": deadline_ms });
        return order.results.tell(&sentence, &object);
    }
    let (sentence, object) = replace(&admin, &id, order.deadline)?;
    order.results.tell(&sentence, &object)
}

/// Returns when the next process serves, with what there is to tell of it: a sentence, and the same as an object.
pub fn replace(admin: &Admin, id: &str, deadline: Duration) -> Result<(String, Value), Failure> {
    let before = empty(admin, id, deadline)?;
    let after = wait(admin, id, before.boot.as_deref(), deadline)?;
    let object = json!({ "worker": id, "pid": after.pid, "before": before.pid });
    let pid = |pid: Option<u32>| pid.map_or("none".to_owned(), |pid| pid.to_string());
    Ok((format!("{id} is replaced: pid {} instead of {}", pid(after.pid), pid(before.pid)), object))
}

/// The worker as it was before.
fn empty(admin: &Admin, id: &str, deadline: Duration) -> Result<Worker, Failure> {
    let missing = || Failure::Refused(format!("there is no worker {id}: `chappe ls` lists those that there are"));
    let before = worker(admin, id)?.ok_or_else(missing)?;
    let options = json!({ "deadline_ms": units::ms(deadline) });
    // While a node goes over to this version, its signaling of before knows the same by its other name.
    if admin.post_if_known(&format!("/api/v1/workers/{id}/restart"), &options)?.is_none() {
        admin.post(&format!("/api/v1/workers/{id}/drain"), &options)?;
    }
    Ok(before)
}

/// `NODE/INDEX` of what a person calls `1` or `node-a/1`.
fn id(admin: &Admin, text: &str) -> Result<String, Failure> {
    let (name, index) = match text.rsplit_once('/') {
        Some((name, index)) => (Some(name), index),
        None => (None, text),
    };
    if index.parse::<u16>().is_err() || name.is_some_and(|name| values::name(name).is_err()) {
        return Err(Failure::Usage(format!("--worker {text}: wants a number such as 0, or NODE/0")));
    }
    Ok(format!("{}/{index}", node::named(admin, name)?.node))
}

fn worker(admin: &Admin, id: &str) -> Result<Option<Worker>, Failure> {
    let workers: Vec<Worker> = admin.get("/api/v1/workers")?;
    Ok(workers.into_iter().find(|worker| worker.id == id))
}

fn wait(admin: &Admin, id: &str, boot: Option<&str>, deadline: Duration) -> Result<Worker, Failure> {
    let mut progress = Progress::begin();
    let end = Instant::now() + deadline;
    let mut seen = Instant::now();
    interrupt::watch();
    loop {
        let answer = worker(admin, id);
        interrupt::check(|| format!("{id} is replaced all the same: `chappe ls` shows when"))?;
        let now = answer?;
        if now.as_ref().is_some_and(|worker| worker.boot.as_deref() == boot && worker.state != "lost") {
            seen = Instant::now();
        }
        if seen.elapsed() > SUCCESSOR_WITHIN {
            return Err(Failure::Refused(format!(
                "{id} has ended, and no process stays in its place: `chappe logs` says why"
            )));
        }
        match &now {
            Some(worker) if worker.boot.as_deref() != boot && worker.state == "serving" => return Ok(worker.clone()),
            Some(worker) => {
                let left = end.saturating_duration_since(Instant::now());
                let time = units::duration(units::ms(left));
                progress
                    .tell(&format!("{id} {}: {} sessions left, {time} to the deadline", worker.state, worker.sessions));
            }
            None => progress.tell(&format!("{id} is away")),
        }
        if Instant::now() > end + AFTER_DEADLINE {
            return Err(Failure::Refused(format!(
                "{id} was not replaced within {} s after the deadline: `chappe ls` shows its state",
                AFTER_DEADLINE.as_secs()
            )));
        }
        std::thread::sleep(PAUSE);
    }
}

const PAUSE: Duration = Duration::from_millis(250);
/// For a successor to serve once the worker has ended: many attempts of its supervisor.
const SUCCESSOR_WITHIN: Duration = Duration::from_secs(10);
/// For the last sessions to end, and the next process to be in agreement with signaling.
const AFTER_DEADLINE: Duration = Duration::from_secs(15);
