//! Owns publishing: from an offer to a live stream, on whichever node it is placed.

use std::sync::Arc;
use std::time::Instant;

use chappe_cluster::{WorkerRef, next_epoch};
use chappe_sfu_api::{Command, Epoch, Hello, IceCredentials, SessionId, SessionSpec, WorkerIndex};
use chappe_signaling_access::Action;
use chappe_signaling_rooms::{NOTE_VERSION, Note, Phase, Role, Session};
use chappe_signaling_sdp::{self as sdp, PublishTerms, SdpError};
use chappe_signaling_traces::{Kind, carry, step};
use tracing::{Instrument as _, info};

use crate::callers::caller::Caller;
use crate::callers::grants::sources_of;
use crate::clock::unix_ms;
use crate::cluster::handle::{ANSWER_WITHIN, AskError};
use crate::cluster::message::{NodeReply, NodeRequest};
use crate::refusal::Refusal;
use crate::request::{Answered, PublishRequest};
use crate::service::Service;
use crate::sessions::admission::{QueueKey, Verdict};
use crate::sessions::names::NameClaim;
use crate::sessions::place::{Avoid, Purpose, note_place, random_credentials, random_track, reached_at, verdict};
use crate::state::ServiceState;
use crate::workers::link::Waiting;

impl Service {
    pub async fn publish(self: &Arc<Self>, request: PublishRequest) -> Result<Answered, Refusal> {
        self.wait_settled().await;
        let action = Action::Publish { stream: request.stream.as_str(), offered: sources_of(&request.offer) };
        self.check_grant(request.caller.as_ref(), &request.room, action)?;
        let claim = self.claim_for(&request).await?;
        let result = self.publish_somewhere(request).await;
        if let Some(claim) = claim.filter(|_| result.is_err()) {
            claim.give_back();
        }
        result
    }

    /// Where there are other nodes, a name that is new to this one is claimed in the store before a place is chosen. One
    /// that is taken over, or taken back, is settled by its epoch.
    async fn claim_for(self: &Arc<Self>, request: &PublishRequest) -> Result<Option<NameClaim>, Refusal> {
        if self.cluster.alone {
            return Ok(None);
        }
        let proof = request.proof();
        let is_known_here = {
            let state = self.state();
            state.registry.check_publish(&request.room, &request.stream, &proof)?;
            state.registry.stream(&request.room, &request.stream).is_some()
        };
        match is_known_here {
            true => Ok(None),
            false => {
                let mut claiming = step("claim name", Kind::Client);
                let claim = self.claim_name(&request.room, &request.stream, &proof).await;
                claiming.note_outcome(&claim);
                claim
            }
        }
    }

    async fn publish_somewhere(self: &Arc<Self>, request: PublishRequest) -> Result<Answered, Refusal> {
        let member = request.owner.as_ref().map(|owner| owner.member);
        let mut avoid = Avoid::new(request.instead_of);
        for _ in 0..PLACES_TRIED_MAX {
            let draft = self.draft(&request);
            let queue = QueueKey { room: request.room.clone(), publishes: true };
            let decide = || self.decide_publish(&request, &draft, &avoid);
            let (chosen, known) = match self.place_publisher(request.caller.as_ref(), queue, decide).await? {
                Decided::Here(opened) => match self.finish_publish(&request, &draft, opened).await {
                    // Whatever process is there next may be asked.
                    Err(Refusal::WorkerGone) => continue,
                    outcome => return outcome,
                },
                Decided::Elsewhere(chosen, known) => (chosen, known),
            };
            let request_there = NodeRequest::Publish {
                room: request.room.clone(),
                stream: request.stream.clone(),
                offer: request.offer.text().to_owned(),
                owner: request.owner.clone(),
                instead_of: request.instead_of,
                listed: request.listed,
                takes_over: request.takes_over,
                alive_ms: request.alive_ms,
                caller: request.caller.clone(),
                worker: chosen.index,
                known,
            };
            if let Some(answered) = self.try_place(&chosen, request_there, &mut avoid).await? {
                self.note_session(member, answered.session);
                return Ok(answered);
            }
        }
        Err(Refusal::NoWorker)
    }

