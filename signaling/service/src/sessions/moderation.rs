//! Owns what operators mute of a publisher, wherever it is. Never asks the publisher.

use std::sync::Arc;

use chappe_sfu_api::SessionId;
use chappe_signaling_rooms::{ChosenTracks, ModeratedTrack, RoomError};
use tracing::info;

use crate::cluster::message::{NodeReply, NodeRequest};
use crate::refusal::Refusal;
use crate::service::Service;

impl Service {
    /// From the answer on nobody gets packets of the tracks that are muted. Returns all tracks of the session, which is
    /// named by its id or its alias.
    pub async fn moderate(
        self: &Arc<Self>,
        session: SessionId,
        chosen: ChosenTracks,
        muted: bool,
    ) -> Result<Vec<ModeratedTrack>, Refusal> {
        self.wait_settled().await;
        let Some(node) = self.elsewhere(session) else {
            return self.moderate_here(session, &chosen, muted).await;
        };
        match self.ask(&node, NodeRequest::Moderate { session, chosen, muted }).await? {
            NodeReply::Moderated { tracks } => Ok(tracks),
            _ => Err(Refusal::NodeSilent),
        }
    }

    pub(crate) async fn moderate_here(
        self: &Arc<Self>,
        name: SessionId,
        chosen: &ChosenTracks,
        muted: bool,
    ) -> Result<Vec<ModeratedTrack>, Refusal> {
        let (id, waiting, tracks) = {
            let mut state = self.state();
            let id = state.registry.named(name);
            let worker = state.registry.session(id).ok_or(RoomError::NoSuchSession)?.worker;
            let (set, effects) = state.registry.moderate(id, chosen, muted)?;
            let waiting = set.map(|set| self.request(&mut state, worker, set)).transpose()?;
            self.apply(&mut state, effects);
            (id, waiting, state.registry.moderated_tracks(id))
        };
        if let Some(waiting) = waiting {
            waiting.reply().await?;
            info!(session = %id, muted, tracks = %chosen, "an operator mutes or unmutes");
        }
        Ok(tracks)
    }
}
