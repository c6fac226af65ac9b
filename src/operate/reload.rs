//! `chappe reload`: replaces every process of a node by one of the same or of another program, one after the other.
//! Each worker is emptied first; signaling comes last, and is back before a client notices.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use super::admin::Admin;
use super::commands::Reload;
use super::drain::asked;
use super::entries::{Node, Worker};
use super::progress::Progress;
use super::{restart, scale, supervisor};
use crate::failure::Failure;

pub fn run(order: &Reload) -> Result<(), Failure> {
    let admin = Admin::of(&order.target)?;
    let node = asked(&admin)?;
    if let Some(path) = &order.binary {
        supervisor::set_program(admin.base(), checked(path)?)?;
    }
    let workers: Vec<Worker> = admin.get("/api/v1/workers")?;
    let workers: Vec<String> =
        workers.into_iter().filter(|worker| worker.node == node).map(|worker| worker.id).collect();
    // Where one is alone, its sessions need another place while it is replaced.
    let is_alone = workers.len() == 1;
    if is_alone {
        scale::to(&admin, &node, 2, order.deadline)?;
        scale::wait(&admin, &node, 2, order.deadline)?;
    }
    for id in &workers {
        restart::replace(&admin, id, order.deadline)?;
    }
    if is_alone {
        scale::to(&admin, &node, 1, order.deadline)?;
        scale::wait(&admin, &node, 1, order.deadline)?;
    }
    replace_signaling(&admin, &node)?;
    println!("{node} is reloaded");
    Ok(())
}

/// The absolute path of a program that says it is one of ours: better found out here than by a node that can't start
/// its workers.
fn checked(path: &Path) -> Result<PathBuf, Failure> {
    let wrong = |why: String| Failure::Usage(format!("--binary {}: {why}", path.display()));
    let path = path.canonicalize().map_err(|error| wrong(error.to_string()))?;
    let output = Command::new(&path).arg("--version").output().map_err(|error| wrong(error.to_string()))?;
    let version = String::from_utf8_lossy(&output.stdout);
    if output.status.success() && version.starts_with("chappe ") {
        return Ok(path);
    }
    Err(wrong("is no Chappe: `PATH --version` says something else".to_owned()))
}

fn replace_signaling(admin: &Admin, node: &str) -> Result<(), Failure> {
    let before = admin.post(&format!("/api/v1/nodes/{node}/signaling/restart"), &json!({}))?;
    let before = before.get("pid").and_then(serde_json::Value::as_u64);
    let mut progress = Progress::begin();
    let end = Instant::now() + SIGNALING_WITHIN;
    while Instant::now() < end {
        progress.tell(&format!("{node}: signaling is replaced"));
        // Between two processes nobody answers, and connections wait.
        let nodes: Vec<Node> = admin.get("/api/v1/nodes").unwrap_or_default();
        let pid = nodes.iter().find(|other| other.node == node).and_then(|own| own.pid);
        if pid.is_some_and(|pid| Some(u64::from(pid)) != before) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Err(Failure::Refused(format!("the next signaling process of {node} does not answer: `chappe logs` says why")))
}

const SIGNALING_WITHIN: Duration = Duration::from_secs(15);
