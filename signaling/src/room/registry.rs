//! Owns the tables of rooms, sessions and members, and the rules for opening and closing sessions.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chappe_sfu_api::{Boot, CloseReason, Command, SessionId, SessionState, TrackId, WorkerIndex};

use super::{Connection, Effect, LostReason, Member, MemberId, Notice, ResumeSecret, RoomName, Stream, StreamName};
use crate::refusal::{Limit, Refusal};
use crate::session::{Phase, Role, Session};

/// Everything signaling remembers about clients. All of it can be told again by the workers.
#[derive(Debug, Default)]
pub struct Registry {
    pub(super) rooms: BTreeMap<RoomName, Room>,
    pub(super) sessions: HashMap<SessionId, Session>,
    pub(super) members: HashMap<MemberId, Member>,
    pub(super) secrets: HashMap<ResumeSecret, MemberId>,
}

/// A room exists as long as someone or something is in it.
#[derive(Debug, Default)]
pub struct Room {
    pub streams: BTreeMap<StreamName, Stream>,
    pub members: BTreeSet<MemberId>,
    /// Publishers and viewers, also those still opening.
    pub sessions: BTreeSet<SessionId>,
    /// Names taken by publishers whose session the worker has not confirmed yet.
    pub(super) reserved: BTreeMap<StreamName, SessionId>,
}

impl Registry {
    pub fn room(&self, name: &RoomName) -> Option<&Room> {
        self.rooms.get(name)
    }

    pub fn rooms(&self) -> impl Iterator<Item = (&RoomName, &Room)> {
        self.rooms.iter()
    }

    pub fn session(&self, id: SessionId) -> Option<&Session> {
        self.sessions.get(&id)
    }