    async fn place_publisher(
        &self,
        caller: Option<&Caller>,
        queue: QueueKey,
        decide: impl FnMut() -> Verdict<Decided>,
    ) -> Result<Decided, Refusal> {
        let mut placing = step("place", Kind::Internal);
        let decided = self.admission.admit(caller, queue, decide).await;
        match &decided {
            Ok(Decided::Here(Opened { hello, .. })) => {
                note_place(&mut placing, &WorkerRef { node: self.node().clone(), index: hello.worker });
            }
            Ok(Decided::Elsewhere(chosen, _)) => note_place(&mut placing, chosen),
            Err(refusal) => placing.fail(refusal),
        }
        decided
    }

    /// For another node, which has chosen the worker.
    pub(crate) async fn publish_here(
        self: &Arc<Self>,
        request: PublishRequest,
        worker: WorkerIndex,
        known: Option<Epoch>,
    ) -> Result<Answered, Refusal> {
        let draft = self.draft(&request);
        let opened = {
            let mut state = self.state();
            state.registry.check_publish(&request.room, &request.stream, &request.proof())?;
            self.open_publisher(&mut state, &request, &draft, worker, known)?
        };
        self.finish_publish(&request, &draft, opened).await
    }

    /// What no other client changes is made before the lock is taken.
    fn draft(&self, request: &PublishRequest) -> Draft {
        Draft {
            id: self.random_session(),
            ice: random_credentials(),
            terms: sdp::negotiate_publish(&request.offer, None, &mut random_track),
        }
    }

    /// Judges the request, chooses its place and, if that is here, opens the session there: in one turn of the lock.
    fn decide_publish(&self, request: &PublishRequest, draft: &Draft, avoid: &Avoid) -> Verdict<Decided> {
        let mut state = self.state();
        let decided = self.try_publish(&mut state, request, draft, avoid);
        verdict(&state, avoid, decided)
    }

    fn try_publish(
        &self,
        state: &mut ServiceState,
        request: &PublishRequest,
        draft: &Draft,
        avoid: &Avoid,
    ) -> Result<Decided, Refusal> {
        state.registry.check_publish(&request.room, &request.stream, &request.proof())?;
        let member = request.owner.as_ref().map(|owner| owner.member);
        member.map_or(Ok(()), |member| state.registry.check_sessions_of(member))?;
        let chosen = self.choose(state, &request.room, &Purpose::Publish, avoid)?;
        if chosen.node == *self.node() {
            return self.open_publisher(state, request, draft, chosen.index, None).map(Decided::Here);
        }
        // The epoch that the name is known to have here.
        let known = state.registry.stream(&request.room, &request.stream).map(|stream| stream.epoch);
        Ok(Decided::Elsewhere(chosen, known))
    }

    /// Enters the session of a publisher whose name was checked, and hands it to its worker.
    fn open_publisher(
        &self,
        state: &mut ServiceState,
        request: &PublishRequest,
        draft: &Draft,
        worker: WorkerIndex,
        known: Option<Epoch>,
    ) -> Result<Opened, Refusal> {
        self.check_connecting(state, request.caller.as_ref())?;
        let hello = state.serving(worker)?.clone();
        let terms = draft.terms.as_ref().map_err(Clone::clone)?;
        let now_ms = unix_ms();
        let (room, stream) = (&request.room, &request.stream);
        let address = request.caller.as_ref().map(|caller| caller.address);
        let attempt = state.registry.attempt_for(room, stream, address, now_ms);
        let ours = state.registry.stream(room, stream).map(|stream| stream.epoch);
        let role = Role::Publish {
            stream: stream.clone(),
            muted: Vec::new(),
            listed: request.listed,
            sdp: terms.note.clone(),
        };
        let owner = request.owner.clone();
        let session = Session {
            id: draft.id,
            worker,
            boot: hello.boot,
            epoch: next_epoch(known.max(ours), now_ms),
            phase: Phase::Opening,
            local_ice: draft.ice.clone(),
            remote_ice: terms.remote_ice.clone(),
            dtls: terms.dtls.clone(),
            media: terms.media.clone(),
            alive_ms: request.alive_ms,
            note: Note {
                version: NOTE_VERSION,
                room: room.clone(),
                since_ms: now_ms,
                owner,
                attempt: Some(attempt),
                access: request.caller.as_ref().and_then(Caller::access).cloned(),
                role,
            },
            shown: Vec::new(),
        };
        let (spec, etag) = (session.spec()?, session.etag());
        let waiting = self.start(state, session, spec)?;
        Ok(Opened { hello, etag, waiting })
    }

