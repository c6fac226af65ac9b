//! Owns publishing: from an offer to a live stream, on whichever node it is placed.

use std::sync::Arc;
use std::time::Instant;

use chappe_cluster::{WorkerRef, next_epoch};
use chappe_sfu_api::{Command, Epoch, SessionId, SessionSpec, WorkerIndex};
use chappe_signaling_rooms::{NOTE_VERSION, Note, Phase, Role, Session};
use chappe_signaling_sdp as sdp;
use tracing::{Instrument as _, info};

use crate::callers::caller::Caller;
use crate::clock::unix_ms;
use crate::cluster::handle::{ANSWER_WITHIN, AskError};
use crate::cluster::message::{NodeReply, NodeRequest};
use crate::refusal::Refusal;
use crate::request::{Answered, PublishRequest};
use crate::service::App;
use crate::sessions::admission::{Asked, QueueKey};
use crate::sessions::place::{Avoid, Place, Purpose, asked, random_track, reached_at};
use crate::state::Hub;
use crate::workers::link::Waiting;

impl App {
    pub async fn publish(self: &Arc<Self>, request: PublishRequest) -> Result<Answered, Refusal> {
        self.wait_settled().await;
        let known_here = {
            let hub = self.hub();
            hub.registry.check_publish(&request.room, &request.stream, &request.proof())?;
            hub.registry.stream(&request.room, &request.stream).is_some()
        };
        // A name that is taken over, or taken back, is settled by its epoch.
        let claim = match known_here {
            true => None,
            false => self.claim_name(&request.room, &request.stream, &request.proof()).await?,
        };
        let result = self.publish_somewhere(request).await;
        if let Some(claim) = claim.filter(|_| result.is_err()) {
            claim.give_back();
        }
        result
    }

    async fn publish_somewhere(self: &Arc<Self>, request: PublishRequest) -> Result<Answered, Refusal> {
        let member = request.owner.as_ref().map(|owner| owner.member);
        let mut avoid = Avoid::of(&self.hub(), self.node(), request.instead_of);
        for _ in 0..PLACES_TRIED_MAX {
            let queue = QueueKey { room: request.room.clone(), publishes: true };
            let (chosen, known) = self.admission.admit(queue, || self.ask_to_publish(&request, &avoid)).await?;
            if chosen.node == *self.node() {
                return self.publish_here(request, chosen.index, known).await;
            }
            let request_there = NodeRequest::Publish {
                room: request.room.clone(),
                stream: request.stream.clone(),
                offer: request.offer.text().to_owned(),
                owner: request.owner.clone(),
                instead_of: request.instead_of,
                listed: request.listed,
                alive_ms: request.alive_ms,
                caller: request.caller,
                worker: chosen.index,
                known,
            };
            match self.try_place(&chosen, request_there, &mut avoid).await? {
                Some(answered) => {
                    self.note_session(member, answered.session);
                    return Ok(answered);
                }
                None => continue,
            }
        }
        Err(Refusal::NoWorker)
    }

    /// Judges the request and chooses its place, in one turn. With the epoch that its name is known to have.
    fn ask_to_publish(&self, request: &PublishRequest, avoid: &Avoid) -> Asked<(WorkerRef, Option<Epoch>)> {
        let mut hub = self.hub();
        let found = self.find_place_to_publish(&mut hub, request, avoid);
        asked(&hub, avoid, found)
    }

