//! Owns what a page does with sessions that it made, wherever they are: ends them, mutes their tracks, asks how they do.
//! New offers for them are in `patch`.

use std::sync::Arc;

use chappe_sfu_api::{SessionId, SessionStats};
use chappe_signaling_rooms::{MemberId, RoomError, Session};

use crate::cluster::message::NodeRequest;
use crate::refusal::Refusal;
use crate::service::Service;
use crate::state::ServiceState;

impl Service {
    /// A page ends a session of its own. One that has gone already is as good.
    pub async fn end_own(self: &Arc<Self>, id: SessionId, member: MemberId, publishes: bool) -> Result<(), Refusal> {
        match self.elsewhere(id) {
            Some(node) => {
                let result = self.ask(&node, NodeRequest::End { session: id, member, publishes }).await;
                self.state().registry.forget_session(member, id);
                match result {
                    // It ends when its client falls silent.
                    Ok(_) | Err(Refusal::NodeSilent) => Ok(()),
                    Err(refusal) => Err(refusal),
                }
            }
            None => self.end_here(id, member, publishes),
        }
    }

    pub(crate) fn end_here(self: &Arc<Self>, id: SessionId, member: MemberId, publishes: bool) -> Result<(), Refusal> {
        let mut state = self.state();
        let Some(session) = state.registry.session(id) else {
            return Ok(());
        };
        if session.member() != Some(member) {
            return Err(self.refuse_foreign_session());
        }
        if session.publishes() != publishes {
            return Err(RoomError::NoSuchSession.into());
        }
        let effects = state.registry.end(id, None);
        self.apply(&mut state, effects);
        Ok(())
    }

    pub async fn mute_own(
        self: &Arc<Self>,
        id: SessionId,
        member: MemberId,
        mid: &str,
        muted: bool,
    ) -> Result<(), Refusal> {
        match self.elsewhere(id) {
            Some(node) => {
                let request = NodeRequest::Mute { session: id, member, mid: mid.to_owned(), muted };
                self.ask(&node, request).await.map(drop)
            }
            None => self.mute_here(id, member, mid, muted),
        }
    }

    pub(crate) fn mute_here(
        self: &Arc<Self>,
        id: SessionId,
        member: MemberId,
        mid: &str,
        muted: bool,
    ) -> Result<(), Refusal> {
        let mut state = self.state();
        self.own_session(&state, id, member)?;
        let effects = state.registry.mute(id, mid, muted)?;
        self.apply(&mut state, effects);
        Ok(())
    }

    pub async fn stats_own(&self, id: SessionId, member: MemberId) -> Result<SessionStats, Refusal> {
        match self.elsewhere(id) {
            Some(node) => self.stats_of(&node, id, Some(member)).await,
            None => self.stats_own_here(id, member).await,
        }
    }

    pub(crate) async fn stats_own_here(&self, id: SessionId, member: MemberId) -> Result<SessionStats, Refusal> {
        self.own_session(&self.state(), id, member)?;
        self.stats_here(id).await
    }

    /// A page may only touch what it made itself.
    pub(crate) fn own_session<'a>(
        &self,
        state: &'a ServiceState,
        id: SessionId,
        member: MemberId,
    ) -> Result<&'a Session, Refusal> {
        match state.registry.session(id) {
            Some(session) if session.member() == Some(member) => Ok(session),
            Some(_) => Err(self.refuse_foreign_session()),
            None => Err(RoomError::NoSuchSession.into()),
        }
    }
}
