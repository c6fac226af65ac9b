//! Owns changes of a session that its client asks for: trickled candidates, ICE restarts, new offers.

use std::net::IpAddr;
use std::sync::Arc;

use chappe_sfu_api::{IceCredentials, SessionId};
use chappe_signaling_access::Action;
use chappe_signaling_rooms::{
    IceBefore, MemberId, Note, Role, RoomError, RoomName, Session, Slot, StreamName, slot_states,
};
use chappe_signaling_sdp::{self as sdp, Fragment, Local, Offer, SdpError, TransportNote, parse_fragment};
use tracing::info;

use crate::callers::caller::Caller;
use crate::callers::grants::sources_of;
use crate::cluster::message::{NodeReply, NodeRequest};
use crate::refusal::Refusal;
use crate::request::{Answered, Joined, PatchOutcome, Precondition, check_slots};
use crate::service::Service;
use crate::sessions::place::{random_credentials, random_track, reached_at};
use crate::state::ServiceState;
use crate::unlocked::assert_unlocked;
use crate::workers::link::Waiting;

impl Service {
    /// A WHIP or WHEP client patches its session.
    pub async fn patch(
        self: &Arc<Self>,
        id: SessionId,
        precondition: Precondition,
        text: &str,
        caller: &Caller,
    ) -> Result<PatchOutcome, Refusal> {
        self.wait_settled().await;
        let fragment = parse_fragment(text)?;
        match self.elsewhere(id) {
            Some(node) => {
                let caller = Some(caller.clone());
                let request = NodeRequest::Patch { session: id, precondition, fragment: text.to_owned(), caller };
                match self.ask(&node, request).await? {
                    NodeReply::Patched { outcome } => Ok(outcome),
                    _ => Err(Refusal::NodeSilent),
                }
            }
            None => self.patch_here(id, precondition, &fragment, Some(caller)).await,
        }
    }

    pub(crate) async fn patch_here(
        self: &Arc<Self>,
        id: SessionId,
        precondition: Precondition,
        fragment: &Fragment,
        caller: Option<&Caller>,
    ) -> Result<PatchOutcome, Refusal> {
        let (outcome, waiting) = {
            let mut state = self.state();
            // The URL of a session is nothing in the hands of another.
            if !state.registry.is_held_by(id, caller.and_then(Caller::holder)) {
                let is_there = state.registry.session(id).is_some();
                return Err(if is_there { self.refuse_foreign_session() } else { RoomError::NoSuchSession.into() });
            }
            if let Some(access) = caller.and_then(Caller::access) {
                let effects = state.registry.renew(&[id], access);
                self.apply(&mut state, effects);
            }
            let session = state.registry.session(id).ok_or(RoomError::NoSuchSession)?;
            match &precondition {
                // The WHEP draft asks for it too, but players exist that never send it.
                Precondition::None if session.publishes() => {
                    return Ok(PatchOutcome::PreconditionRequired);
                }
                Precondition::OneOf(etags) if !etags.contains(&session.etag()) => return Ok(PatchOutcome::Stale),
                Precondition::None | Precondition::Any | Precondition::OneOf(_) => {}
            }
            let transport = transport(&session.note);
            let known = |mid: &&String| transport.lines.iter().any(|line| line.mid == **mid);
            if let Some(mid) = fragment.mids.iter().find(|mid| !known(mid)) {
                return Err(Refusal::Sdp(SdpError::NoSuchMid { mid: mid.clone() }));
            }
            let Some(remote) = fragment.ice.clone().filter(|ice| *ice != session.remote_ice) else {
                return Ok(PatchOutcome::Trickled);
            };
            let local = self.local_of(&state, session, random_credentials(), reached_at(caller))?;
            let fragment = sdp::restart_fragment(&local, transport);
            let waiting = self.restart_if(true, &mut state, id, local.ice.clone(), remote)?;
            let session = state.registry.session(id).ok_or(RoomError::NoSuchSession)?;
            (PatchOutcome::Restarted { etag: session.etag(), fragment }, waiting)
        };
        self.settle_restart(waiting).await?;
        Ok(outcome)
    }

