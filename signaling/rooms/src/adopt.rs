//! Owns taking up what a worker reports: after a restart of signaling, and after each reconnection.

use std::collections::HashSet;

use chappe_sfu_api::{Boot, CloseReason, Command, SessionId, SessionSnapshot, TrackId, WorkerIndex};

use crate::attempt::Proof;
use crate::effect::{Effect, LostReason, StreamNotice};
use crate::note::Role;
use crate::registry::Registry;
use crate::session::{Phase, Session};

impl Registry {
    /// Makes the registry and a worker agree. What the registry wants of a session it knows goes to the
    /// worker; what only the worker knows is taken up, or closed if there is no place for it any more.
    pub fn adopt(&mut self, worker: WorkerIndex, boot: Boot, snapshots: Vec<SessionSnapshot>) -> Vec<Effect> {
        let mut effects = self.handle_worker_lost(worker, Some(boot));
        effects.extend(self.forget_missing(worker, &snapshots));
        // Publishers first, so that viewers find what they watch.
        let (publishers, viewers): (Vec<_>, Vec<_>) =
            snapshots.into_iter().partition(|snapshot| !snapshot.spec.media.receive.is_empty());
        for snapshot in publishers.into_iter().chain(viewers) {
            effects.extend(self.take_up(worker, boot, snapshot));
        }
        effects
    }

    /// Sessions that ended while nobody listened.
    fn forget_missing(&mut self, worker: WorkerIndex, snapshots: &[SessionSnapshot]) -> Vec<Effect> {
        let there: HashSet<SessionId> = snapshots.iter().map(|snapshot| snapshot.spec.session).collect();
        let missing = |session: &&Session| {
            session.worker == worker && session.phase != Phase::Opening && !there.contains(&session.id)
        };
        let missing: Vec<SessionId> = self.sessions.values().filter(missing).map(|session| session.id).collect();
        missing.into_iter().flat_map(|id| self.forget(id, Some(LostReason::Expired))).collect()
    }

    fn take_up(&mut self, worker: WorkerIndex, boot: Boot, snapshot: SessionSnapshot) -> Vec<Effect> {
        let (id, epoch) = (snapshot.spec.session, snapshot.spec.epoch);
        if self.sessions.contains_key(&id) {
            return self.compare(snapshot);
        }
        let active = snapshot.active.clone();
        match Session::from_snapshot(worker, boot, snapshot).filter(|session| self.has_place_for(session)) {
            Some(session) => self.insert(session, &active),
            None => {
                tracing::warn!(session = %id, worker = worker.0, "a session can't be taken up and is closed");
                let close = Command::CloseSession { session: id, epoch, reason: CloseReason::Requested };
                vec![Effect::Command(worker, close)]
            }
        }
    }

    fn compare(&mut self, snapshot: SessionSnapshot) -> Vec<Effect> {
        let id = snapshot.spec.session;
        let mut effects = self.handle_state(id, snapshot.state);
        if let Some((room, name, stream)) = self.published_by(id) {
            let mut changed = false;
            for track in &mut stream.tracks {
                let active = snapshot.active.contains(&track.source.track);
                changed |= std::mem::replace(&mut track.active, active) != active;
            }
            if changed {
                effects.push(Effect::Announce(room.clone(), name.clone()));
                effects.push(Effect::TellRoom(room, StreamNotice::Changed(name)));
            }
        }
        let Some(session) = self.sessions.get(&id).filter(|session| session.phase != Phase::Opening) else {
            return effects;
        };
        if session.media != snapshot.spec.media
            && let Ok(note) = session.note.to_text()
        {
            let set = Command::SetMedia { session: id, epoch: session.epoch, media: session.media.clone(), note };
            effects.push(Effect::Command(session.worker, set));
        }
        effects
    }

    /// A name that is taken has no place for it, unless by an owner with a lower epoch. Caps are for who comes: what goes
    /// on was let in, maybe under higher ones.
    fn has_place_for(&self, session: &Session) -> bool {
        let Role::Publish { stream, .. } = &session.note.role else { return true };
        let Some(there) = self.rooms.get(&session.note.room) else { return true };
        let outranked = there.streams.get(stream).is_some_and(|holder| holder.epoch < session.epoch);
        outranked || !self.is_held(there, stream, &Proof::default())
    }

    fn insert(&mut self, session: Session, active: &[TrackId]) -> Vec<Effect> {
        let (id, room_name, told) = (session.id, session.note.room.clone(), self.occurrences.len());
        if let Some(owner) = session.note.owner.clone().filter(|owner| owner.home == self.own) {
            self.restore_member(&owner, &room_name, id);
        }
        let role = session.note.role.clone();
        self.rooms.entry(room_name.clone()).or_default().enter(&session);
        self.sessions.insert(session);
        self.recount(id);
        let effects = match role {
            Role::Publish { stream: name, .. } => self.go_live(id, &room_name, &name, active),
            Role::Watch { .. } => {
                self.note_unheard(id);
                self.attach_viewer(id)
            }
        };
        // The process before told of it when it came.
        self.occurrences.truncate(told);
        effects
    }

    /// Tracks of nodes that are not heard of yet go on as the worker has them, until these nodes are heard or all
    /// that there are have been.
    fn note_unheard(&mut self, viewer: SessionId) {
        if self.is_complete {
            return;
        }
        let lines = self.sessions.get(&viewer).into_iter().flat_map(|session| &session.media.send);
        let unheard = lines.filter_map(|line| line.source).filter(|track| !self.tracks.contains_key(track));
        self.unheard.extend(unheard);
    }

    /// Whether a stream that is not known here is not there.
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Every node had the time to tell its streams: what is not there is over.
    pub fn handle_view_complete(&mut self) -> Vec<Effect> {
        self.is_complete = true;
        // Pages that were told of an incomplete list went on with what they knew.
        let mut effects: Vec<Effect> =
            self.rooms.keys().map(|room| Effect::TellRoom(room.clone(), StreamNotice::All)).collect();
        self.unheard.clear();
        let viewers: Vec<SessionId> = self.sessions.keys().copied().collect();
        effects.extend(viewers.into_iter().flat_map(|viewer| self.attach_viewer(viewer)));
        effects
    }

    /// Other nodes can't be heard: from now on a track that is not known may still be there.
    pub fn handle_view_incomplete(&mut self) {
        self.is_complete = false;
    }
}
