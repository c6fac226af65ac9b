//! Owns what is published in the cluster as this node knows it: its own streams and those of other nodes, who
//! may publish under a name, and who gives way to whom. Never asks another node.

use chappe_cluster::{MemberId, RoomName, StreamName, StreamRecord, outranks};
use chappe_sfu_api::{MediaKind, SessionId, SessionState, TrackId};
use chappe_signaling_access::Holder;

use crate::address::ClientAddress;
use crate::attempt::{Attempt, Proof, Takeover};
use crate::effect::{Effect, LostReason, StreamNotice};
use crate::error::{RoomError, RoomLimit};
use crate::member::Connection;
use crate::moderation::{inherit_moderated, kinds_of, moderated};
use crate::note::Role;
use crate::registry::{Registry, Room};
use crate::session::{Phase, Session};
use crate::stream::{Home, Publisher, Stream, Track, TrackHome};

impl Registry {
    /// None for a track that nobody publishes (any more).
    pub fn track_home(&self, track: TrackId) -> Option<&TrackHome> {
        self.tracks.get(&track)
    }

    /// Whether whoever shows this proof may publish under a name now.
    pub fn check_publish(&self, room: &RoomName, stream: &StreamName, proof: &Proof) -> Result<(), RoomError> {
        let Some(there) = self.rooms.get(room) else {
            return self.check_new_room();
        };
        if there.asking(stream).next().is_none() && !there.streams.contains_key(stream) {
            return self.check_new_stream(there);
        }
        if self.is_held(there, stream, proof) { Err(RoomError::StreamExists(stream.clone())) } else { Ok(()) }
    }

    /// Whether somebody has a name who does not give it to whoever shows this proof.
    pub(super) fn is_held(&self, there: &Room, stream: &StreamName, proof: &Proof) -> bool {
        // A page that moves its stream has several.
        let of_session = |id: SessionId| {
            let holder = self.sessions.get(&id).and_then(Session::holder);
            !self.gives_way_to(id, proof) && !self.proves(proof, id, holder) && !takes_over(proof, holder)
        };
        let session_holds = there.asking(stream).any(of_session);
        let live = there.streams.get(stream);
        let live_holds = live.is_some_and(|live| {
            !self.yields(live, proof)
                && !is_of(live, proof.member)
                && !shows(proof, live.session, live.holder)
                && !takes_over(proof, live.holder)
        });
        session_holds || live_holds
    }

    fn check_new_stream(&self, there: &Room) -> Result<(), RoomError> {
        let max = self.caps.streams_per_room;
        match there.streams.len() + there.opening.len() + there.waiting.len() >= max {
            true => Err(RoomError::TooMany(RoomLimit::Streams(max))),
            false => Ok(()),
        }
    }

    /// A page that lost its connection publishes its own stream again without being asked.
    fn proves(&self, proof: &Proof, opening: SessionId, holder: Option<Holder>) -> bool {
        let member = self.sessions.get(&opening).and_then(Session::member);
        shows(proof, opening, holder) || (member.is_some() && member == proof.member)
    }

    /// Whether whoever asks for the name of a live stream gets it.
    fn yields(&self, stream: &Stream, proof: &Proof) -> bool {
        match stream.home.node == self.own {
            true => self.gives_way_to(stream.session, proof),
            false => stream.yields && stream.attempt.as_ref().is_none_or(|attempt| attempt.gives_way_to(proof)),
        }
    }

    fn gives_way_to(&self, holder: SessionId, proof: &Proof) -> bool {
        self.gives_way(holder) && self.attempt(holder).is_none_or(|attempt| attempt.gives_way_to(proof))
    }

    /// Of a session whose media path has not come to be.
    fn attempt(&self, session: SessionId) -> Option<&Attempt> {
        let session = self.sessions.get(&session)?;
        let opens = matches!(session.phase, Phase::Open(SessionState::New | SessionState::Connecting));
        session.note.attempt.as_ref().filter(|_| opens)
    }