    /// A publishing page's new offer for a session of its own.
    pub async fn republish(
        self: &Arc<Self>,
        id: SessionId,
        joined: &Joined,
        stream: &StreamName,
        offer: &Offer,
    ) -> Result<Answered, Refusal> {
        self.wait_settled().await;
        let (member, reached_at) = (joined.owner.member, joined.caller.reached_at);
        let action = Action::Publish { stream: stream.as_str(), offered: sources_of(offer) };
        self.check_grant(Some(&joined.caller), &joined.room, action)?;
        match self.elsewhere(id) {
            Some(node) => {
                let request = NodeRequest::Republish { session: id, member, offer: offer.text().to_owned() };
                answered_by(self.ask(&node, request).await?)
            }
            None => self.republish_here(id, member, offer, reached_at).await,
        }
    }

    pub(crate) async fn republish_here(
        self: &Arc<Self>,
        id: SessionId,
        member: MemberId,
        offer: &Offer,
        reached_at: Option<IpAddr>,
    ) -> Result<Answered, Refusal> {
        let (answered, restart, set) = loop {
            let basis = self.basis(id, member, offer, reached_at)?;
            let Role::Publish { sdp: previous, .. } = &basis.role else {
                return Err(RoomError::NoSuchSession.into());
            };
            assert_unlocked();
            let answer = sdp::answer_publish(offer, &basis.local, Some(previous), &mut random_track)?;
            let mut state = self.state();
            let session = self.own_session(&state, id, member)?;
            let Some(Role::Publish { stream, muted, moderated, listed, .. }) = basis.role_of(session).cloned() else {
                continue;
            };
            let (worker, note) = (session.worker, session.note.clone());
            let restart = self.restart_if(basis.restarts, &mut state, id, basis.local.ice, answer.remote_ice)?;
            let role = Role::Publish { stream, muted, moderated, listed, sdp: answer.note };
            let (set, effects) = state.registry.renegotiate(id, answer.media, Note { role, ..note }, Vec::new())?;
            let set = self.request(&mut state, worker, set)?;
            self.apply(&mut state, effects);
            break (answered(&state, id, answer.sdp)?, restart, set);
        };
        self.settle_restart(restart).await?;
        set.reply().await?;
        Ok(answered)
    }

    /// A watching page's new offer for a session of its own, with all its slots.
    pub async fn rewatch(
        self: &Arc<Self>,
        id: SessionId,
        joined: &Joined,
        offer: &Offer,
        slots: Vec<Slot>,
    ) -> Result<Answered, Refusal> {
        self.wait_settled().await;
        check_slots(&slots)?;
        let (member, reached_at) = (joined.owner.member, joined.caller.reached_at);
        self.check_watch(Some(&joined.caller), &joined.room, &slots)?;
        match self.elsewhere(id) {
            Some(node) => {
                let request = NodeRequest::Rewatch { session: id, member, offer: offer.text().to_owned(), slots };
                answered_by(self.ask(&node, request).await?)
            }
            None => self.rewatch_here(id, member, offer, slots, reached_at).await,
        }
    }

    pub(crate) async fn rewatch_here(
        self: &Arc<Self>,
        id: SessionId,
        member: MemberId,
        offer: &Offer,
        slots: Vec<Slot>,
        reached_at: Option<IpAddr>,
    ) -> Result<Answered, Refusal> {
        let (answered, restart, set) = loop {
            let basis = self.basis(id, member, offer, reached_at)?;
            let Role::Watch { sdp: previous, .. } = &basis.role else {
                return Err(RoomError::NoSuchSession.into());
            };
            let sources = self.state().registry.sources(&basis.room, &slots);
            assert_unlocked();
            let answer = sdp::answer_watch(offer, &basis.local, &sources, Some(previous), &mut rand::random)?;
            let shown = slot_states(&slots, answer.states);
            let mut state = self.state();
            let session = self.own_session(&state, id, member)?;
            if basis.role_of(session).is_none() {
                continue;
            }
            let (worker, note) = (session.worker, session.note.clone());
            let restart = self.restart_if(basis.restarts, &mut state, id, basis.local.ice, answer.remote_ice)?;
            let role = Role::Watch { slots, sdp: answer.note };
            let (set, effects) = state.registry.renegotiate(id, answer.media, Note { role, ..note }, shown)?;
            let set = self.request(&mut state, worker, set)?;
            self.apply(&mut state, effects);
            // What was published or ended while the answer was made.
            let caught_up = state.registry.attach_viewer(id);
            self.apply(&mut state, caught_up);
            break (answered(&state, id, answer.sdp)?, restart, set);
        };
        self.settle_restart(restart).await?;
        set.reply().await?;
        Ok(answered)
    }

