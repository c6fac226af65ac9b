//! Owns leaving in order: a node that drains takes nothing new, moves what can be moved, waits for the rest until a
//! deadline, and then ends. It can change its mind until then.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use chappe_sfu_api::{Command, SessionId, WorkerIndex};
use chappe_signaling_rooms::{LostReason, SessionNotice};
use tracing::info;

use crate::clock::unix_ms;
use crate::drain::moves::Leaving;
use crate::service::{Exit, Service};
use crate::state::{Drain, ServiceState};
use crate::workers::view::{WorkerState, WorkerView};

impl Service {
    /// Again while it drains already: only the deadline changes.
    pub fn start_drain(self: &Arc<Self>, deadline_ms: u64) {
        let now = Instant::now();
        let deadline_ms = deadline_ms.min(DRAIN_MS_MAX);
        {
            let file = self.drain_file.turn();
            file.write(unix_ms().saturating_add(deadline_ms));
            self.set_drain(&mut self.state(), now, deadline_ms);
        }
        self.publish_presence();
        self.handle_drain_tick(now);
    }

    /// The process before this one was told to drain and died before it was done: the drain goes on, with its deadline.
    pub fn resume_drain(&self) {
        if let Some(until_ms) = self.drain_file.read() {
            let deadline_ms = until_ms.saturating_sub(unix_ms()).min(DRAIN_MS_MAX);
            self.set_drain(&mut self.state(), Instant::now(), deadline_ms);
        }
    }

    fn set_drain(&self, state: &mut ServiceState, now: Instant, deadline_ms: u64) {
        let deadline = now + Duration::from_millis(deadline_ms);
        if let Some(drain) = &mut state.drain {
            drain.deadline = deadline;
            return;
        }
        info!(deadline_ms, sessions = state.registry.session_count(), "this node drains");
        state.drain = Some(Drain { since: now, deadline, ends_per_tick: None });
        self.view_own(state);
        // Those who get streams through us, first: they have to be served until they have another way.
        for index in 0..state.workers.len() {
            let worker = WorkerIndex(u16::try_from(index).unwrap_or(u16::MAX));
            self.send_plain(worker, Command::ReleaseRelays);
        }
    }

    pub fn cancel_drain(&self) -> bool {
        let was_draining = {
            let file = self.drain_file.turn();
            file.remove();
            let mut state = self.state();
            let was_draining = state.drain.take().is_some();
            self.view_own(&mut state);
            was_draining
        };
        if was_draining {
            info!("the drain is cancelled: this node takes sessions again");
            self.publish_presence();
        }
        was_draining
    }

    /// Pages are asked to move, again and again until they have; the last one out ends the node.
    pub(crate) fn handle_drain_tick(self: &Arc<Self>, now: Instant) {
        if !self.end_what_is_due(now) {
            self.ask_to_move(now);
        }
    }

    /// False while the deadline lies ahead, or nothing drains.
    fn end_what_is_due(self: &Arc<Self>, now: Instant) -> bool {
        let mut state = self.state();
        let Some(drain) = state.drain else { return false };
        let left = state.registry.session_count();
        // A worker that has not told its sessions yet may have some: it gets the time up to the deadline.
        let is_empty = left == 0 && state.workers.iter().all(|view| view.hello.is_some());
        if is_empty && now >= drain.since + LEAVE_AFTER || now >= drain.deadline + END_WITHIN {
            info!(sessions = left, "drained: this node ends");
            self.end(Exit::Drained);
            return true;
        }
        if now >= drain.deadline {
            self.end_some(&mut state, left);
            return true;
        }
        false
    }

    /// The deadline is over. Who still stays is sent away part by part: clients come back at once, and all of them in
    /// the same moment would keep the nodes that take them from what they already serve.
    fn end_some(self: &Arc<Self>, state: &mut ServiceState, left: usize) {
        let Some(drain) = state.drain.as_mut() else { return };
        let some = *drain.ends_per_tick.get_or_insert_with(|| {
            info!(sessions = left, "the deadline of the drain is over: sessions that are left are ended");
            left.div_ceil(ENDING_TICKS)
        });
        let ending: Vec<_> = state.registry.sessions().map(|session| session.id).take(some).collect();
        self.in_turns(state, ending, |registry, session| registry.end(session, Some(LostReason::Ended)));
    }

    /// Those whose node or worker drains, as far as their pages can be asked.
    fn ask_to_move(self: &Arc<Self>, now: Instant) {
        let leaving = self.leaving();
        let asked = self.moves.lock().unwrap_or_else(PoisonError::into_inner).decide(now, &leaving);
        if !asked.is_empty() {
            self.in_turns(&mut self.state(), asked, |registry, id| {
                let owner = registry.session(id).and_then(|session| session.note.owner.as_ref());
                owner.map(|owner| registry.tell(owner, SessionNotice::Move(id))).into_iter().collect()
            });
        }
    }

    /// Looked up in turns of the lock, and judged outside it: there may be thousands.
    fn leaving(&self) -> Vec<Leaving> {
        let (workers, pages): (BTreeSet<WorkerIndex>, Vec<SessionId>) = {
            let state = self.state();
            let drains = |view: &&WorkerView| state.drain.is_some() || view.state == WorkerState::Draining;
            let workers: BTreeSet<WorkerIndex> = state.workers.iter().filter(drains).map(|view| view.index).collect();
            let pages = if workers.is_empty() { Vec::new() } else { state.registry.page_sessions().collect() };
            (workers, pages)
        };
        let leaving = |state: &ServiceState, id: &SessionId| {
            let session = state.registry.session(*id).filter(|session| workers.contains(&session.worker))?;
            Some(Leaving { session: *id, publishes: session.publishes() })
        };
        let some = |ids: &[SessionId]| {
            let state = self.state();
            ids.iter().filter_map(|id| leaving(&state, id)).collect::<Vec<_>>()
        };
        pages.chunks(LOOKED_UP_PER_TURN).flat_map(some).collect()
    }

    /// One worker leaves and is replaced. False when there is no such worker.
    pub fn drain_worker(self: &Arc<Self>, worker: WorkerIndex, deadline_ms: u64) -> bool {
        let mut state = self.state();
        let Some(view) = state.worker_mut(worker).filter(|view| view.is_there()) else {
            return false;
        };
        view.state = WorkerState::Draining;
        self.view_own(&mut state);
        info!(worker = worker.0, deadline_ms, "a worker drains");
        self.send_plain(worker, Command::Drain { deadline_ms });
        drop(state);
        self.ask_to_move(Instant::now());
        true
    }

    pub fn cancel_worker_drain(&self, worker: WorkerIndex) -> bool {
        let is_there = self.state().worker(worker).is_some_and(|view| view.is_there());
        if is_there {
            self.send_plain(worker, Command::CancelDrain);
        }
        is_there
    }
}

/// Longer deadlines are cut to it.
const DRAIN_MS_MAX: u64 = 24 * 3_600_000;
/// From the deadline on, sessions that are left are ended within so many ticks of 250 ms.
const ENDING_TICKS: usize = 8;
/// After the deadline the node ends whatever is left.
const END_WITHIN: Duration = Duration::from_millis(2500);
/// Each takes a fraction of a microsecond.
const LOOKED_UP_PER_TURN: usize = 256;
/// Others learn within this that nothing is to be sent here any more.
const LEAVE_AFTER: Duration = Duration::from_millis(500);
