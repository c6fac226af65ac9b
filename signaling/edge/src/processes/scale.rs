//! Owns how the number of workers of this node is changed: those that go are emptied first. The supervisor starts and
//! ends processes, and the service moves what is on them.

use std::sync::Arc;

use chappe_sfu_api::WorkerIndex;
use chappe_signaling_service::Service;
use chappe_supervisor_api::{
    ProcessName, ProcessState, ProcessStatus, SupervisorReply, SupervisorRequest, WORKERS_MAX,
};

use crate::supervisor::{Supervisor, SupervisorError};

/// The node is to have `wanted` workers; how many it had that stay. Those beyond the last are emptied until the
/// deadline, and their places are given up. Those on their way out that are wanted after all stay.
pub async fn scale(
    service: &Arc<Service>,
    supervisor: &Supervisor,
    wanted: u16,
    deadline_ms: u64,
) -> Result<usize, SupervisorError> {
    let refused = |why: String| Err(SupervisorError::Refused(why));
    if wanted == 0 {
        return refused("a node keeps one worker at least: `chappe drain` ends the node".to_owned());
    }
    if wanted > WORKERS_MAX {
        return refused(format!("a node has at most {WORKERS_MAX} workers"));
    }
    let workers = workers(supervisor).await?;
    let before = workers.iter().filter(|(_, status)| status.state != ProcessState::Leaving).count();
    for (worker, status) in workers.iter().rev().filter(|(worker, _)| *worker >= wanted) {
        if status.state != ProcessState::Leaving {
            // In this order: whoever is empty at once must not be replaced.
            let within_ms = deadline_ms.saturating_add(ENDING_MS);
            supervisor.ask(&SupervisorRequest::Remove { worker: *worker, within_ms }).await?;
            service.drain_worker(WorkerIndex(*worker), deadline_ms);
        }
    }
    for (worker, status) in workers.iter().filter(|(worker, _)| *worker < wanted) {
        if status.state == ProcessState::Leaving {
            supervisor.ask(&SupervisorRequest::Keep { worker: *worker }).await?;
            service.cancel_worker_drain(WorkerIndex(*worker));
        }
    }
    for _ in workers.len()..usize::from(wanted) {
        supervisor.ask(&SupervisorRequest::Add).await?;
    }
    Ok(before)
}

async fn workers(supervisor: &Supervisor) -> Result<Vec<(u16, ProcessStatus)>, SupervisorError> {
    let replies = supervisor.ask(&SupervisorRequest::Processes { follow: false }).await?.into_iter();
    let worker = |reply| match reply {
        SupervisorReply::Process(status) => match status.name {
            ProcessName::Worker(index) => Some((index, status)),
            ProcessName::Signaling => None,
        },
        SupervisorReply::Log(..)
        | SupervisorReply::Added(_)
        | SupervisorReply::Settings { .. }
        | SupervisorReply::ProgramBefore(_)
        | SupervisorReply::Ok
        | SupervisorReply::Error(_) => None,
    };
    Ok(replies.filter_map(worker).collect())
}

/// A worker that drains ends by itself soon after its deadline.
const ENDING_MS: u64 = 5_000;
