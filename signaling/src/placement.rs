//! Owns the choice of a worker for a new session. Pure: the random choices come in.

use chappe_sfu_api::WorkerIndex;

use crate::workers::{WorkerState, WorkerView};

/// Until streams are relayed between workers, all sessions of a room share one; an empty room goes to the
/// better of two workers drawn at random, which spreads a rush of new rooms better than the least loaded
/// worker of a report that is a second old. None: nothing takes a session now.
pub fn choose_worker(
    workers: &[WorkerView],
    room: Option<WorkerIndex>,
    draw: &mut dyn FnMut(usize) -> usize,
) -> Option<WorkerIndex> {
    if let Some(room) = room {
        return workers.iter().find(|worker| worker.index == room && takes_sessions(worker)).map(|worker| worker.index);
    }
    let able: Vec<&WorkerView> = workers.iter().filter(|worker| takes_sessions(worker)).collect();
    let mut pick = || able.get(draw(able.len().max(1))).copied();
    let (first, second) = (pick()?, pick()?);
    let better = if pressure(second) < pressure(first) { second } else { first };
    Some(better.index)
}

/// Serving, not leaving, and with room for one more.
fn takes_sessions(worker: &WorkerView) -> bool {
    worker.state == WorkerState::Serving && worker.sessions() < worker.sessions_max()
}

/// How full a worker is: processor and sessions, whichever is scarcer, 0 to 1. Sessions opened since the
/// last report count at once.
fn pressure(worker: &WorkerView) -> f64 {
    let sessions = f64::from(worker.sessions()) / f64::from(worker.sessions_max().max(1));
    let opened = f64::from(worker.opened_since_report) * CPU_PER_SESSION;
    (worker.load.cpu + opened).max(sessions)
}

/// Guess of what a session costs before it shows in a report, as a share of one core.
const CPU_PER_SESSION: f64 = 0.005;

#[cfg(test)]
mod tests;