    fn find_place_to_publish(
        &self,
        hub: &mut Hub,
        request: &PublishRequest,
        avoid: &Avoid,
    ) -> Result<(WorkerRef, Option<Epoch>), Refusal> {
        hub.registry.check_publish(&request.room, &request.stream, &request.proof())?;
        let member = request.owner.as_ref().map(|owner| owner.member);
        member.map_or(Ok(()), |member| hub.registry.check_sessions_of(member))?;
        let known = hub.registry.stream(&request.room, &request.stream).map(|stream| stream.epoch);
        Ok((self.choose(hub, &request.room, &Purpose::Publish, avoid)?, known))
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
                let hub = self.hub();
                let all = hub.replica.node(&chosen.node).into_iter().flat_map(|state| &state.workers);
                avoid.tried.extend(all.map(|worker| WorkerRef { node: chosen.node.clone(), index: worker.index }));
                avoid.tried.push(chosen.clone());
                Ok(None)
            }
        }
    }

    pub(crate) async fn publish_here(
        self: &Arc<Self>,
        request: PublishRequest,
        worker: WorkerIndex,
        known: Option<Epoch>,
    ) -> Result<Answered, Refusal> {
        let id = self.random_session();
        let (place, attempt) = {
            let hub = self.hub();
            hub.registry.check_publish(&request.room, &request.stream, &request.proof())?;
            self.check_connecting(&hub, request.caller)?;
            let address = request.caller.map(|caller| caller.address);
            let attempt = hub.registry.attempt_for(&request.room, &request.stream, address, unix_ms());
            (self.place(&hub, worker, id, reached_at(request.caller))?, attempt)
        };
        let Place { worker, boot, local } = place;
        // Made between two turns of the lock: it depends on nothing that others change.
        let answer = sdp::answer_publish(&request.offer, &local, None, &mut random_track)?;
        let note = Note {
            version: NOTE_VERSION,
            room: request.room.clone(),
            since_ms: unix_ms(),
            owner: request.owner.clone(),
            attempt: Some(attempt),
            role: Role::Publish {
                stream: request.stream.clone(),
                muted: Vec::new(),
                listed: request.listed,
                sdp: answer.note,
            },
        };
        let mut session = Session {
            id,
            worker,
            boot,
            epoch: FIRST_EPOCH,
            phase: Phase::Opening,
            local_ice: local.ice,
            remote_ice: answer.remote_ice,
            dtls: answer.dtls,
            media: answer.media,
            alive_ms: request.alive_ms,
            note,
            shown: Vec::new(),
        };
        let answered = Answered::of(&session, answer.sdp);
        let mut spec = session.spec()?;
        let waiting = {
            let mut hub = self.hub();
            hub.registry.check_publish(&request.room, &request.stream, &request.proof())?;
            self.check_connecting(&hub, request.caller)?;
            let ours = hub.registry.stream(&request.room, &request.stream).map(|stream| stream.epoch);
            let epoch = next_epoch(known.max(ours), unix_ms());
            (session.epoch, spec.epoch) = (epoch, epoch);
            self.start(&mut hub, session, spec)?
        };
        self.finish(answered.session, waiting).await?;
        Ok(answered)
    }

    /// Whether a client's address may have one more session that has yet to connect.
    pub(crate) fn check_connecting(&self, hub: &Hub, caller: Option<Caller>) -> Result<(), Refusal> {
        let Some(caller) = caller else { return Ok(()) };
        let checked = hub.registry.check_connecting(caller.address, self.limits.each_max(&caller));
        checked.inspect_err(|error| self.limits.handle_refused(Instant::now(), &caller, error))?;
        Ok(())
    }

    /// Enters a session and hands it to its worker, in this order and under one lock, so that whatever
    /// the registry changes from now on reaches the worker after it.
    pub(crate) fn start(&self, hub: &mut Hub, session: Session, spec: SessionSpec) -> Result<Waiting, Refusal> {
        let worker = session.worker;
        // Its process may be another by now.
        let alive = hub.worker(worker).filter(|view| view.is_there()).and_then(|view| view.boot());
        if alive != Some(session.boot) {
            return Err(Refusal::NoWorker);
        }
        info!(session = %session.id, room = %session.note.room, worker = worker.0, kind = session.note.kind(), "session opens");
        self.link(worker)?;
        hub.registry.open(session)?;
        self.request(hub, worker, Command::OpenSession(Box::new(spec)))
    }

    /// Waits for the worker. It goes on when the client who asked has gone, because the worker has the
    /// session by then: it must be entered or ended, not forgotten.
    pub(crate) async fn finish(self: &Arc<Self>, session: SessionId, waiting: Waiting) -> Result<(), Refusal> {
        let app = Arc::clone(self);
        let finishing = async move {
            let reply = waiting.reply().await;
            let mut hub = app.hub();
            let outcome = match reply {
                Ok(_) => hub.registry.confirm(session).map_err(Refusal::from),
                Err(error) => Err(Refusal::from(error)),
            };
            match outcome {
                Ok(effects) => {
                    app.apply(&mut hub, effects);
                    Ok(())
                }
                Err(refusal) => {
                    info!(%session, %refusal, "session refused");
                    let effects = hub.registry.end(session, None);
                    app.apply(&mut hub, effects);
                    Err(refusal)
                }
            }
        };
        // The task ends early only when the runtime stops.
        tokio::spawn(finishing.in_current_span()).await.unwrap_or(Err(Refusal::WorkerSilent))
    }
}

/// Viewers' sessions do not move: nothing ever raises it. A publisher's is raised when it is entered.
pub(crate) const FIRST_EPOCH: Epoch = Epoch(1);

/// Places that are tried for one session before its client is told to come back.
pub(crate) const PLACES_TRIED_MAX: usize = 4;
