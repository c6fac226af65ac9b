//! Owns the tables of rooms, sessions and members, and the rules for opening and closing sessions.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chappe_cluster::{MemberId, NodeName, RoomName, StreamName};
use chappe_sfu_api::{Boot, CloseReason, Command, SessionId, SessionState, TrackId, WorkerIndex};

use crate::address::ClientAddress;
use crate::alias::SessionAlias;
use crate::audience::Audience;
use crate::effect::{Effect, LostReason, SessionNotice, StreamNotice};
use crate::ended::EndedStream;
use crate::error::{RoomError, RoomLimit};
use crate::limits::{Caps, SESSIONS_PER_MEMBER_MAX};
use crate::member::Member;
use crate::note::{Owner, Role};
use crate::occurrence::Occurrence;
use crate::per_address::PerAddress;
use crate::session::{Phase, Session};
use crate::sessions::Sessions;
use crate::stream::{Stream, TrackHome};

/// Everything signaling remembers about clients. All of it can be told again by the workers.
#[derive(Debug)]
pub struct Registry {
    /// This node.
    pub(super) own: NodeName,
    pub(super) caps: Caps,
    pub(super) rooms: BTreeMap<RoomName, Room>,
    pub(super) sessions: Sessions,
    pub(super) members: HashMap<MemberId, Member>,
    /// Number of the last connection of any page. A page that leaves and comes back has no number twice, so that
    /// the late end of an old connection is never taken for the end of its present one.
    pub(super) connections: u64,
    /// Of all streams, here and on other nodes.
    pub(super) tracks: HashMap<TrackId, TrackHome>,
    /// That workers sent when they were taken up, of streams that no node has told of yet.
    pub(super) unheard: HashSet<TrackId>,
    /// Every node had the time to tell its streams, and has.
    pub(super) is_complete: bool,
    /// Streams that ended, or were taken over, a moment ago.
    pub(super) ended: HashMap<(RoomName, StreamName), EndedStream>,
    /// That nobody publishes any more.
    pub(super) gone_tracks: Vec<TrackId>,
    /// That nobody was told of yet.
    pub(super) occurrences: Vec<Occurrence>,
    /// Who watches and is no member.
    pub audience: Audience,
    /// Sessions that are not connected yet.
    connecting: PerAddress<SessionId>,
    pub(super) members_by_address: PerAddress<MemberId>,
}

/// A room exists as long as someone or something is in it.
#[derive(Debug, Default)]
pub struct Room {
    pub streams: BTreeMap<StreamName, Stream>,
    pub members: BTreeSet<MemberId>,
    /// Publishers and viewers, also those still opening.
    pub sessions: BTreeSet<SessionId>,
    /// How many of these are on which worker.
    workers: BTreeMap<WorkerIndex, usize>,
    /// Names that publishers ask for whose session the worker has not confirmed yet.
    pub(super) opening: BTreeMap<StreamName, SessionId>,
    /// Names of pages that move their streams: of the session that waits for its media.
    pub(super) waiting: BTreeMap<StreamName, SessionId>,
}

impl Registry {
    pub fn new(own: NodeName, caps: Caps) -> Registry {
        Registry {
            own,
            caps,
            rooms: BTreeMap::new(),
            sessions: Sessions::default(),
            members: HashMap::new(),
            connections: 0,
            tracks: HashMap::new(),
            unheard: HashSet::new(),
            is_complete: false,
            ended: HashMap::new(),
            gone_tracks: Vec::new(),
            occurrences: Vec::new(),
            audience: Audience::default(),
            connecting: PerAddress::default(),
            members_by_address: PerAddress::default(),
        }
    }

    pub fn room(&self, name: &RoomName) -> Option<&Room> {
        self.rooms.get(name)
    }

    pub fn rooms(&self) -> impl Iterator<Item = (&RoomName, &Room)> {
        self.rooms.iter()
    }

    pub fn stream(&self, room: &RoomName, stream: &StreamName) -> Option<&Stream> {
        self.rooms.get(room)?.streams.get(stream)
    }

    pub fn session(&self, id: SessionId) -> Option<&Session> {
        self.sessions.get(&id)
    }

    /// Whether the session of this alias, of WHIP or WHEP, is there.
    pub fn has_session(&self, alias: SessionAlias) -> bool {
        self.sessions.of_alias(alias).is_some()
    }

    /// The session that an operator names, by its id or by its alias.
    pub fn named(&self, name: SessionId) -> SessionId {
        self.sessions.of_alias(SessionAlias::read(name)).unwrap_or(name)
    }

