//! Owns watching: from an offer to slots that show what is live.

use std::sync::Arc;

use chappe_cluster::WorkerRef;
use chappe_sfu_api::{Hello, WorkerIndex};
use chappe_signaling_access::Action;
use chappe_signaling_rooms::{
    Attempt, NOTE_VERSION, Note, Phase, Role, RoomName, Session, Showing, Slot, SlotState, slot_states,
};
use chappe_signaling_sdp::{self as sdp, SlotSource};
use chappe_signaling_traces::{Kind, step};

use crate::callers::caller::Caller;
use crate::clock::unix_ms;
use crate::cluster::message::NodeRequest;
use crate::refusal::Refusal;
use crate::request::{Answered, WatchRequest, Watched, check_slots};
use crate::service::Service;
use crate::sessions::admission::{QueueKey, Verdict};
use crate::sessions::place::{Avoid, Purpose, note_place, random_credentials, reached_at, verdict};
use crate::sessions::publish::{FIRST_EPOCH, PLACES_TRIED_MAX};
use crate::state::ServiceState;

impl Service {
    pub async fn watch(self: &Arc<Self>, mut request: WatchRequest) -> Result<Answered, Refusal> {
        self.wait_settled().await;
        let member = request.owner.as_ref().map(|owner| owner.member);
        let slots = request.slots.of(&request.offer);
        check_slots(&slots)?;
        self.check_watch(request.caller.as_ref(), &request.room, &slots)?;
        let mut avoid = Avoid::new(request.instead_of);
        // What the last one said whom nobody is left to take the place of.
        let mut told = Refusal::NoWorker;
        for _ in 0..PLACES_TRIED_MAX {
            let queue = QueueKey { room: request.room.clone(), publishes: false };
            let decide = || self.decide_watch(&request, &slots, &avoid);
            let (chosen, basis) = match self.place_viewer(request.caller.as_ref(), queue, decide).await {
                Ok(decided) => decided,
                Err(Refusal::NoWorker) => break,
                Err(refusal) => return Err(refusal),
            };
            if let Some(basis) = basis {
                let outcome = match basis {
                    Ok(basis) => self.open_viewer(&request, slots.clone(), chosen.index, basis).await,
                    Err(refusal) => Err(refusal),
                };
                match outcome {
                    // Whatever process is there next may be asked.
                    Err(Refusal::WorkerGone) => told = Refusal::WorkerGone,
                    // It died or filled up since it was chosen, as another node's may have.
                    Err(refusal) if refusal.is_unavailable() => {
                        told = refusal;
                        avoid.tried.push(chosen);
                    }
                    outcome => return outcome,
                }
                continue;
            }
            if let Watched::Player { wait, .. } = &mut request.slots {
                // It is there; should that node not know it yet, it will in a moment.
                *wait = true;
            }
            let request_there = NodeRequest::Watch {
                room: request.room.clone(),
                slots: request.slots.clone(),
                offer: request.offer.text().to_owned(),
                owner: request.owner.clone(),
                alive_ms: request.alive_ms,
                caller: request.caller.clone(),
                worker: chosen.index,
            };
            if let Some(answered) = self.try_place(&chosen, request_there, &mut avoid).await? {
                self.note_session(member, answered.session);
                return Ok(answered);
            }
        }
        Err(told)
    }

    async fn place_viewer(
        &self,
        caller: Option<&Caller>,
        queue: QueueKey,
        decide: impl FnMut() -> Verdict<Decided>,
    ) -> Result<Decided, Refusal> {
        let mut placing = step("place", Kind::Internal);
        let decided = self.admission.admit(caller, queue, decide).await;
        match &decided {
            Ok((chosen, _)) => note_place(&mut placing, chosen),
            Err(refusal) => placing.fail(refusal),
        }
        decided
    }

    /// Each stream that is to be shown has to be permitted, also one that is not there.
    pub(crate) fn check_watch(&self, caller: Option<&Caller>, room: &RoomName, slots: &[Slot]) -> Result<(), Refusal> {
        let streams = slots.iter().map(|slot| Action::Watch { stream: slot.stream.as_str() });
        [Action::Join].into_iter().chain(streams).try_for_each(|action| self.check_grant(caller, room, action))
    }

    /// For another node, which has chosen the worker.
    pub(crate) async fn watch_here(
        self: &Arc<Self>,
        request: &WatchRequest,
        worker: WorkerIndex,
    ) -> Result<Answered, Refusal> {
        let slots = request.slots.of(&request.offer);
        check_slots(&slots)?;
        let basis = self.basis_of(&self.state(), request, &slots, worker)?;
        self.open_viewer(request, slots, worker, basis).await
    }