    /// The attempt of a client at this address that gets the name now.
    pub fn attempt_for(
        &self,
        room: &RoomName,
        stream: &StreamName,
        address: Option<ClientAddress>,
        now_ms: u64,
    ) -> Attempt {
        let there = self.rooms.get(room);
        let asking = there.and_then(|there| there.asking(stream).find_map(|id| self.attempt(id)));
        let live = there.and_then(|there| there.streams.get(stream));
        let live = live.and_then(|live| self.attempt(live.session).or(live.attempt.as_ref()));
        match asking.or(live) {
            Some(before) => before.followed_by(address, now_ms),
            None => Attempt::new(address, now_ms),
        }
    }

    /// A publisher that crashed is back within seconds, under the same name and as a new client. It need not
    /// wait until consent to its old session has expired (RFC 7675), nor for a session that never came to be: until
    /// DTLS is done nobody but a passer-by may be behind it. A page that is connected gives way to nobody once it was
    /// heard: it is about to restart ICE.
    pub(super) fn gives_way(&self, holder: SessionId) -> bool {
        let Some(session) = self.sessions.get(&holder) else {
            return true;
        };
        let member = session.member().and_then(|member| self.members.get(&member));
        let is_connected = member.is_some_and(|member| matches!(member.connection, Connection::Up(_)));
        match session.phase {
            // Its worker answers in a moment.
            Phase::Opening | Phase::Open(SessionState::Connected) => false,
            Phase::Open(SessionState::New | SessionState::Connecting) => true,
            Phase::Open(SessionState::Disconnected) => !is_connected,
        }
    }

    /// The worker confirmed a session. A publisher's stream is live from now on, unless someone else took the
    /// name meanwhile. A page that moves its own stream has to wait until media arrives on the new session:
    /// until then the old one is what others see. One that waited for that before ends: it has lost the name.
    pub fn confirm(&mut self, id: SessionId) -> Result<Vec<Effect>, RoomError> {
        let session = self.sessions.get_mut(&id).ok_or(RoomError::NoSuchSession)?;
        if session.phase == Phase::Opening {
            session.phase = Phase::Open(SessionState::New);
        }
        let Role::Publish { stream: name, .. } = &session.note.role else {
            return Ok(Vec::new());
        };
        let (room_name, name, member) = (session.note.room.clone(), name.clone(), session.member());
        let room = self.rooms.get(&room_name).ok_or(RoomError::NoSuchSession)?;
        if room.opening.get(&name) != Some(&id) || self.is_outranked(id, &room_name, &name) {
            return Err(RoomError::StreamExists(name));
        }
        let waits = room.streams.get(&name).is_some_and(|live| is_of(live, member) && self.is_alive(live));
        let mut effects = self.take_name(id, &room_name, &name);
        if !waits {
            effects.extend(self.go_live(id, &room_name, &name, &[]));
        }
        Ok(effects)
    }

    /// From a session that waits for its media to be live under it.
    fn take_name(&mut self, id: SessionId, room: &RoomName, name: &StreamName) -> Vec<Effect> {
        let Some(there) = self.rooms.get_mut(room) else { return Vec::new() };
        there.opening.remove(name);
        let Some(displaced) = there.waiting.insert(name.clone(), id) else { return Vec::new() };
        let member = |id| self.sessions.get(&id).and_then(Session::member);
        let why = match member(id).is_some() && member(id) == member(displaced) {
            true => LostReason::Moved,
            false => LostReason::TakenOver,
        };
        self.end(displaced, Some(why))
    }

    /// Whether media of a stream arrives, as far as is known.
    fn is_alive(&self, stream: &Stream) -> bool {
        match stream.home.node == self.own {
            true => self.sessions.get(&stream.session).is_some_and(Session::is_connected),
            false => !stream.yields,
        }
    }

