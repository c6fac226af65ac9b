//! Owns how a session comes to be on a worker of the cluster, whether its client publishes or watches. Never judges what
//! it is for.

use std::sync::Arc;
use std::time::Instant;

use chappe_cluster::WorkerRef;
use chappe_sfu_api::{AliveMs, Command, DtlsParameters, Epoch, Hello, IceCredentials, Media, SessionId, WorkerIndex};
use chappe_signaling_rooms::{Attempt, NOTE_VERSION, Note, Owner, Phase, Registry, Role, RoomName, Session, SlotState};
use chappe_signaling_sdp::{Local, SdpError};
use chappe_signaling_traces::{Kind, carry, step};
use tracing::{Instrument as _, info};

use crate::callers::caller::Caller;
use crate::clock::unix_ms;
use crate::cluster::handle::{ANSWER_WITHIN, AskError};
use crate::cluster::message::{NodeReply, NodeRequest};
use crate::refusal::Refusal;
use crate::request::Answered;
use crate::service::Service;
use crate::sessions::admission::{QueueKey, Verdict};
use crate::sessions::place::{Avoid, Purpose, note_place, random_credentials, reached_at, verdict};
use crate::state::ServiceState;
use crate::unlocked::assert_unlocked;
use crate::workers::link::Waiting;

/// A request for a session, with what a publisher's and a viewer's differ in.
pub(crate) trait SessionRequest {
    /// What the offer comes to, whichever worker takes it.
    type Terms;

    fn asked(&self) -> Asked<'_>;
    fn purpose(&self) -> Purpose<'_>;
    fn negotiate(&self) -> Result<Self::Terms, SdpError>;
    /// Whether there may be such a session now.
    fn check(&self, registry: &Registry) -> Result<(), Refusal>;
    /// Of a publisher's name: the epoch that it is known to have here.
    fn known_epoch(&self, registry: &Registry) -> Option<Epoch>;
    /// What the session is at this moment.
    fn content(&self, registry: &Registry, terms: &Self::Terms, at: Moment) -> Result<Content, Refusal>;
    fn answer(&self, terms: &Self::Terms, local: &Local, media: &Media) -> String;
    /// The same, for the node of a worker.
    fn for_node_of(&self, worker: WorkerIndex, known: Option<Epoch>) -> NodeRequest;
}

/// What every request for a session says.
pub(crate) struct Asked<'a> {
    pub room: &'a RoomName,
    pub owner: Option<&'a Owner>,
    pub instead_of: Option<SessionId>,
    pub alive_ms: Option<AliveMs>,
    pub caller: Option<&'a Caller>,
}

/// When a session is entered, and what the node that asks for it knew.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    pub now_ms: u64,
    pub known: Option<Epoch>,
}

/// What a publisher's session and a viewer's differ in.
pub(crate) struct Content {
    pub epoch: Epoch,
    /// Unix time.
    pub since_ms: u64,
    pub remote_ice: IceCredentials,
    pub dtls: DtlsParameters,
    pub media: Media,
    pub attempt: Attempt,
    pub role: Role,
    pub shown: Vec<SlotState>,
}

/// What is drawn and negotiated before the place is known.
struct Draft<Terms> {
    id: SessionId,
    ice: IceCredentials,
    terms: Result<Terms, SdpError>,
}

/// Where a session goes.
enum Decided {
    Here(Box<Opened>),
    /// On the worker of another node, with the epoch that a publisher's name is known to have here.
    Elsewhere(WorkerRef, Option<Epoch>),
}

/// A session that was entered and handed to its worker.
struct Opened {
    /// Of the worker.
    hello: Hello,
    /// Without the text of the answer.
    answered: Answered,
    media: Media,
    waiting: Waiting,
}

impl Service {
    /// Tries places until a worker has taken the session.
    pub(crate) async fn open_somewhere<R: SessionRequest>(self: &Arc<Self>, request: &R) -> Result<Answered, Refusal> {
        let asked = request.asked();
        let mut avoid = Avoid::new(asked.instead_of);
        // What the last one said whom nobody is left to take the place of.
        let mut told = Refusal::NoWorker;
        for _ in 0..PLACES_TRIED_MAX {
            let draft = self.draft(request);
            let decided = match self.place(&asked, request, || self.decide(request, &draft, &avoid)).await {
                Err(Refusal::NoWorker) => break,
                decided => decided?,
            };
            match decided {
                Decided::Here(opened) => {
                    let worker = WorkerRef { node: self.node().clone(), index: opened.hello.worker };
                    match self.finish_opened(request, &draft, *opened).await {
                        // Whatever process is there next may be asked.
                        Err(Refusal::WorkerGone) => told = Refusal::WorkerGone,
                        // It filled up since it was chosen, as another node's may have.
                        Err(refusal) if refusal.is_unavailable() => {
                            told = refusal;
                            avoid.tried.push(worker);
                        }
                        outcome => return outcome,
                    }
                }
                Decided::Elsewhere(chosen, known) => {
                    let request_there = request.for_node_of(chosen.index, known);
                    if let Some(answered) = self.try_node(&chosen, request_there, &mut avoid).await? {
                        self.note_session(asked.owner.map(|owner| owner.member), answered.session);
                        return Ok(answered);
                    }
                }
            }
        }
        Err(self.why_no_worker(told))
    }

