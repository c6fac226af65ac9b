//! `chappe reload`: replaces every process of a node, or of all nodes one after the other, by one of the same or of
//! another program, with the settings as they are now. Each worker is emptied first; signaling comes last, and is back
//! before a client notices.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::admin::Admin;
use super::commands::Reload;
use super::entries::{Node, Worker};
use super::progress::Progress;
use super::{node, restart, scale, supervisor};
use crate::failure::{Failure, usage};

pub fn run(order: &Reload) -> Result<(), Failure> {
    let admin = Admin::of(&order.target)?;
    let nodes = if order.all { node::all(&admin)? } else { vec![node::named(&admin, order.node.as_deref())?] };
    if let Some(path) = &order.binary {
        // Those that are found here are asked themselves.
        if nodes.iter().any(|node| node.pid.is_none()) {
            return usage(
                "--binary is for the node that is asked: name its admin listener with --admin, without --node",
            );
        }
        supervisor::set_program(admin.base(), checked(path)?)?;
    }
    for node in &nodes {
        reload(&admin, node, order.deadline)?;
        println!("{} is reloaded", node.node);
    }
    Ok(())
}

fn reload(admin: &Admin, node: &Node, deadline: Duration) -> Result<(), Failure> {
    let name = node.node.as_str();
    read_settings(admin, name)?;
    let workers: Vec<Worker> = admin.get("/api/v1/workers")?;
    let workers: Vec<String> =
        workers.into_iter().filter(|worker| worker.node == name).map(|worker| worker.id).collect();
    // Where one is alone, its sessions need another place while it is replaced.
    let is_alone = workers.len() == 1;
    if is_alone {
        scale::to(admin, name, 2, deadline)?;
        scale::wait(admin, name, 2, deadline)?;
    }
    for id in &workers {
        restart::replace(admin, id, deadline)?;
    }
    if is_alone {
        scale::to(admin, name, 1, deadline)?;
        scale::wait(admin, name, 1, deadline)?;
    }
    replace_signaling(admin, node)
}

/// First of all, so that nothing is replaced where they are wrong.
fn read_settings(admin: &Admin, node: &str) -> Result<(), Failure> {
    let Some(read) = admin.post_if_known(&format!("/api/v1/nodes/{node}/settings"), &json!({}))? else {
        eprintln!("{node} keeps its settings: it is of an earlier version, and reads them when it is started anew");
        return Ok(());
    };
    let names = |list: &str| {
        let names = read.get(list).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        names.collect::<Vec<_>>().join(", ")
    };
    let (changed, fixed) = (names("changed"), names("fixed"));
    if !changed.is_empty() {
        println!("{node} takes up: {changed}");
    }
    if !fixed.is_empty() {
        println!("{node} takes up when it is started anew: {fixed} (workers: chappe scale)");
    }
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

fn replace_signaling(admin: &Admin, before: &Node) -> Result<(), Failure> {
    let node = before.node.as_str();
    admin.post(&format!("/api/v1/nodes/{node}/signaling/restart"), &json!({}))?;
    let mut progress = Progress::begin();
    let end = Instant::now() + SIGNALING_WITHIN;
    while Instant::now() < end {
        progress.tell(&format!("{node}: signaling is replaced"));
        // Between two processes nobody answers, and connections wait.
        let nodes: Vec<Node> = admin.get("/api/v1/nodes").unwrap_or_default();
        let now = nodes.iter().find(|other| other.node == node);
        if now.is_some_and(|now| now.started_ms != before.started_ms && now.state == before.state) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Err(Failure::Refused(format!("the next signaling process of {node} does not answer: `chappe logs` says why")))
}

const SIGNALING_WITHIN: Duration = Duration::from_secs(15);