    /// Whether another session has the name with a higher claim: other nodes would not give way to this one.
    fn is_outranked(&self, id: SessionId, room: &RoomName, name: &StreamName) -> bool {
        let (Some(live), Some(session)) = (self.stream(room, name), self.sessions.get(&id)) else {
            return false;
        };
        let is_there = live.home.node != self.own || self.sessions.contains_key(&live.session);
        is_there && live.session != id && outranks((live.epoch, &live.home.node), (session.epoch, &self.own))
    }

    /// A session's stream takes its name from whoever had it. One that is outranked meanwhile ends instead.
    pub(super) fn go_live(
        &mut self,
        id: SessionId,
        room: &RoomName,
        name: &StreamName,
        active: &[TrackId],
    ) -> Vec<Effect> {
        let before = self.stream(room, name).filter(|before| before.session != id);
        let kinds = before.map(|before| before.moderated.clone()).unwrap_or_default();
        let inherited = self.sessions.get_mut(&id).and_then(|session| inherit_moderated(session, &kinds));
        let Some(mut stream) = self.stream_of(id, active) else {
            return Vec::new();
        };
        let publisher = stream.publisher.as_ref().map(|publisher| publisher.member);
        if self.is_outranked(id, room, name) {
            let successor = self.stream(room, name).and_then(|live| live.publisher.as_ref()).map(|page| page.member);
            return self.end(id, Some(why_lost(&stream, successor)));
        }
        if let Some(there) = self.rooms.get_mut(room)
            && there.waiting.get(name) == Some(&id)
        {
            there.waiting.remove(name);
        }
        if let Some(live) = self.stream(room, name).filter(|live| is_of(live, publisher)) {
            // Its page came back over another session: to viewers it is the same one, which keeps its place.
            stream.since_ms = live.since_ms;
        }
        let replaced = self.put_stream(room, name, stream);
        let notice = match &replaced {
            Some(_) => StreamNotice::Changed(name.clone()),
            None => StreamNotice::Added(name.clone()),
        };
        let mut effects: Vec<Effect> = inherited.into_iter().collect();
        effects.extend([Effect::Announce(room.clone(), name.clone()), Effect::TellRoom(room.clone(), notice)]);
        effects.extend(self.reattach(room, name));
        if let Some(old) = replaced.filter(|old| old.session != id) {
            effects.extend(self.end_replaced(&old, publisher));
        }
        effects
    }

    /// The session of a stream that another one, of `successor`, has taken over. If it is the page itself that moved,
    /// its old picture goes on for a moment.
    pub(super) fn end_replaced(&mut self, old: &Stream, successor: Option<MemberId>) -> Vec<Effect> {
        let why = why_lost(old, successor);
        let flows = self.sessions.get(&old.session).is_some_and(Session::is_connected);
        match why == LostReason::Moved && flows {
            true => vec![Effect::EndSoon(old.session, why)],
            false => self.end(old.session, Some(why)),
        }
    }

    /// The stream that a publisher's session is, by its note.
    pub(super) fn stream_of(&self, id: SessionId, active: &[TrackId]) -> Option<Stream> {
        let session = self.sessions.get(&id)?;
        let Role::Publish { muted, moderated: list, sdp, listed, .. } = &session.note.role else {
            return None;
        };
        let publisher = session.note.owner.as_ref();
        Some(Stream {
            session: id,
            epoch: session.epoch,
            since_ms: session.note.since_ms,
            tracks: Track::all_of(sdp, muted, active, &moderated(&session.media)),
            home: Home { node: self.own.clone(), worker: session.worker, boot: session.boot },
            publisher: publisher.map(|owner| Publisher { member: owner.member, name: owner.name.clone() }),
            yields: false,
            listed: *listed,
            attempt: None,
            holder: session.holder(),
            moderated: kinds_of(list),
        })
    }