    /// For another node, which has chosen the worker.
    pub(crate) async fn open_here<R: SessionRequest>(
        self: &Arc<Self>,
        request: &R,
        worker: WorkerIndex,
        known: Option<Epoch>,
    ) -> Result<Answered, Refusal> {
        let draft = self.draft(request);
        let opened = {
            let mut state = self.state();
            request.check(&state.registry)?;
            // An offer that can't be taken waits for no place.
            draft.terms.as_ref().map_err(Clone::clone)?;
            self.open(&mut state, request, &draft, worker, known)?
        };
        self.finish_opened(request, &draft, opened).await
    }

    /// Waits in the queue of its room while there is no place, as a step of a traced join.
    async fn place<R: SessionRequest>(
        &self,
        asked: &Asked<'_>,
        request: &R,
        decide: impl FnMut() -> Verdict<Decided>,
    ) -> Result<Decided, Refusal> {
        let publishes = matches!(request.purpose(), Purpose::Publish);
        let queue = QueueKey { room: asked.room.clone(), publishes };
        let mut placing = step("place", Kind::Internal);
        let decided = self.admission.admit(asked.caller, queue, decide).await;
        match &decided {
            Ok(Decided::Here(opened)) => {
                note_place(&mut placing, &WorkerRef { node: self.node().clone(), index: opened.hello.worker });
            }
            Ok(Decided::Elsewhere(chosen, _)) => note_place(&mut placing, chosen),
            Err(refusal) => placing.fail(refusal),
        }
        decided
    }

    /// What no other client changes is made before the lock is taken.
    fn draft<R: SessionRequest>(&self, request: &R) -> Draft<R::Terms> {
        assert_unlocked();
        Draft { id: self.random_session(), ice: random_credentials(), terms: request.negotiate() }
    }

    /// Judges the request, chooses its place and, if that is here, opens the session there: in one turn of the lock.
    fn decide<R: SessionRequest>(
        self: &Arc<Self>,
        request: &R,
        draft: &Draft<R::Terms>,
        avoid: &Avoid,
    ) -> Verdict<Decided> {
        let mut state = self.state();
        let decided = self.try_open(&mut state, request, draft, avoid);
        verdict(&state, avoid, decided)
    }

    fn try_open<R: SessionRequest>(
        self: &Arc<Self>,
        state: &mut ServiceState,
        request: &R,
        draft: &Draft<R::Terms>,
        avoid: &Avoid,
    ) -> Result<Decided, Refusal> {
        let asked = request.asked();
        request.check(&state.registry)?;
        asked.owner.map_or(Ok(()), |owner| state.registry.check_sessions_of(owner.member))?;
        let chosen = self.choose(state, asked.room, &request.purpose(), avoid)?;
        match chosen.node == *self.node() {
            true => Ok(Decided::Here(Box::new(self.open(state, request, draft, chosen.index, None)?))),
            false => Ok(Decided::Elsewhere(chosen, request.known_epoch(&state.registry))),
        }
    }

    /// Enters the session of a request that was checked, and hands it to its worker.
    fn open<R: SessionRequest>(
        self: &Arc<Self>,
        state: &mut ServiceState,
        request: &R,
        draft: &Draft<R::Terms>,
        worker: WorkerIndex,
        known: Option<Epoch>,
    ) -> Result<Opened, Refusal> {
        let asked = request.asked();
        self.check_connecting(state, asked.caller)?;
        let hello = state.serving(worker)?.clone();
        let terms = draft.terms.as_ref().map_err(Clone::clone)?;
        let now_ms = unix_ms();
        let content = request.content(&state.registry, terms, Moment { now_ms, known })?;
        let session = Session {
            id: draft.id,
            worker,
            boot: hello.boot,
            epoch: content.epoch,
            phase: Phase::Opening,
            local_ice: draft.ice.clone(),
            remote_ice: content.remote_ice,
            dtls: content.dtls,
            media: content.media,
            alive_ms: asked.alive_ms,
            note: Note {
                version: NOTE_VERSION,
                room: asked.room.clone(),
                since_ms: content.since_ms,
                owner: asked.owner.cloned(),
                attempt: Some(content.attempt),
                access: asked.caller.and_then(Caller::access).cloned(),
                role: content.role,
            },
            shown: content.shown,
        };
        let (spec, media, answered) = (session.spec()?, session.media.clone(), Answered::of(&session, String::new()));
        info!(session = %session.id, room = %session.note.room, worker = worker.0, kind = session.note.kind(), "session opens");
        // In this order: what the registry changes from now on reaches the worker after it.
        self.link(worker)?;
        state.registry.open(session)?;
        let waiting = self.request(state, worker, Command::OpenSession(Box::new(spec)))?;
        Ok(Opened { hello, answered, media, waiting })
    }