    /// The text of the answer is written while the worker takes the session.
    async fn finish_publish(
        self: &Arc<Self>,
        request: &PublishRequest,
        draft: &Draft,
        Opened { hello, etag, waiting }: Opened,
    ) -> Result<Answered, Refusal> {
        let session = draft.id;
        let finished = self.finish(session, waiting);
        let local = self.local(&hello, draft.ice.clone(), session, reached_at(request.caller.as_ref()));
        let terms = draft.terms.as_ref().map_err(Clone::clone)?;
        let sdp = terms.answer(&request.offer, &local);
        finished.await?;
        Ok(Answered { session, etag, sdp, slots: Vec::new(), alive_ms: request.alive_ms })
    }

    /// Asks the node of a worker to take a session. None: it can't be reached or has no room, so that another place
    /// is to be found; then `avoid` names it.
    pub(crate) async fn try_place(
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
    pub(crate) fn check_connecting(&self, state: &ServiceState, caller: Option<&Caller>) -> Result<(), Refusal> {
        let Some(caller) = caller else { return Ok(()) };
        let checked = state.registry.check_connecting(caller.address, self.limits.each_max(caller));
        checked.inspect_err(|error| self.limits.handle_refused(Instant::now(), caller, error))?;
        Ok(())
    }

    /// Enters a session and hands it to its worker, in this order and under one lock, so that whatever
    /// the registry changes from now on reaches the worker after it.
    pub(crate) fn start(
        &self,
        state: &mut ServiceState,
        session: Session,
        spec: SessionSpec,
    ) -> Result<Waiting, Refusal> {
        let worker = session.worker;
        // Its process may be another by now.
        let alive = state.worker(worker).filter(|view| view.is_there()).and_then(|view| view.boot());
        if alive != Some(session.boot) {
            return Err(Refusal::NoWorker);
        }
        info!(session = %session.id, room = %session.note.room, worker = worker.0, kind = session.note.kind(), "session opens");
        self.link(worker)?;
        state.registry.open(session)?;
        self.request(state, worker, Command::OpenSession(Box::new(spec)))
    }

    /// Waits for the worker. It goes on when the client who asked has gone, because the worker has the
    /// session by then: it must be entered or ended, not forgotten.
    pub(crate) fn finish(
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

/// What is drawn and negotiated for a publisher before its place is known.
struct Draft {
    id: SessionId,
    ice: IceCredentials,
    terms: Result<PublishTerms, SdpError>,
}

/// Where a publisher goes.
enum Decided {
    Here(Opened),
    /// On the worker of another node, with the epoch that the name is known to have.
    Elsewhere(WorkerRef, Option<Epoch>),
}

/// A publisher's session that was entered and handed to its worker.
struct Opened {
    /// Of the worker.
    hello: Hello,
    etag: String,
    waiting: Waiting,
}

/// Of viewers: their sessions do not move, so nothing ever raises it.
pub(crate) const FIRST_EPOCH: Epoch = Epoch(1);

/// Places that are tried for one session before its client is told to come back.
pub(crate) const PLACES_TRIED_MAX: usize = 4;

#[cfg(test)]
mod tests;
