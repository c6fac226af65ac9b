//! Does what operators ask over the command channel: more workers, fewer, another process in a place, another program,
//! other settings.
//! Never reads from the network: signaling asks in the name of those who may.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chappe_supervisor_api::{
    ProcessName, ProcessState, ProcessStatus, SupervisorReply, SupervisorRequest, WORKERS_MAX,
};
use tracing::info;

use crate::channel::ClientKey;
use crate::node_sockets::NodeSockets;
use crate::plan::NodePlan;
use crate::renew::Settings;
use crate::supervise::Supervisor;

pub fn answer(
    plan: &mut NodePlan,
    settings: &mut Settings<'_>,
    sockets: &mut NodeSockets,
    supervisor: &mut Supervisor,
    client: ClientKey,
    request: SupervisorRequest,
) {
    let done = match request {
        SupervisorRequest::Processes { follow } => return supervisor.tell_processes(client, follow),
        SupervisorRequest::Log { of, lines, follow } => return supervisor.send_log(client, of, lines, follow),
        SupervisorRequest::Add => match add(plan, sockets, supervisor) {
            Ok(index) => {
                supervisor.reply(client, &SupervisorReply::Added(index));
                Ok(())
            }
            Err(why) => Err(why),
        },
        SupervisorRequest::Remove { worker, within_ms } => remove(supervisor, worker, within_ms),
        SupervisorRequest::Keep { worker } => match supervisor.stay(ProcessName::Worker(worker)) {
            true => Ok(()),
            false => Err(format!("worker-{worker} has been ended already")),
        },
        SupervisorRequest::Restart { name } => match supervisor.restart(name) {
            true => Ok(()),
            false => Err(format!("{name} is not there, or leaves")),
        },
        SupervisorRequest::ReadSettings => {
            settings.answer(plan, sockets, supervisor).map(|reply| supervisor.reply(client, &reply))
        }
        SupervisorRequest::Program { path } => set_program(sockets, supervisor, path)
            .map(|before| supervisor.reply(client, &SupervisorReply::ProgramBefore(before))),
    };
    supervisor.reply(client, &done.map_or_else(SupervisorReply::Error, |()| SupervisorReply::Ok));
}

/// The place of a worker that has left: its ports are free again, and the next signaling process hears of fewer.
pub fn give_up(plan: &NodePlan, sockets: &mut NodeSockets, supervisor: &mut Supervisor, worker: u16) {
    sockets.remove_worker(worker);
    refresh_signaling(plan, sockets, supervisor);
}

fn add(plan: &NodePlan, sockets: &mut NodeSockets, supervisor: &mut Supervisor) -> Result<u16, String> {
    if !plan.role.has_workers() {
        return Err("this node was started without workers (chappe signaling)".to_owned());
    }
    let workers = workers(supervisor);
    if workers.len() >= usize::from(WORKERS_MAX) {
        return Err(format!("a node has at most {WORKERS_MAX} workers"));
    }
    if let Some(leaving) = workers.iter().find(|worker| worker.state == ProcessState::Leaving) {
        return Err(format!("{} is leaving: keep it, or wait until it has left", leaving.name));
    }
    let index = sockets.add_worker(plan).map_err(|error| error.to_string())?;
    if let Some(spec) = sockets.worker_spec(plan, index) {
        supervisor.add(spec);
    }
    refresh_signaling(plan, sockets, supervisor);
    info!(worker = index, "a worker is added");
    Ok(index)
}

/// Only from the end, so that the workers of a node are always those from 0 to the last.
fn remove(supervisor: &mut Supervisor, worker: u16, within_ms: u64) -> Result<(), String> {
    let name = ProcessName::Worker(worker);
    let workers = workers(supervisor);
    if !workers.iter().any(|other| other.name == name) {
        return Err(format!("{name} is not there"));
    }
    if worker == 0 {
        return Err("one worker stays: drain the node to stop it".to_owned());
    }
    if workers.iter().any(|other| other.name > name && other.state != ProcessState::Leaving) {
        return Err(format!("{name} is not the last worker"));
    }
    supervisor.leave(name, Duration::from_millis(within_ms.min(WITHIN_MS_MAX)));
    info!(worker, within_ms, "a worker leaves");
    Ok(())
}

/// The program before.
fn set_program(sockets: &mut NodeSockets, supervisor: &mut Supervisor, path: PathBuf) -> Result<PathBuf, String> {
    check_program(&path)?;
    let before = sockets.program().to_owned();
    info!(program = %path.display(), was = %before.display(), "processes are started from another file");
    supervisor.change_specs(|spec| spec.program.clone_from(&path));
    sockets.set_program(path);
    Ok(before)
}

fn check_program(path: &Path) -> Result<(), String> {
    let metadata = fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
    if metadata.is_file() && metadata.permissions().mode() & 0o111 != 0 {
        return Ok(());
    }
    Err(format!("{} is no program that can be started", path.display()))
}

/// The next signaling process begins with the workers that there are then.
fn refresh_signaling(plan: &NodePlan, sockets: &NodeSockets, supervisor: &mut Supervisor) {
    let fresh = sockets.signaling_spec(plan);
    supervisor.change_specs(|spec| {
        if spec.name == fresh.name {
            spec.clone_from(&fresh);
        }
    });
}

fn workers(supervisor: &Supervisor) -> Vec<ProcessStatus> {
    let statuses = supervisor.statuses().into_iter();
    statuses.filter(|status| status.name != ProcessName::Signaling).collect()
}

/// A day, like the longest drain.
const WITHIN_MS_MAX: u64 = 24 * 3_600_000;