    /// The text of the answer is written while the worker takes the session.
    async fn finish_opened<R: SessionRequest>(
        self: &Arc<Self>,
        request: &R,
        draft: &Draft<R::Terms>,
        Opened { hello, mut answered, media, waiting }: Opened,
    ) -> Result<Answered, Refusal> {
        let finished = self.finish(draft.id, waiting);
        let local = self.local(&hello, draft.ice.clone(), draft.id, reached_at(request.asked().caller));
        let terms = draft.terms.as_ref().map_err(Clone::clone)?;
        assert_unlocked();
        answered.sdp = request.answer(terms, &local, &media);
        finished.await?;
        Ok(answered)
    }

    /// Asks the node of a worker to take a session. None: it can't be reached or has no room, so that another place
    /// is to be found; then `avoid` names it.
    async fn try_node(
        &self,
        chosen: &WorkerRef,
        request: NodeRequest,
        avoid: &mut Avoid,
    ) -> Result<Option<Answered>, Refusal> {
        match self.cluster.ask(&chosen.node, &request, ANSWER_WITHIN).await {
            Ok(NodeReply::Answered { answered }) => Ok(Some(answered)),
            Err(AskError::Refused(refusal)) if !refusal.is_unavailable() => Err(Refusal::Elsewhere(refusal)),
            Err(AskError::Refused(_)) => {
                avoid.tried.push(chosen.clone());
                Ok(None)
            }
            Ok(_) | Err(AskError::Unreachable | AskError::Silent) => {
                info!(node = %chosen.node, "a node that was chosen for a session does not answer: another is tried");
                let state = self.state();
                let all = state.replica.node(&chosen.node).into_iter().flat_map(|there| &there.workers);
                avoid.tried.extend(all.map(|worker| WorkerRef { node: chosen.node.clone(), index: worker.index }));
                avoid.tried.push(chosen.clone());
                Ok(None)
            }
        }
    }

    /// Whether a client's address may have one more session that has yet to connect.
    fn check_connecting(&self, state: &ServiceState, caller: Option<&Caller>) -> Result<(), Refusal> {
        let Some(caller) = caller else { return Ok(()) };
        let checked = state.registry.check_connecting(caller.address, self.limits.each_max(caller));
        checked.inspect_err(|error| self.limits.handle_refused(Instant::now(), caller, error))?;
        Ok(())
    }

    /// Waits for the worker. It goes on when the client who asked has gone, because the worker has the
    /// session by then: it must be entered or ended, not forgotten.
    fn finish(
        self: &Arc<Self>,
        session: SessionId,
        waiting: Waiting,
    ) -> impl Future<Output = Result<(), Refusal>> + use<> {
        let service = Arc::clone(self);
        let finishing = async move {
            let mut opening = step("open session", Kind::Client);
            opening.note("chappe.session", session);
            let reply = waiting.reply().await;
            let mut state = service.state();
            if let Some(there) = state.registry.session(session) {
                opening.note_number("chappe.worker", there.worker.0);
                service.arrivals.begin(session, there.worker, there.publishes());
            }
            let outcome = match reply {
                Ok(_) => state.registry.confirm(session).map_err(Refusal::from),
                Err(error) => Err(Refusal::from(error)),
            };
            match outcome {
                Ok(effects) => {
                    service.apply(&mut state, effects);
                    Ok(())
                }
                Err(refusal) => {
                    info!(%session, %refusal, "session refused");
                    opening.fail(&refusal);
                    service.arrivals.forget(session);
                    let effects = state.registry.end(session, None);
                    service.apply(&mut state, effects);
                    Err(refusal)
                }
            }
        };
        let task = tokio::spawn(carry(finishing).in_current_span());
        // The task ends early only when the runtime stops.
        async move { task.await.unwrap_or(Err(Refusal::WorkerSilent)) }
    }
}

/// Places that are tried for one session before its client is told to come back.
const PLACES_TRIED_MAX: usize = 4;

#[cfg(test)]
mod tests;