    /// Judges the request, chooses its place and, if that is here, takes what the answer is made from: in one turn of
    /// the lock.
    fn decide_watch(&self, request: &WatchRequest, slots: &[Slot], avoid: &Avoid) -> Verdict<Decided> {
        let mut state = self.state();
        let decided = self.try_watch(&mut state, request, slots, avoid);
        verdict(&state, avoid, decided)
    }

    fn try_watch(
        &self,
        state: &mut ServiceState,
        request: &WatchRequest,
        slots: &[Slot],
        avoid: &Avoid,
    ) -> Result<Decided, Refusal> {
        if state.registry.room(&request.room).is_none() {
            state.registry.check_new_room()?;
        }
        if let Watched::Player { stream, wait: false, .. } = &request.slots
            && state.registry.stream(&request.room, stream).is_none()
        {
            return Err(Refusal::NoSuchStream(format!("{}/{stream}", request.room)));
        }
        let member = request.owner.as_ref().map(|owner| owner.member);
        member.map_or(Ok(()), |member| state.registry.check_sessions_of(member))?;
        let chosen = self.choose(state, &request.room, &Purpose::Watch(slots), avoid)?;
        let is_here = chosen.node == *self.node();
        let basis = is_here.then(|| self.basis_of(state, request, slots, chosen.index));
        Ok((chosen, basis))
    }

    fn basis_of(
        &self,
        state: &ServiceState,
        request: &WatchRequest,
        slots: &[Slot],
        worker: WorkerIndex,
    ) -> Result<ViewerBasis, Refusal> {
        self.check_connecting(state, request.caller.as_ref())?;
        Ok(ViewerBasis { hello: state.serving(worker)?.clone(), sources: state.registry.sources(&request.room, slots) })
    }

    /// The answer is made between two turns of the lock; what was published or ended meanwhile is caught up with in
    /// the second.
    async fn open_viewer(
        self: &Arc<Self>,
        request: &WatchRequest,
        slots: Vec<Slot>,
        worker: WorkerIndex,
        ViewerBasis { hello, sources }: ViewerBasis,
    ) -> Result<Answered, Refusal> {
        let id = self.random_session();
        let local = self.local(&hello, random_credentials(), id, reached_at(request.caller.as_ref()));
        let answer = sdp::answer_watch(&request.offer, &local, &sources, None, &mut rand::random)?;
        let shown = slot_states(&slots, answer.states);
        if matches!(request.slots, Watched::Player { .. }) {
            check_decodable(&shown)?;
        }
        let note = Note {
            version: NOTE_VERSION,
            room: request.room.clone(),
            since_ms: unix_ms(),
            owner: request.owner.clone(),
            attempt: Some(Attempt::new(request.caller.as_ref().map(|caller| caller.address), unix_ms())),
            access: request.caller.as_ref().and_then(Caller::access).cloned(),
            role: Role::Watch { slots, sdp: answer.note },
        };
        let session = Session {
            id,
            worker,
            boot: hello.boot,
            epoch: FIRST_EPOCH,
            phase: Phase::Opening,
            local_ice: local.ice,
            remote_ice: answer.remote_ice,
            dtls: answer.dtls,
            media: answer.media,
            alive_ms: request.alive_ms,
            note,
            shown,
        };
        let mut answered = Answered::of(&session, answer.sdp);
        let spec = session.spec()?;
        let waiting = {
            let mut state = self.state();
            self.check_connecting(&state, request.caller.as_ref())?;
            let waiting = self.start(&mut state, session, spec)?;
            let caught_up = state.registry.attach_viewer(id);
            self.apply(&mut state, caught_up);
            if let Some(session) = state.registry.session(id) {
                answered.slots.clone_from(&session.shown);
            }
            waiting
        };
        self.finish(answered.session, waiting).await?;
        Ok(answered)
    }
}

/// The worker that a viewer goes to. If it is of this node, with what the answer is made from.
type Decided = (WorkerRef, Option<Result<ViewerBasis, Refusal>>);

struct ViewerBasis {
    /// Of the worker.
    hello: Hello,
    sources: Vec<SlotSource>,
}

/// A player has no other place to say that a picture will stay black, so it is refused.
fn check_decodable(shown: &[SlotState]) -> Result<(), Refusal> {
    let unsupported = |state: &SlotState| match &state.showing {
        Showing::Unsupported(message) => Some(message.clone()),
        Showing::Live | Showing::Waiting => None,
    };
    match shown.iter().find_map(unsupported) {
        Some(message) => Err(Refusal::NotDecodable(message)),
        None => Ok(()),
    }
}