    /// Media of a session that waits to take over its own page's stream has arrived.
    pub(super) fn succeed(&mut self, id: SessionId, active: TrackId) -> Vec<Effect> {
        let Some(session) = self.sessions.get(&id).filter(|session| session.phase != Phase::Opening) else {
            return Vec::new();
        };
        let Role::Publish { stream: name, sdp, .. } = &session.note.role else {
            return Vec::new();
        };
        // A picture takes longest to come; without one any sound will do.
        let kinds = || sdp.tracks().map(|(_, source)| (source.track, source.kind));
        let has_video = kinds().any(|(_, kind)| kind == MediaKind::Video);
        let decides = kinds().any(|(track, kind)| track == active && (kind == MediaKind::Video || !has_video));
        let (room, name) = (session.note.room.clone(), name.clone());
        let waits = self.rooms.get(&room).is_some_and(|there| there.waiting.get(&name) == Some(&id));
        if !decides || !waits {
            return Vec::new();
        }
        self.go_live(id, &room, &name, &[active])
    }

    pub(super) fn put_stream(&mut self, room: &RoomName, name: &StreamName, stream: Stream) -> Option<Stream> {
        let replaced = self.remove_stream(room, name);
        if let Some(before) = replaced.as_ref().filter(|before| before.session != stream.session) {
            self.note_ended(room, name, before);
        }
        for track in &stream.tracks {
            let (kind, epoch) = (track.source.kind, stream.epoch);
            let home = TrackHome { room: room.clone(), stream: name.clone(), home: stream.home.clone(), kind, epoch };
            self.tracks.insert(track.source.track, home);
            self.unheard.remove(&track.source.track);
        }
        self.report_stream(room, name, replaced.as_ref(), Some(&stream));
        self.rooms.entry(room.clone()).or_default().streams.insert(name.clone(), stream);
        replaced
    }

    pub(super) fn remove_stream(&mut self, room: &RoomName, name: &StreamName) -> Option<Stream> {
        let removed = self.rooms.get_mut(room)?.streams.remove(name)?;
        for track in &removed.tracks {
            self.tracks.remove(&track.source.track);
            self.gone_tracks.push(track.source.track);
        }
        Some(removed)
    }

    /// Tracks that went since the last call and did not come back.
    pub fn take_gone_tracks(&mut self) -> Vec<TrackId> {
        let mut gone = std::mem::take(&mut self.gone_tracks);
        gone.retain(|track| !self.tracks.contains_key(track));
        gone
    }

    /// This node's own stream as other nodes are told of it; none if it is not live, or not ours.
    pub fn record(&self, room: &RoomName, name: &StreamName) -> Option<StreamRecord> {
        let stream = self.stream(room, name).filter(|stream| stream.home.node == self.own)?;
        Some(StreamRecord {
            room: room.clone(),
            stream: name.clone(),
            epoch: stream.epoch,
            session: stream.session,
            worker: stream.home.worker,
            boot: stream.home.boot,
            since_ms: stream.since_ms,
            publisher: stream.publisher.as_ref().map(|publisher| publisher.member),
            name: stream.publisher.as_ref().and_then(|publisher| publisher.name.clone()),
            yields: self.gives_way(stream.session),
            listed: stream.listed,
            holder: stream.holder.map(String::from),
            moderated: stream.moderated.clone(),
            attempt: self.attempt(stream.session).and_then(|attempt| serde_json::to_value(attempt).ok()),
            description: serde_json::to_string(&stream.tracks).expect("tracks have only string keys"),
        })
    }
}

/// The session that has the name is shown as proof. One that was made with a token proves nothing beside another's.
fn shows(proof: &Proof, session: SessionId, holder: Option<Holder>) -> bool {
    proof.session == Some(session) && proof.holder == holder
}

fn takes_over(proof: &Proof, holder: Option<Holder>) -> bool {
    match proof.takeover {
        Takeover::No => false,
        Takeover::Own => holder.is_some() && holder == proof.holder,
        Takeover::Any => true,
    }
}

/// What the page of a replaced session is told.
fn why_lost(old: &Stream, successor: Option<MemberId>) -> LostReason {
    if is_of(old, successor) { LostReason::Moved } else { LostReason::TakenOver }
}

fn is_of(stream: &Stream, member: Option<MemberId>) -> bool {
    member.is_some() && stream.publisher.as_ref().map(|publisher| publisher.member) == member
}
