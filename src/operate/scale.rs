//! `chappe scale`: more workers take load at once; fewer are emptied first. Returns when the node has as many as it
//! should.

use std::time::{Duration, Instant};

use serde_json::json;

use super::admin::Admin;
use super::commands::Scale;
use super::entries::Worker;
use super::progress::Progress;
use super::{interrupt, node, units};
use crate::failure::Failure;

pub fn run(order: &Scale) -> Result<(), Failure> {
    let admin = Admin::of(&order.target)?;
    let node = node::named(&admin, order.node.as_deref())?.node;
    let before = to(&admin, &node, order.workers, order.deadline)?;
    if order.no_wait {
        let sentence = format!("{node} is to have workers: {} (had {before})", order.workers);
        let object = json!({ "node": node, "workers_wanted": order.workers, "before": before });
        return order.results.tell(&sentence, &object);
    }
    wait(&admin, &node, order.workers, order.deadline)?;
    let sentence = format!("{node} has workers: {} (had {before})", order.workers);
    order.results.tell(&sentence, &json!({ "node": node, "workers": order.workers, "before": before }))
}

/// How many there were.
pub fn to(admin: &Admin, node: &str, workers: u16, deadline: Duration) -> Result<u64, Failure> {
    let body = json!({ "workers": workers, "deadline_ms": units::ms(deadline) });
    let answer = admin.post(&format!("/api/v1/nodes/{node}/scale"), &body)?;
    Ok(answer.get("before").and_then(serde_json::Value::as_u64).unwrap_or_default())
}

pub fn wait(admin: &Admin, node: &str, wanted: u16, deadline: Duration) -> Result<(), Failure> {
    let mut progress = Progress::begin();
    let (begin, end) = (Instant::now(), Instant::now() + deadline);
    interrupt::watch();
    loop {
        let answer = admin.get("/api/v1/workers");
        interrupt::check(|| format!("{node} is to have workers: {wanted}; `chappe ls` shows when it has them"))?;
        let workers: Vec<Worker> = answer?;
        let own: Vec<&Worker> = workers.iter().filter(|worker| worker.node == node).collect();
        let (stay, leave): (Vec<&Worker>, Vec<&Worker>) = own.into_iter().partition(|worker| worker.index < wanted);
        let serve = stay.iter().filter(|worker| worker.state == "serving").count();
        if leave.is_empty() && serve == usize::from(wanted) {
            return Ok(());
        }
        let sessions: u32 = leave.iter().map(|worker| worker.sessions).sum();
        let left = units::duration(units::ms(end.saturating_duration_since(Instant::now())));
        progress.tell(&match leave.len() {
            0 => format!("{node}: {serve} of {wanted} workers serve"),
            count => format!("{node}: workers that leave: {count}, sessions left: {sessions}, {left} to the deadline"),
        });
        if leave.is_empty() && begin.elapsed() > SERVES_WITHIN {
            return Err(Failure::Refused(format!(
                "{serve} of the {wanted} workers of {node} serve, and the others do not start: `chappe logs` says why"
            )));
        }
        if Instant::now() > end + AFTER_DEADLINE {
            return Err(Failure::Refused(format!(
                "{node} has not {wanted} workers {} s after the deadline: `chappe ls` and `chappe logs` say why",
                AFTER_DEADLINE.as_secs()
            )));
        }
        std::thread::sleep(PAUSE);
    }
}

const PAUSE: Duration = Duration::from_millis(250);
/// For workers to start, where none has to leave before.
const SERVES_WITHIN: Duration = Duration::from_secs(10);
const AFTER_DEADLINE: Duration = Duration::from_secs(20);
