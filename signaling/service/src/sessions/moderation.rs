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
        let (id, waiting, tracks, successor) = {
            let mut state = self.state();
            let id = state.registry.named(name);
            let worker = state.registry.session(id).ok_or(RoomError::NoSuchSession)?.worker;
            let (set, effects) = state.registry.moderate(id, chosen, muted)?;
            let waiting = set.map(|set| self.request(&mut state, worker, set)).transpose()?;
            self.apply(&mut state, effects);
            (id, waiting, state.registry.moderated_tracks(id), state.registry.successor_elsewhere(id))
        };
        if let Some(waiting) = waiting {
            waiting.reply().await?;
            info!(session = %id, muted, tracks = %chosen, "an operator mutes or unmutes");
        }
        if let Some((node, session)) = successor {
            match self.ask(&node, NodeRequest::Moderate { session, chosen: chosen.clone(), muted }).await {
                // It may have ended since, or have no such track.
                Ok(_) | Err(Refusal::Elsewhere(_)) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(tracks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::{
        W0, caller, hello, node_with_workers, obey, page_link, publish, publish_request, serve, show,
    };
    use crate::request::{Join, PublishRequest};
    use chappe_engine::Embedded;
    use chappe_sfu_api::{Boot, Event, SessionState};
    use chappe_signaling_rooms::{Owner, RoomName, StreamName};

    #[tokio::test(start_paused = true)]
    async fn what_is_muted_of_a_session_that_another_node_has_replaced_is_muted_there() {
        let engine = Embedded::new();
        let nodes = [1, 2].map(|instance| {
            let (node, mut queues) = node_with_workers(&format!("n{instance}"), instance, 1, &engine);
            obey(queues.remove(0));
            node.handle_worker_agreed(W0, hello(W0, Boot(instance)), Vec::new());
            serve(&node);
            node
        });
        let [ours, theirs] = &nodes;
        let room = RoomName::parse("demo").unwrap();
        let join = Join { id: 1, room: room.clone(), name: None, resume: None, living: Vec::new(), caller: caller() };
        let page: Owner = ours.join(join, Box::new(page_link(64).0)).await.unwrap().owner;
        let tell = |from: &Service, to: &Service| {
            let record = from.state().registry.record(&room, &StreamName::parse("cam").unwrap()).unwrap();
            // What follows is left out: a session that was replaced goes on for a moment.
            let _ = to.state().registry.put_remote(from.node(), &record);
        };
        let before = publish(ours, Some(&page), None).await;
        tell(ours, theirs);
        // As its own node asks there.
        let request = PublishRequest { owner: Some(page), ..publish_request() };
        let now = theirs.open_here(&request, W0, None).await.unwrap().session;
        theirs.handle_worker_event(W0, Event::StateChanged { session: now, state: SessionState::Connected });
        show(theirs, now);
        tell(theirs, ours);

        let chosen = ChosenTracks::default();
        ours.moderate(before, chosen.clone(), true).await.unwrap();
        let tracks = theirs.state().registry.moderated_tracks(now);
        assert!(!tracks.is_empty() && tracks.iter().all(|track| track.moderated), "{tracks:?}");
        ours.moderate(before, chosen, false).await.unwrap();
        let tracks = theirs.state().registry.moderated_tracks(now);
        assert!(tracks.iter().all(|track| !track.moderated), "{tracks:?}");
    }
}