    pub fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.sessions.values()
    }

    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    pub fn sessions_on(&self, worker: WorkerIndex) -> usize {
        self.sessions.on_worker(worker)
    }

    /// Sessions of pages.
    pub fn page_sessions(&self) -> impl Iterator<Item = SessionId> {
        self.sessions.of_pages()
    }

    pub fn member(&self, id: MemberId) -> Option<&Member> {
        self.members.get(&id)
    }

    /// Whether a page is here, is waited for, or has left a session here behind when it went to another node.
    pub fn is_there(&self, id: MemberId) -> bool {
        self.members.contains_key(&id) || self.sessions.of_page(id).next().is_some()
    }

    pub fn members(&self) -> usize {
        self.members.len()
    }

    /// Whether a viewer or a member may enter a room that may not exist yet.
    pub fn check_new_room(&self) -> Result<(), RoomError> {
        match self.rooms.len() >= self.caps.rooms {
            true => Err(RoomError::TooMany(RoomLimit::Rooms(self.caps.rooms))),
            false => Ok(()),
        }
    }

    /// Enters a session whose worker has yet to confirm it. A publisher's name is taken from now on; what has it goes on
    /// until then, and for good if the worker refuses.
    pub fn open(&mut self, session: Session) -> Result<(), RoomError> {
        if let Some(owner) = session.note.owner.as_ref().filter(|owner| owner.home == self.own) {
            let member = self.members.get_mut(&owner.member).ok_or(RoomError::NoSuchSession)?;
            if member.sessions.len() >= SESSIONS_PER_MEMBER_MAX {
                return Err(RoomError::TooMany(RoomLimit::SessionsOfMember));
            }
            member.sessions.insert(session.id);
        }
        let (name, was_used) = (session.note.room.clone(), self.is_used(&session.note.room));
        let room = self.rooms.entry(name.clone()).or_default();
        room.enter(&session);
        if let Role::Publish { stream, .. } = &session.note.role {
            room.opening.insert(stream.clone(), session.id);
        }
        let id = session.id;
        self.sessions.insert(session);
        self.report_room(&name, was_used);
        self.recount(id);
        Ok(())
    }

    /// Whether an address that may have so many sessions that are not connected yet may have one more.
    pub fn check_connecting(&self, address: ClientAddress, each_max: usize) -> Result<(), RoomError> {
        match self.connecting.of(address) >= each_max {
            true => Err(RoomError::TooMany(RoomLimit::Connecting(each_max))),
            false => Ok(()),
        }
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
            CloseReason::FingerprintMismatch | CloseReason::DtlsFailed | CloseReason::Fault => LostReason::Failed,
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
        let is_for_it =
            |effect: &Effect| matches!(effect, Effect::Command(to, _) | Effect::Point(to, _) if *to == worker);
        effects.retain(|effect| alive.is_some() || !is_for_it(effect));
        effects
    }

    /// The name of a publisher that fell silent, or is heard again, is told to other nodes.
    pub fn handle_state(&mut self, id: SessionId, state: SessionState) -> Vec<Effect> {
        let gave_way = self.gives_way(id);
        if let Some(session) = self.sessions.get(&id).filter(|session| session.phase != Phase::Opening).cloned() {
            self.report_session(&session, Some(state));
        }
        match self.sessions.get_mut(&id) {
            Some(session) if session.phase != Phase::Opening => session.phase = Phase::Open(state),
            _ => return Vec::new(),
        }
        self.recount(id);
        match self.published_by(id).map(|(room, name, _)| (room, name)) {
            Some((room, name)) if self.gives_way(id) != gave_way => vec![Effect::Announce(room, name)],
            _ => Vec::new(),
        }
    }

    pub fn handle_track_active(&mut self, id: SessionId, track: TrackId, active: bool) -> Vec<Effect> {
        let Some((room, name, stream)) = self.published_by(id) else {
            return if active { self.succeed(id, track) } else { Vec::new() };
        };
        let Some(track) = stream.tracks.iter_mut().find(|known| known.source.track == track) else {
            return Vec::new();
        };
        if std::mem::replace(&mut track.active, active) == active {
            return Vec::new();
        }
        vec![Effect::Announce(room.clone(), name.clone()), Effect::TellRoom(room, StreamNotice::Changed(name))]
    }

    /// Whether a session is one of those that watch without a member, or of those that have yet to connect.
    pub(super) fn recount(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        let is_there = matches!(session.phase, Phase::Open(SessionState::Connected | SessionState::Disconnected));
        let is_unnamed = session.note.owner.is_none() || self.audience.has_left(id);
        self.audience.set(id, &session.note.room, is_there && is_unnamed && !session.publishes());
        match session.note.attempt.as_ref().and_then(|attempt| attempt.address).filter(|_| !is_there) {
            Some(address) => self.connecting.insert(id, address),
            None => self.connecting.remove(&id),
        }
    }

    /// The page of a session is gone while media flows, or is back.
    pub(super) fn set_left(&mut self, id: SessionId, left: bool) {
        self.audience.set_left(id, left);
        self.recount(id);
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
        self.audience.forget(id);
        self.connecting.remove(&id);
        let mut effects = Vec::new();
        if let Some(member) = session.member().and_then(|member| self.members.get_mut(&member)) {
            member.sessions.remove(&id);
        }
        if let (Some(reason), Some(owner)) = (told, &session.note.owner) {
            effects.push(self.tell(owner, SessionNotice::SessionLost(id, reason)));
        }
        let room_name = session.note.room.clone();
        let was_used = self.is_used(&room_name);
        if let Some(room) = self.rooms.get_mut(&room_name) {
            room.leave(&session);
        }
        if let Role::Publish { stream, .. } = &session.note.role {
            effects.extend(self.end_stream(id, &room_name, stream));
        }
        self.report_session(&session, None);
        self.report_room(&room_name, was_used);
        if let Some(member) = session.member() {
            self.drop_member_if_over(member);
        }
        self.drop_room_if_empty(&room_name);
        effects
    }

    /// The session of a publisher is gone. Another one of the same page that waits for media takes its place.
    fn end_stream(&mut self, id: SessionId, room_name: &RoomName, name: &StreamName) -> Vec<Effect> {
        let Some(room) = self.rooms.get_mut(room_name) else {
            return Vec::new();
        };
        for names in [&mut room.opening, &mut room.waiting] {
            if names.get(name) == Some(&id) {
                names.remove(name);
            }
        }
        if room.streams.get(name).is_none_or(|live| live.session != id) {
            return Vec::new();
        }
        if let Some(next) = room.waiting.get(name).copied() {
            return self.go_live(next, room_name, name, &[]);
        }
        let removed = self.remove_stream(room_name, name);
        removed.iter().for_each(|stream| self.note_ended(room_name, name, stream));
        self.report_stream(room_name, name, removed.as_ref(), None);
        let epoch = removed.map(|stream| stream.epoch).unwrap_or_default();
        let mut effects = vec![
            Effect::Withdraw(room_name.clone(), name.clone(), epoch),
            Effect::TellRoom(room_name.clone(), StreamNotice::Removed(name.clone())),
        ];
        effects.extend(self.reattach(room_name, name));
        effects
    }

    /// To a page, wherever it is connected.
    pub fn tell(&self, owner: &Owner, notice: SessionNotice) -> Effect {
        match owner.home == self.own {
            true => Effect::Tell(owner.member, notice),
            false => Effect::TellAt(owner.home.clone(), owner.member, notice),
        }
    }

    pub(super) fn drop_room_if_empty(&mut self, name: &RoomName) {
        let empty = |room: &Room| room.sessions.is_empty() && room.members.is_empty() && room.streams.is_empty();
        if self.rooms.get(name).is_some_and(empty) {
            self.rooms.remove(name);
        }
    }
}

