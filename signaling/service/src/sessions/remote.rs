//! Owns finding the node that has a session, and asking it in a client's name.

use std::sync::Arc;

use chappe_cluster::{NodeName, session_tag};
use chappe_sfu_api::{SessionId, SessionStats};
use chappe_signaling_rooms::{MemberId, RoomError, SessionAlias};

use crate::callers::caller::Caller;
use crate::cluster::handle::ANSWER_WITHIN;
use crate::cluster::message::{NodeReply, NodeRequest};
use crate::refusal::Refusal;
use crate::service::Service;
use crate::workers::link::WorkerReply;

impl Service {
    /// The node whose worker has a session, by its id. None: it is ours, or nobody's.
    pub(crate) fn elsewhere(&self, session: SessionId) -> Option<NodeName> {
        if self.cluster.is_ours(session) || self.cluster.alone {
            return None;
        }
        self.state().replica.node_by_tag(session_tag(session)).cloned()
    }

    pub(crate) async fn ask(&self, node: &NodeName, request: NodeRequest) -> Result<NodeReply, Refusal> {
        Ok(self.cluster.ask(node, &request, ANSWER_WITHIN).await?)
    }

    /// Ends a session, of this id or alias; it does not matter whether it is there. Returns whether it was.
    pub async fn close(self: &Arc<Self>, session: SessionId) -> bool {
        self.wait_settled().await;
        match self.elsewhere(session) {
            // A node that does not answer has no session any more, or ends it when its client falls silent.
            Some(node) => match self.ask(&node, NodeRequest::Close { session }).await {
                Ok(NodeReply::Closed { was_there }) => {
                    self.state().relayed.end(SessionAlias::of(session));
                    was_there
                }
                _ => false,
            },
            None => self.close_here(session),
        }
    }

    /// A client ends a session. One that is not there, because it has gone already, is as good; one of another client
    /// is not.
    pub async fn close_own(self: &Arc<Self>, session: SessionId, caller: &Caller) -> Result<(), Refusal> {
        self.wait_settled().await;
        match self.elsewhere(session) {
            Some(node) => match self.ask(&node, NodeRequest::CloseOwn { session, caller: caller.clone() }).await {
                Ok(_) => {
                    self.state().relayed.end(SessionAlias::of(session));
                    Ok(())
                }
                Err(Refusal::NodeSilent) => Ok(()),
                Err(refusal) => Err(refusal),
            },
            None => self.close_own_here(session, caller),
        }
    }

    pub(crate) fn close_own_here(self: &Arc<Self>, session: SessionId, caller: &Caller) -> Result<(), Refusal> {
        let mut state = self.state();
        if state.registry.session(session).is_none() {
            return Ok(());
        }
        if !state.registry.is_held_by(session, caller.holder()) {
            return Err(self.refuse_foreign_session());
        }
        let effects = state.registry.end(session, None);
        self.apply(&mut state, effects);
        Ok(())
    }

    pub(crate) fn close_here(self: &Arc<Self>, session: SessionId) -> bool {
        let mut state = self.state();
        let session = state.registry.named(session);
        let was_there = state.registry.session(session).is_some();
        let effects = state.registry.end(session, None);
        self.apply(&mut state, effects);
        was_there
    }

    /// Counters of a session, of this id or alias, from its worker.
    pub async fn session_stats(&self, session: SessionId) -> Result<SessionStats, Refusal> {
        match self.elsewhere(session) {
            Some(node) => self.stats_of(&node, session, None).await,
            None => self.stats_here(session).await,
        }
    }

    pub(crate) async fn stats_of(
        &self,
        node: &NodeName,
        session: SessionId,
        member: Option<MemberId>,
    ) -> Result<SessionStats, Refusal> {
        match self.ask(node, NodeRequest::Stats { session, member }).await? {
            NodeReply::Stats { stats } => Ok(stats),
            _ => Err(Refusal::NodeSilent),
        }
    }

    pub(crate) async fn stats_here(&self, session: SessionId) -> Result<SessionStats, Refusal> {
        let waiting = {
            let state = self.state();
            let session = state.registry.named(session);
            let worker = state.registry.session(session).ok_or(RoomError::NoSuchSession)?.worker;
            self.link(worker)?.request(chappe_sfu_api::Command::SessionStats { session })
        };
        match waiting.reply().await? {
            WorkerReply::Stats(stats) => Ok(stats),
            WorkerReply::Done | WorkerReply::Relays(_) => Err(RoomError::NoSuchSession.into()),
        }
    }

    /// A page has a session on another node; its home keeps count.
    pub(crate) fn note_session(&self, member: Option<MemberId>, session: SessionId) {
        if let Some(member) = member {
            self.state().registry.note_session(member, session);
        }
    }
}
