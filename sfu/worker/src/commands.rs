//! Owns the execution of signaling's commands: parse, judge, tell the core, remember, answer. The answer is
//! sent before anything that follows from it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use chappe_sfu_api::{
    CloseReason, Command, CommandError, Epoch, ErrorCode, Event, IceCredentials, Media, PointedViewer, RequestId,
    SessionId, SessionSpec, Tile, TrackId, WorkerRequest,
};
use chappe_sfu_core::Now;
use serde::Deserialize;

use crate::control::{ClientId, Disconnect};
use crate::event_loop::{DRAIN_MAX, Drain, Worker};
use crate::sessions::Fence;
use crate::translate::{IntoApi, ToCore as _};
use crate::validate::Objection;
use crate::{translate, validate};

impl Worker {
    /// One line from signaling. A line that is no command is answered where it names its request, and ends
    /// the connection where it does not: then the two sides have lost each other.
    pub(crate) fn handle_line(&mut self, now: Now, client: ClientId, line: &[u8]) {
        match serde_json::from_slice::<WorkerRequest>(line) {
            Ok(request) => self.execute_contained(now, client, request),
            Err(error) => match serde_json::from_slice::<Envelope>(line) {
                Ok(Envelope { request }) => {
                    // The parser repeats what it was given, which may be a megabyte.
                    let error: String = error.to_string().chars().take(ERROR_CHARS_MAX).collect();
                    let error = invalid(format!("not a command of this version: {error}"));
                    self.control.send(client, &Event::Failed { request, error });
                }
                Err(_) => self.drop_client(client, Disconnect::NotALine),
            },
        }
    }

    /// A command carries what clients wrote in their offers: one that panics is refused, and the others are served.
    fn execute_contained(&mut self, now: Now, client: ClientId, request: WorkerRequest) {
        let id = request.request;
        if catch_unwind(AssertUnwindSafe(|| self.execute(now, client, request))).is_err() {
            let error = invalid("the worker panicked on this command: its log says where".to_owned());
            self.control.send(client, &Event::Failed { request: id, error });
        }
    }

    fn execute(&mut self, now: Now, client: ClientId, WorkerRequest { request, command }: WorkerRequest) {
        let outcome = match command {
            Command::Snapshot => {
                let sessions = self.sessions.ids().collect();
                return self.control.start_snapshot(client, request, sessions);
            }
            Command::OpenSession(spec) => self.open_session(now, *spec),
            Command::SetMedia { session, epoch, media, note } => self.set_media(now, session, epoch, media, note),
            Command::PointTracks { viewers } => self.point_tracks(now, viewers),
            Command::RestartIce { session, epoch, local_ice, remote_ice, note } => {
                self.restart_ice(now, session, epoch, local_ice, remote_ice, note)
            }
            Command::CloseSession { session, epoch, reason } => self.close_session(now, session, epoch, reason),
            Command::SetView { session, epoch, tiles } => self.set_view(now, session, epoch, &tiles),
            Command::RequestKeyframe { track } => self.request_keyframe(now, track),
            Command::SessionStats { session } => self.session_stats(client, request, session),
            Command::SetPeer(spec) => self.set_peer(now, &spec),
            Command::RemovePeer { peer } => self.remove_peer(now, peer),
            Command::SetOrigin(spec) => self.set_origin(now, spec),
            Command::RemoveOrigin { track } => self.remove_origin(now, track),
            Command::Relays => self.tell_relays(client, request),
            Command::ReleaseRelays => self.release_relays(now),
            Command::Drain { deadline_ms } => self.start_drain(now, deadline_ms),
            Command::CancelDrain => self.cancel_drain(),
        };
        let answer = match outcome {
            Ok(()) => Event::Done { request },
            Err(error) => {
                if error.code == ErrorCode::StaleEpoch {
                    self.meter.note_stale_command();
                }
                Event::Failed { request, error }
            }
        };
        self.control.send(client, &answer);
    }

    fn open_session(&mut self, now: Now, spec: SessionSpec) -> Result<(), CommandError> {
        if let Some(known) = self.sessions.spec(spec.session) {
            return match *known == spec {
                true => Ok(()),
                false if spec.epoch < known.epoch => Err(stale(known.epoch)),
                false => Err(failure(ErrorCode::Exists, "another session has this id")),
            };
        }
        if let Fence::Stale(seen) = self.sessions.fence(spec.session, spec.epoch) {
            return Err(stale(seen));
        }
        if self.drain != Drain::Serving {
            return Err(failure(ErrorCode::Draining, "the worker drains and takes no new sessions"));
        }
        if self.overload.refuses() {
            return Err(failure(ErrorCode::Limit, "the worker has more to send than its core can"));
        }
        validate::session(&spec).map_err(invalid)?;
        let core_spec = translate::spec_to_core(&spec).map_err(invalid)?;
        self.core.open_session(now, core_spec).map_err(IntoApi::into_api)?;
        tracing::info!(session = %spec.session, "session opened");
        self.sessions.insert(now.mono, spec);
        Ok(())
    }

    fn set_media(
        &mut self,
        now: Now,
        session: SessionId,
        epoch: Epoch,
        media: Media,
        note: String,
    ) -> Result<(), CommandError> {
        self.fence(session, epoch)?;
        validate::media(&media).map_err(invalid)?;
        validate::note(&note).map_err(invalid)?;
        let (id, epoch) = (session.to_core(), epoch.to_core());
        self.core.set_media(now, id, epoch, media.to_core()).map_err(IntoApi::into_api)?;
        self.sessions.update(session, |spec| (spec.media, spec.note) = (media, note));
        Ok(())
    }

