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
use super::results::StepResults;
use super::{interrupt, node, restart, scale, supervisor};
use crate::failure::{Failure, usage};
use crate::output;

pub fn run(order: &Reload) -> Result<(), Failure> {
    let binary = order.binary.as_deref().map(checked).transpose()?;
    let admin = Admin::of(&order.target)?;
    let nodes = if order.all { node::all(&admin)? } else { vec![node::named(&admin, order.node.as_deref())?] };
    // With its last session it ends, and a reload has these leave.
    if let Some(Node { node, .. }) = nodes.iter().find(|node| node.state == "draining") {
        return Err(Failure::Refused(format!(
            "{node} drains, and ends then: `chappe drain {node} --cancel` comes first"
        )));
    }
    let mut before = None;
    interrupt::watch();
    if let Some(binary) = binary {
        // Those that are found here are asked themselves.
        if nodes.iter().any(|node| node.pid.is_none()) {
            return usage(
                "--binary is for the node that is asked: name its admin listener with --admin, without --node",
            );
        }
        before = supervisor::set_program(admin.base(), binary)?;
    }
    let mut results = StepResults::of(order.results);
    for node in &nodes {
        reload(&admin, node, order, before.take(), &mut results)?;
        let name = &node.node;
        results.tell(&format!("{name} is reloaded"), &json!({ "node": name, "reloaded": true }));
    }
    results.end()
}

/// With settings that are wrong, a worker that has no successor, or at Ctrl-C, it ends there, and the program is `before`
/// again, so that the node becomes whole. Settings that were told as taken up hold all the same.
fn reload(
    admin: &Admin,
    node: &Node,
    order: &Reload,
    before: Option<PathBuf>,
    results: &mut StepResults,
) -> Result<(), Failure> {
    let name = node.node.as_str();
    let taken_up = read_settings(admin, name, results);
    let replaced = taken_up.as_ref().map_or(Ok(()), |_| replace_workers(admin, name, order.deadline, results));
    if let Some(before) = before.filter(|_| taken_up.is_err() || replaced.is_err()) {
        supervisor::set_program(admin.base(), before)?;
        output::note(format_args!("{name} starts its processes from the program before again"));
    }
    let is_for_signaling = taken_up?;
    if replaced.is_ok() || is_for_signaling {
        replace_signaling(admin, node)?;
    }
    replaced.map_err(|failure| match failure {
        Failure::Interrupted(_) => Failure::Interrupted(format!(
            "{name} is reloaded no further; a worker that drains already is replaced: `chappe ls` shows when"
        )),
        other => other,
    })
}

fn replace_workers(admin: &Admin, node: &str, deadline: Duration, results: &mut StepResults) -> Result<(), Failure> {
    let workers: Vec<Worker> = admin.get("/api/v1/workers")?;
    let workers: Vec<String> =
        workers.into_iter().filter(|worker| worker.node == node).map(|worker| worker.id).collect();
    if workers.len() != 1 {
        return replace_each(admin, &workers, deadline, results);
    }
    // One that is alone needs another place for its sessions while it is replaced. That goes in any case.
    scale::to(admin, node, 2, deadline)?;
    let replaced = scale::wait(admin, node, 2, deadline);
    let replaced = replaced.and_then(|()| replace_each(admin, &workers, deadline, results));
    scale::to(admin, node, 1, deadline)?;
    replaced?;
    scale::wait(admin, node, 1, deadline)
}

fn replace_each(
    admin: &Admin,
    workers: &[String],
    deadline: Duration,
    results: &mut StepResults,
) -> Result<(), Failure> {
    for id in workers {
        let (sentence, object) = restart::replace(admin, id, deadline)?;
        results.tell(&sentence, &object);
    }
    Ok(())
}

/// First of all, so that nothing is replaced where they are wrong. Returns whether signaling has to be replaced for them.
fn read_settings(admin: &Admin, node: &str, results: &mut StepResults) -> Result<bool, Failure> {
    let Some(read) = admin.post_if_known(&format!("/api/v1/nodes/{node}/settings"), &json!({}))? else {
        output::note(format_args!(
            "{node} keeps its settings: it is of an earlier version, and reads them when it is started anew"
        ));
        return Ok(false);
    };
    let names = |list: &str| -> Vec<&str> {
        read.get(list).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    };
    let (changed, fixed) = (names("changed"), names("fixed"));
    if !changed.is_empty() {
        let sentence = format!("{node} takes up: {}", changed.join(", "));
        results.tell(&sentence, &json!({ "node": node, "takes_up": changed }));
    }
    if !fixed.is_empty() {
        let sentence = format!("{node} takes up when it is started anew: {} (workers: chappe scale)", fixed.join(", "));
        results.tell(&sentence, &json!({ "node": node, "takes_up_when_started_anew": fixed }));
    }
    // Those have it already that it concerns.
    Ok(changed.iter().any(|name| !TAKEN_UP_AT_ONCE.contains(name)))
}

/// The absolute path of a program that says it is one of ours: better found out here than by a node that can't start
/// its workers.
fn checked(path: &Path) -> Result<PathBuf, Failure> {
    let wrong = |why: String| Failure::Usage(format!("--binary {}: {why}; name the program itself", path.display()));
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
    interrupt::watch();
    while Instant::now() < end {
        progress.tell(&format!("{node}: signaling is replaced"));
        // Between two processes nobody answers, and connections wait.
        let nodes: Vec<Node> = admin.get("/api/v1/nodes").unwrap_or_default();
        interrupt::check(|| format!("signaling of {node} is replaced all the same"))?;
        let now = nodes.iter().find(|other| other.node == node);
        if now.is_some_and(|now| now.started_ms != before.started_ms && now.state == before.state) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Err(Failure::Refused(format!("the next signaling process of {node} does not answer: `chappe logs` says why")))
}

const TAKEN_UP_AT_ONCE: [&str; 4] = ["log-filter", "log-file", "log-file-size", "log-files"];
const SIGNALING_WITHIN: Duration = Duration::from_secs(15);
