//! `chappe drain`: empties a node, tells how many sessions are left, and returns when it has ended.

use std::time::{Duration, Instant};

use serde_json::json;

use super::admin::Admin;
use super::commands::Drain;
use super::entries::Node;
use super::progress::Progress;
use super::{interrupt, node, units};
use crate::failure::Failure;

pub fn run(order: &Drain) -> Result<(), Failure> {
    let admin = Admin::of(&order.target)?;
    let node = node::named(&admin, order.node.as_deref())?.node;
    let path = format!("/api/v1/nodes/{node}/drain");
    if order.cancel {
        admin.delete(&path)?;
        let object = json!({ "node": node, "state": "serving" });
        return order.results.tell(&format!("{node} takes sessions again"), &object);
    }
    let deadline_ms = units::ms(order.deadline);
    admin.post(&path, &json!({ "deadline_ms": deadline_ms }))?;
    if order.no_wait {
        let sentence = format!("{node} drains, for {} at most", units::duration(deadline_ms));
        let object = json!({ "node": node, "state": "draining", "deadline_ms": deadline_ms });
        return order.results.tell(&sentence, &object);
    }
    wait(&admin, &node, order.deadline)?;
    order.results.tell(&format!("{node} is drained and has ended"), &json!({ "node": node, "state": "ended" }))
}

fn wait(admin: &Admin, node: &str, deadline: Duration) -> Result<(), Failure> {
    let mut progress = Progress::begin();
    let end = Instant::now() + deadline;
    interrupt::watch();
    loop {
        let answer = admin.get("/api/v1/nodes");
        interrupt::check(|| {
            format!("{node} goes on draining, and ends then: `chappe drain {node} --cancel` takes it back")
        })?;
        let nodes: Vec<Node> = match answer {
            Ok(nodes) => nodes,
            // The node that was asked has ended, which was the purpose.
            Err(Failure::NotReached(_)) => return Ok(()),
            Err(failure) => return Err(failure),
        };
        let Some(draining) = nodes.iter().find(|other| other.node == node) else { return Ok(()) };
        if draining.state != "draining" {
            return Err(Failure::Refused(format!("{node} does not drain any more: the drain was cancelled")));
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() && Instant::now() > end + AFTER_DEADLINE {
            return Err(Failure::Refused(format!(
                "{node} still runs {} s after the deadline",
                AFTER_DEADLINE.as_secs()
            )));
        }
        let time = units::duration(units::ms(left));
        progress.tell(&format!("{node} drains: {} sessions left, {time} to the deadline", draining.sessions));
        std::thread::sleep(PAUSE);
    }
}

const PAUSE: Duration = Duration::from_millis(250);
/// What is left is ended within 2.5 s; others hear of it a moment later.
const AFTER_DEADLINE: Duration = Duration::from_secs(15);