    /// What the answer to a page's new offer is made from. The answer itself is made without the lock.
    fn basis(
        &self,
        id: SessionId,
        member: MemberId,
        offer: &Offer,
        reached_at: Option<IpAddr>,
    ) -> Result<Basis, Refusal> {
        let state = self.state();
        let session = self.own_session(&state, id, member)?;
        // Credentials that the client changed are answered with new ones of ours (RFC 8839 section 4.4.1.1.1).
        let restarts = *offer.ice() != session.remote_ice;
        let ice = if restarts { random_credentials() } else { session.local_ice.clone() };
        Ok(Basis {
            room: session.note.room.clone(),
            role: session.note.role.clone(),
            ice: (session.local_ice.clone(), session.remote_ice.clone()),
            local: self.local_of(&state, session, ice, reached_at)?,
            restarts,
        })
    }

    fn local_of(
        &self,
        state: &ServiceState,
        session: &Session,
        ice: IceCredentials,
        reached_at: Option<IpAddr>,
    ) -> Result<Local, Refusal> {
        let hello = state.worker(session.worker).and_then(|view| view.hello.as_ref()).ok_or(Refusal::NoWorker)?;
        Ok(self.local(hello, ice, session.id, reached_at))
    }

    fn restart_if(
        &self,
        restarts: bool,
        state: &mut ServiceState,
        id: SessionId,
        local: IceCredentials,
        remote: IceCredentials,
    ) -> Result<Option<Restart>, Refusal> {
        if !restarts {
            return Ok(None);
        }
        let worker = state.registry.session(id).ok_or(RoomError::NoSuchSession)?.worker;
        let link = self.link(worker)?;
        let (command, before) = state.registry.restart_ice(id, local, remote)?;
        info!(session = %id, worker = worker.0, "ICE restarts");
        Ok(Some(Restart { waiting: link.request(command), before }))
    }

    /// Waits for the worker, also when the client who asked has gone: a restart that failed is taken back.
    async fn settle_restart(self: &Arc<Self>, restart: Option<Restart>) -> Result<(), Refusal> {
        let Some(Restart { waiting, before }) = restart else {
            return Ok(());
        };
        let service = Arc::clone(self);
        let settling = tokio::spawn(async move {
            let reply = waiting.reply().await;
            if reply.is_err() {
                service.state().registry.undo_restart_ice(before);
            }
            reply.map(drop).map_err(Refusal::from)
        });
        // The task ends early only when the runtime stops.
        settling.await.unwrap_or(Err(Refusal::WorkerSilent))
    }
}

fn answered_by(reply: NodeReply) -> Result<Answered, Refusal> {
    match reply {
        NodeReply::Answered { answered } => Ok(answered),
        _ => Err(Refusal::NodeSilent),
    }
}

/// A session as it was when the answer to a new offer was begun.
struct Basis {
    room: RoomName,
    role: Role,
    /// Ours and the client's.
    ice: (IceCredentials, IceCredentials),
    local: Local,
    /// The offer restarts ICE.
    restarts: bool,
}

impl Basis {
    /// The role of the session as it is now. None if another offer or restart came between, which the answer would undo.
    fn role_of<'a>(&self, session: &'a Session) -> Option<&'a Role> {
        let is_same = match (&self.role, &session.note.role) {
            (Role::Publish { sdp: before, .. }, Role::Publish { sdp: now, .. }) => before == now,
            (Role::Watch { sdp: before, .. }, Role::Watch { sdp: now, .. }) => before == now,
            (Role::Publish { .. }, Role::Watch { .. }) | (Role::Watch { .. }, Role::Publish { .. }) => false,
        };
        let is_same = is_same && (&session.local_ice, &session.remote_ice) == (&self.ice.0, &self.ice.1);
        is_same.then_some(&session.note.role)
    }
}

/// An ICE restart that its worker has not confirmed yet.
struct Restart {
    waiting: Waiting,
    before: IceBefore,
}

fn answered(state: &ServiceState, id: SessionId, sdp: String) -> Result<Answered, Refusal> {
    let session = state.registry.session(id).ok_or(RoomError::NoSuchSession)?;
    Ok(Answered::of(session, sdp))
}

fn transport(note: &Note) -> &TransportNote {
    match &note.role {
        Role::Publish { sdp, .. } => &sdp.transport,
        Role::Watch { sdp, .. } => &sdp.transport,
    }
}