impl Room {
    /// Workers of this node that have sessions of the room, those with most of them first.
    pub fn workers(&self) -> Vec<WorkerIndex> {
        let mut workers: Vec<(usize, WorkerIndex)> =
            self.workers.iter().map(|(worker, count)| (*count, *worker)).collect();
        workers.sort_unstable_by_key(|(count, worker)| (std::cmp::Reverse(*count), *worker));
        workers.into_iter().map(|(_, worker)| worker).collect()
    }

    /// Sessions that ask for a name and are not live under it yet.
    pub(super) fn asking(&self, name: &StreamName) -> impl Iterator<Item = SessionId> {
        [&self.opening, &self.waiting].into_iter().filter_map(move |names| names.get(name)).copied()
    }

    /// Whether a client of this node is in it.
    pub fn is_used(&self) -> bool {
        !self.members.is_empty() || !self.sessions.is_empty()
    }

    pub(super) fn enter(&mut self, session: &Session) {
        if self.sessions.insert(session.id) {
            *self.workers.entry(session.worker).or_default() += 1;
        }
    }

    fn leave(&mut self, session: &Session) {
        if self.sessions.remove(&session.id)
            && let Some(count) = self.workers.get_mut(&session.worker)
        {
            *count -= 1;
            if *count == 0 {
                self.workers.remove(&session.worker);
            }
        }
    }
}