    pub fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.sessions.values()
    }

    pub fn member(&self, id: MemberId) -> Option<&Member> {
        self.members.get(&id)
    }

    pub fn members(&self) -> usize {
        self.members.len()
    }

    pub fn stream(&self, room: &RoomName, stream: &StreamName) -> Option<&Stream> {
        self.rooms.get(room)?.streams.get(stream)
    }

    /// The worker that carries a room: until relays exist, all sessions of a room are on one.
    pub fn worker_of(&self, room: &RoomName) -> Option<WorkerIndex> {
        let room = self.rooms.get(room)?;
        room.sessions.iter().find_map(|id| self.sessions.get(id)).map(|session| session.worker)
    }

    /// Whether `member` (none: WHIP) may publish under a name now.
    pub fn check_publish(
        &self,
        room: &RoomName,
        stream: &StreamName,
        member: Option<MemberId>,
        takeover: bool,
    ) -> Result<(), Refusal> {
        let Some(there) = self.rooms.get(room) else {
            return self.check_new_room();
        };
        let holder = there.reserved.get(stream).copied().or_else(|| there.streams.get(stream).map(|s| s.session));
        match holder {
            // A page that lost its connection publishes its own stream again without being asked.
            Some(holder) if takeover || (member.is_some() && self.owner_of(holder) == member) => Ok(()),
            Some(holder) if self.gives_way(holder) => Ok(()),
            Some(_) => Err(Refusal::StreamExists(stream.clone())),
            None if there.streams.len() + there.reserved.len() >= STREAMS_PER_ROOM_MAX => {
                Err(Refusal::TooMany(Limit::Streams(STREAMS_PER_ROOM_MAX)))
            }
            None => Ok(()),
        }
    }

    /// Whether a viewer or a member may enter a room that may not exist yet.
    pub fn check_new_room(&self) -> Result<(), Refusal> {
        if self.rooms.len() >= ROOMS_MAX {
            return Err(Refusal::TooMany(Limit::Rooms(ROOMS_MAX)));
        }
        Ok(())
    }

    /// A publisher that crashed is back within seconds, under the same name and as a new client. It need not
    /// wait until consent to its old session has expired (RFC 7675). A page that is connected gives way to
    /// nobody: it is about to restart ICE.
    fn gives_way(&self, holder: SessionId) -> bool {
        let Some(session) = self.sessions.get(&holder) else {
            return true;
        };
        let member = session.member().and_then(|member| self.members.get(&member));
        let is_connected = member.is_some_and(|member| matches!(member.connection, Connection::Up(_)));
        session.phase == Phase::Open(SessionState::Disconnected) && !is_connected
    }

    pub(super) fn owner_of(&self, session: SessionId) -> Option<MemberId> {
        self.sessions.get(&session).and_then(Session::member)
    }

    /// Enters a session whose worker has yet to confirm it. A publisher's name is taken from now on.
    pub fn open(&mut self, session: Session) -> Result<(), Refusal> {
        if let Some(member) = session.member() {
            let member = self.members.get_mut(&member).ok_or(Refusal::NoSuchSession)?;
            if member.sessions.len() >= SESSIONS_PER_MEMBER_MAX {
                return Err(Refusal::TooMany(Limit::SessionsOfMember(SESSIONS_PER_MEMBER_MAX)));
            }
            member.sessions.insert(session.id);
        }
        let room = self.rooms.entry(session.note.room.clone()).or_default();
        room.sessions.insert(session.id);
        if let Role::Publish { stream, .. } = &session.note.role {
            room.reserved.insert(stream.clone(), session.id);
        }
        self.sessions.insert(session.id, session);
        Ok(())
    }

    /// The worker confirmed a session. A publisher's stream is live from now on, unless someone else
    /// took the name meanwhile.
    pub fn confirm(&mut self, id: SessionId) -> Result<Vec<Effect>, Refusal> {
        let session = self.sessions.get_mut(&id).ok_or(Refusal::NoSuchSession)?;
        if session.phase == Phase::Opening {
            session.phase = Phase::Open(SessionState::New);
        }
        let Role::Publish { stream: name, muted, sdp } = &session.note.role else {
            return Ok(Vec::new());
        };
        let (room_name, name) = (session.note.room.clone(), name.clone());
        let stream = Stream::new(id, session.note.since_ms, sdp, muted, &[]);
        let room = self.rooms.get_mut(&room_name).ok_or(Refusal::NoSuchSession)?;
        if room.reserved.get(&name) != Some(&id) {
            return Err(Refusal::StreamExists(name));
        }
        room.reserved.remove(&name);
        let replaced = room.streams.insert(name.clone(), stream);
        let mut effects = Vec::new();
        let notice = match &replaced {
            Some(_) => Notice::StreamChanged(name.clone()),
            None => Notice::StreamAdded(name.clone()),
        };
        effects.push(Effect::TellRoom(room_name.clone(), notice));
        effects.extend(self.reattach(&room_name, &name));
        if let Some(old) = replaced {
            effects.extend(self.end(old.session, Some(LostReason::TakenOver)));
        }
        Ok(effects)
    }

    /// Ends a session from this side: the worker is told too. `told` is what its page hears.
    pub fn end(&mut self, id: SessionId, told: Option<LostReason>) -> Vec<Effect> {
        let Some(session) = self.sessions.get(&id) else {
            return Vec::new();
        };
        let close = Command::CloseSession { session: id, epoch: session.epoch, reason: CloseReason::Requested };
        let mut effects = vec![Effect::Command(session.worker, close)];
        effects.extend(self.forget(id, told));
        effects
    }

    /// A session is gone on its worker.
    pub fn handle_closed(&mut self, id: SessionId, reason: CloseReason) -> Vec<Effect> {
        let told = match reason {
            CloseReason::Requested | CloseReason::Drained => LostReason::Ended,
            CloseReason::ClientClosed | CloseReason::ConnectTimeout | CloseReason::ConsentExpired => {
                LostReason::Expired
            }
            CloseReason::FingerprintMismatch | CloseReason::DtlsFailed => LostReason::Failed,
        };
        self.forget(id, Some(told))
    }

    /// A worker process is gone, and with it all its sessions (but for those of a later boot).
    pub fn handle_worker_lost(&mut self, worker: WorkerIndex, alive: Option<Boot>) -> Vec<Effect> {
        let on_it = |session: &&Session| session.worker == worker && Some(session.boot) != alive;
        let lost = self.sessions.values().filter(on_it);
        // Viewers first: then nobody is left to be detached from the publishers.
        let mut lost: Vec<(bool, SessionId)> = lost.map(|session| (session.publishes(), session.id)).collect();
        lost.sort_unstable();
        let forget = |(_, id)| self.forget(id, Some(LostReason::WorkerDied));
        let mut effects: Vec<Effect> = lost.into_iter().flat_map(forget).collect();
        // The next process knows nothing of what the one before was to do.
        effects.retain(|effect| alive.is_some() || !matches!(effect, Effect::Command(to, _) if *to == worker));
        effects
    }

    pub fn handle_state(&mut self, id: SessionId, state: SessionState) {
        if let Some(session) = self.sessions.get_mut(&id)
            && session.phase != Phase::Opening
        {
            session.phase = Phase::Open(state);
        }
    }

    pub fn handle_track_active(&mut self, id: SessionId, track: TrackId, active: bool) -> Vec<Effect> {
        let Some((room, name, stream)) = self.published_by(id) else {
            return Vec::new();
        };
        let Some(track) = stream.tracks.iter_mut().find(|known| known.source.track == track) else {
            return Vec::new();
        };
        if std::mem::replace(&mut track.active, active) == active {
            return Vec::new();
        }
        vec![Effect::TellRoom(room, Notice::StreamChanged(name))]
    }

    /// The live stream of a publisher's session.
    pub(super) fn published_by(&mut self, id: SessionId) -> Option<(RoomName, StreamName, &mut Stream)> {
        let session = self.sessions.get(&id)?;
        let Role::Publish { stream: name, .. } = &session.note.role else {
            return None;
        };
        let stream = self.rooms.get_mut(&session.note.room)?.streams.get_mut(name)?;
        let (room, name) = (session.note.room.clone(), name.clone());
        (stream.session == id).then_some((room, name, stream))
    }

    /// Removes a session from all tables.
    pub(super) fn forget(&mut self, id: SessionId, told: Option<LostReason>) -> Vec<Effect> {
        let Some(session) = self.sessions.remove(&id) else {
            return Vec::new();
        };
        let mut effects = Vec::new();
        if let Some(member) = session.member().and_then(|member| self.members.get_mut(&member)) {
            member.sessions.remove(&id);
            if let Some(reason) = told {
                effects.push(Effect::Tell(member.id, Notice::SessionLost(id, reason)));
            }
        }
        let room_name = session.note.room.clone();
        if let Some(room) = self.rooms.get_mut(&room_name) {
            room.sessions.remove(&id);
            if let Role::Publish { stream, .. } = &session.note.role {
                if room.reserved.get(stream) == Some(&id) {
                    room.reserved.remove(stream);
                }
                if room.streams.get(stream).is_some_and(|live| live.session == id) {
                    room.streams.remove(stream);
                    effects.push(Effect::TellRoom(room_name.clone(), Notice::StreamRemoved(stream.clone())));
                    effects.extend(self.reattach(&room_name, stream));
                }
            }
        }
        if let Some(member) = session.member() {
            self.drop_member_if_over(member);
        }
        self.drop_room_if_empty(&room_name);
        effects
    }

    pub(super) fn drop_room_if_empty(&mut self, name: &RoomName) {
        let empty = |room: &Room| room.sessions.is_empty() && room.members.is_empty();
        if self.rooms.get(name).is_some_and(empty) {
            self.rooms.remove(name);
        }
    }
}

/// Most rooms of one node.
pub const ROOMS_MAX: usize = 20_000;

/// Most streams of one room.
pub const STREAMS_PER_ROOM_MAX: usize = 256;

/// Most sessions of one page.
pub const SESSIONS_PER_MEMBER_MAX: usize = 64;