    fn set_view(&mut self, now: Now, session: SessionId, epoch: Epoch, tiles: &[Tile]) -> Result<(), CommandError> {
        self.fence(session, epoch)?;
        validate::tiles(tiles).map_err(invalid)?;
        let (id, epoch) = (session.to_core(), epoch.to_core());
        let tiles = tiles.iter().map(translate::tile_to_core);
        self.core.set_view(now, id, epoch, tiles).map_err(IntoApi::into_api)
    }

    fn point_tracks(&mut self, now: Now, viewers: Vec<PointedViewer>) -> Result<(), CommandError> {
        let mut outcome = Ok(());
        for viewer in viewers {
            match self.point_viewer(now, viewer) {
                Err(error) if error.code == ErrorCode::StaleEpoch => self.meter.note_stale_command(),
                // It ended while the command was on its way.
                Err(error) if error.code == ErrorCode::NotFound => {}
                Err(error) => outcome = Err(error),
                Ok(()) => {}
            }
        }
        outcome
    }

    fn point_viewer(&mut self, now: Now, viewer: PointedViewer) -> Result<(), CommandError> {
        let PointedViewer { session, epoch, tracks } = viewer;
        self.fence(session, epoch)?;
        let mut media = self.sessions.spec(session).ok_or_else(unknown_session)?.media.clone();
        media.point(tracks);
        validate::media(&media).map_err(invalid)?;
        let (id, epoch) = (session.to_core(), epoch.to_core());
        self.core.set_media(now, id, epoch, media.to_core()).map_err(IntoApi::into_api)?;
        self.sessions.update(session, |spec| spec.media = media);
        Ok(())
    }

    fn restart_ice(
        &mut self,
        now: Now,
        session: SessionId,
        epoch: Epoch,
        local: IceCredentials,
        remote: IceCredentials,
        note: String,
    ) -> Result<(), CommandError> {
        self.fence(session, epoch)?;
        validate::ice("local_ice", &local).map_err(invalid)?;
        validate::ice("remote_ice", &remote).map_err(invalid)?;
        validate::note(&note).map_err(invalid)?;
        let (id, epoch) = (session.to_core(), epoch.to_core());
        let (core_local, core_remote) = (local.to_core(), remote.to_core());
        self.core.restart_ice(now, id, epoch, core_local, core_remote).map_err(IntoApi::into_api)?;
        self.sessions.update(session, |spec| (spec.local_ice, spec.remote_ice, spec.note) = (local, remote, note));
        Ok(())
    }

    fn close_session(
        &mut self,
        now: Now,
        session: SessionId,
        epoch: Epoch,
        reason: CloseReason,
    ) -> Result<(), CommandError> {
        match self.sessions.fence(session, epoch) {
            Fence::Stale(seen) => Err(stale(seen)),
            Fence::Unknown => Ok(()),
            Fence::Open => {
                let (id, epoch) = (session.to_core(), epoch.to_core());
                let reason = reason.to_core();
                self.core.close_session(now, id, epoch, reason).map_err(IntoApi::into_api)
            }
        }
    }

    fn request_keyframe(&mut self, now: Now, track: TrackId) -> Result<(), CommandError> {
        self.core.request_keyframe(now, track.to_core()).map_err(IntoApi::into_api)
    }

    fn session_stats(&mut self, client: ClientId, request: RequestId, session: SessionId) -> Result<(), CommandError> {
        let stats = self.core.session_stats(session.to_core()).ok_or_else(unknown_session)?;
        let stats = stats.into_api();
        self.control.send(client, &Event::Stats { request, stats });
        Ok(())
    }

    fn start_drain(&mut self, now: Now, deadline_ms: u64) -> Result<(), CommandError> {
        let limit = Duration::from_millis(deadline_ms).min(DRAIN_MAX);
        self.drain = Drain::Until(now.mono + limit);
        tracing::info!(sessions = self.sessions.len(), deadline_ms, "drain started");
        self.core.release_children(now);
        self.broadcast_load();
        Ok(())
    }

    fn cancel_drain(&mut self) -> Result<(), CommandError> {
        if self.drain != Drain::Serving {
            self.drain = Drain::Serving;
            tracing::info!("drain cancelled");
            self.broadcast_load();
        }
        Ok(())
    }

    fn fence(&mut self, session: SessionId, epoch: Epoch) -> Result<(), CommandError> {
        match self.sessions.fence(session, epoch) {
            Fence::Open => Ok(()),
            Fence::Unknown => Err(unknown_session()),
            Fence::Stale(seen) => Err(stale(seen)),
        }
    }
}

const ERROR_CHARS_MAX: usize = 300;

/// What every line has, whatever its command says.
#[derive(Deserialize)]
struct Envelope {
    request: RequestId,
}

fn failure(code: ErrorCode, message: impl Into<String>) -> CommandError {
    CommandError { code, message: message.into() }
}

fn invalid(objection: Objection) -> CommandError {
    failure(ErrorCode::Invalid, objection)
}

fn stale(seen: Epoch) -> CommandError {
    failure(ErrorCode::StaleEpoch, format!("epoch {} was seen for this session", seen.0))
}

fn unknown_session() -> CommandError {
    failure(ErrorCode::NotFound, "no session has this id")
}
