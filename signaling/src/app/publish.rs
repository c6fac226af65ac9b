//! Owns publishing: from an offer to a live stream.

use std::sync::Arc;

use chappe_sfu_api::{Command, Epoch, SessionId, SessionSpec};
use tracing::{Instrument as _, info};

use super::place::{Place, random_session, random_track};
use super::{Answered, App, Hub, unix_ms};
use crate::refusal::Refusal;
use crate::room::{RoomName, StreamName};
use crate::sdp::{self, Offer};
use crate::session::{NOTE_VERSION, Note, Owner, Phase, Role, Session};
use crate::workers::Waiting;

pub struct PublishRequest {
    pub room: RoomName,
    pub stream: StreamName,
    pub offer: Offer,
    pub takeover: bool,
    /// The page that publishes; none for WHIP.
    pub owner: Option<Owner>,
}

impl App {
    pub async fn publish(self: &Arc<Self>, request: PublishRequest) -> Result<Answered, Refusal> {
        self.wait_settled().await;
        let (answered, waiting) = {
            let mut hub = self.hub();
            let member = request.owner.as_ref().map(|owner| owner.member);
            hub.registry.check_publish(&request.room, &request.stream, member, request.takeover)?;
            let id = random_session();
            let place = self.place(&mut hub, &request.room, id)?;
            let answer = sdp::answer_publish(&request.offer, &place.local, None, &mut random_track)?;
            let note = Note {
                version: NOTE_VERSION,
                room: request.room,
                since_ms: unix_ms(),
                owner: request.owner,
                role: Role::Publish { stream: request.stream, muted: Vec::new(), sdp: answer.note },
            };
            let Place { worker, boot, local } = place;
            let session = Session {
                id,
                worker,
                boot,
                epoch: FIRST_EPOCH,
                phase: Phase::Opening,
                local_ice: local.ice,
                remote_ice: answer.remote_ice,
                dtls: answer.dtls,
                media: answer.media,
                note,
                shown: Vec::new(),
            };
            let answered = Answered { session: id, etag: session.etag(), sdp: answer.sdp, slots: Vec::new() };
            (answered, self.start(&mut hub, session)?)
        };
        self.finish(answered.session, waiting).await?;
        Ok(answered)
    }

    /// Enters a session and hands it to its worker, in this order and under one lock, so that whatever
    /// the registry changes from now on reaches the worker after it.
    pub(super) fn start(&self, hub: &mut Hub, session: Session) -> Result<Waiting, Refusal> {
        let (spec, worker): (SessionSpec, _) = (session.spec()?, session.worker);
        info!(session = %session.id, room = %session.note.room, worker = worker.0, kind = session.note.kind(), "session opens");
        let link = self.link(worker)?;
        hub.registry.open(session)?;
        Ok(link.request(Command::OpenSession(Box::new(spec))))
    }

    /// Waits for the worker. It goes on when the client who asked has gone, because the worker has the
    /// session by then: it must be entered or ended, not forgotten.
    pub(super) async fn finish(self: &Arc<Self>, session: SessionId, waiting: Waiting) -> Result<(), Refusal> {
        let app = Arc::clone(self);
        let finishing = async move {
            let reply = waiting.reply().await;
            let mut hub = app.hub();
            let outcome = match reply {
                Ok(_) => hub.registry.confirm(session),
                Err(error) => Err(Refusal::from(error)),
            };
            match outcome {
                Ok(effects) => {
                    app.apply(&hub, effects);
                    Ok(())
                }
                Err(refusal) => {
                    info!(%session, %refusal, "session refused");
                    let effects = hub.registry.end(session, None);
                    app.apply(&hub, effects);
                    Err(refusal)
                }
            }
        };
        // The task ends early only when the runtime stops.
        tokio::spawn(finishing.in_current_span()).await.unwrap_or(Err(Refusal::WorkerSilent))
    }
}

/// Sessions do not move between nodes yet, so nothing ever raises it.
pub(super) const FIRST_EPOCH: Epoch = Epoch(1);
