//! Owns what operators mute of a publisher until they take it back: over new offers, over a new session in the place of
//! the old one, on this node or another, and for a publisher that is back within a minute. Never drops a packet: the worker
//! does, by what the m-lines say.

use chappe_cluster::{NodeName, RoomName, StreamName, outranks};
use chappe_sfu_api::{Command, Media, MediaKind, ReceiveTrack, SessionId, TrackId};
use serde::{Deserialize, Serialize};

use crate::attempt::Proof;
use crate::effect::{Effect, StreamNotice};
use crate::error::RoomError;
use crate::note::{Moderated, Note, Role};
use crate::registry::Registry;
use crate::session::Session;
use crate::stream::{Stream, Track};

/// Which tracks of a session are meant: those of this mid and this kind, where these are given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChosenTracks {
    pub mid: Option<String>,
    pub kind: Option<MediaKind>,
}

/// A track of a session after an operator muted it, or took that back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModeratedTrack {
    pub mid: String,
    pub kind: MediaKind,
    /// By its publisher or an operator.
    pub muted: bool,
    pub moderated: bool,
}

impl Registry {
    /// An operator mutes tracks of a publisher, or takes that back. The command for its worker comes apart, because the
    /// operator waits for its outcome; it goes before the effects.
    pub fn moderate(
        &mut self,
        id: SessionId,
        chosen: &ChosenTracks,
        muted: bool,
    ) -> Result<(Option<Command>, Vec<Effect>), RoomError> {
        let set = self.set_moderated(id, chosen, muted)?;
        let mut effects = if set.is_some() { self.tell_moderated(id) } else { Vec::new() };
        for successor in self.successors(id) {
            let Ok(Some(set)) = self.set_moderated(successor, chosen, muted) else { continue };
            let worker = self.sessions.get(&successor).map(|session| session.worker);
            effects.extend(worker.map(|worker| Effect::Command(worker, set)));
            effects.extend(self.tell_moderated(successor));
        }
        Ok((set, effects))
    }

    /// The session on another node that has taken the place of this one, which goes on for a moment. Only that node can
    /// mute it.
    pub fn successor_elsewhere(&self, id: SessionId) -> Option<(NodeName, SessionId)> {
        let live = self.replaced_by(id).filter(|live| live.home.node != self.own)?;
        Some((live.home.node.clone(), live.session))
    }

    /// Another node tells of its stream. What an operator has muted or unmuted there since is so, too, of sessions here that
    /// wait to take its place, or took it when that node had not heard of them yet.
    pub(super) fn follow_moderated(&mut self, room: &RoomName, name: &StreamName, told: &Stream) -> Vec<Effect> {
        let (now, live) = (told.moderated.clone(), self.stream(room, name));
        let before = match live.filter(|live| live.session == told.session) {
            Some(live) => live.moderated.clone(),
            None => match self.ended.get_mut(&(room.clone(), name.clone())) {
                Some(ended) if ended.session == told.session => std::mem::replace(&mut ended.moderated, now.clone()),
                _ => return Vec::new(),
            },
        };
        let Some(there) = self.rooms.get(room) else { return Vec::new() };
        let live = there.streams.get(name).filter(|live| live.home.node == self.own).map(|live| live.session);
        let successors: Vec<SessionId> = there.asking(name).chain(live).collect();
        let mut effects = Vec::new();
        for kind in [MediaKind::Audio, MediaKind::Video] {
            let (muted, chosen) = (now.contains(&kind), ChosenTracks { mid: None, kind: Some(kind) });
            for id in successors.iter().filter(|_| before.contains(&kind) != muted) {
                let Ok((set, others)) = self.moderate(*id, &chosen, muted) else { continue };
                let worker = self.sessions.get(id).map(|session| session.worker);
                effects.extend(worker.zip(set).map(|(worker, set)| Effect::Command(worker, set)));
                effects.extend(others);
            }
        }
        effects
    }

    /// None when nothing changes.
    fn set_moderated(
        &mut self,
        id: SessionId,
        chosen: &ChosenTracks,
        muted: bool,
    ) -> Result<Option<Command>, RoomError> {
        let session = self.sessions.get_mut(&id).ok_or(RoomError::NoSuchSession)?;
        let Role::Publish { moderated: list, .. } = &mut session.note.role else {
            return Err(RoomError::PublishesNothing);
        };
        let is_there = session.media.receive.iter().any(|line| chosen.are(&line.mid, line.kind));
        // What the client has taken away since it was muted can be unmuted as well.
        if !is_there && (muted || !list.iter().any(|known| chosen.are(&known.mid, known.kind))) {
            return Err(RoomError::NoSuchTrack(chosen.to_string()));
        }
        let lines = session.media.receive.iter_mut().filter(|line| chosen.are(&line.mid, line.kind));
        let (mut is_news, listed) = (false, list.len());
        list.retain(|known| !chosen.are(&known.mid, known.kind));
        for line in lines {
            is_news |= std::mem::replace(&mut line.muted, muted) != muted;
            if muted {
                list.push(Moderated { mid: line.mid.clone(), kind: line.kind });
            }
        }
        is_news |= list.len() != listed;
        if is_news { set_media(session).map(Some) } else { Ok(None) }
    }

    /// Sessions here that are to take the place of a publisher's when they are open, or when their media arrives; and the
    /// one that has just taken it.
    fn successors(&self, id: SessionId) -> Vec<SessionId> {
        let Some((room, name)) = self.name_of(id) else { return Vec::new() };
        let asking = self.rooms.get(room).into_iter().flat_map(|there| there.asking(name));
        let live = self.replaced_by(id).filter(|live| live.home.node == self.own).map(|live| live.session);
        asking.filter(|other| *other != id).chain(live).collect()
    }

    /// The stream that is live in the place of this session's.
    fn replaced_by(&self, id: SessionId) -> Option<&Stream> {
        let (room, name) = self.name_of(id)?;
        let epoch = self.sessions.get(&id)?.epoch;
        let live = self.stream(room, name).filter(|live| live.session != id)?;
        outranks((live.epoch, &live.home.node), (epoch, &self.own)).then_some(live)
    }

    /// Under which name a publisher's session is, or wants to be, live.
    fn name_of(&self, id: SessionId) -> Option<(&RoomName, &StreamName)> {
        match self.sessions.get(&id).map(|session| &session.note)? {
            Note { room, role: Role::Publish { stream, .. }, .. } => Some((room, stream)),
            _ => None,
        }
    }

    /// The tracks of a publisher as they are now.
    pub fn moderated_tracks(&self, id: SessionId) -> Vec<ModeratedTrack> {
        let stream = self.stream_of(id, &[]);
        let track = |track: &Track| ModeratedTrack {
            mid: track.mid.clone(),
            kind: track.source.kind,
            muted: track.muted,
            moderated: track.moderated,
        };
        stream.iter().flat_map(|stream| &stream.tracks).map(track).collect()
    }

    /// Mutes the m-lines of a publisher that is about to open a session as an operator muted them before: in the stream
    /// whose place it takes, or in its own that ended a moment ago, with its worker for example.
    pub fn mute_as_before(
        &self,
        room: &RoomName,
        name: &StreamName,
        proof: &Proof,
        media: &mut Media,
    ) -> Vec<Moderated> {
        let ended = || self.ended.get(&(room.clone(), name.clone())).filter(|ended| ended.may_be_of(proof));
        let kinds = match self.stream(room, name) {
            Some(live) => live.moderated.clone(),
            None => ended().map(|ended| ended.moderated.clone()).unwrap_or_default(),
        };
        mute_kinds(media, &kinds)
    }

    /// The tracks of a live stream follow the m-lines of its session, and others are told.
    fn tell_moderated(&mut self, id: SessionId) -> Vec<Effect> {
        let Some((room, name, stream)) = self.published_by(id) else { return Vec::new() };
        let active = stream.active();
        if let Some(now) = self.stream_of(id, &active)
            && let Some((_, _, stream)) = self.published_by(id)
        {
            (stream.tracks, stream.moderated) = (now.tracks, now.moderated);
        }
        vec![Effect::Announce(room.clone(), name.clone()), Effect::TellRoom(room, StreamNotice::Changed(name))]
    }
}

impl ChosenTracks {
    fn are(&self, mid: &str, kind: MediaKind) -> bool {
        self.mid.as_deref().is_none_or(|chosen| chosen == mid) && self.kind.is_none_or(|chosen| chosen == kind)
    }
}

impl std::fmt::Display for ChosenTracks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.kind {
            Some(MediaKind::Audio) => "audio",
            Some(MediaKind::Video) => "video",
            None => "track",
        })?;
        self.mid.as_ref().map_or(Ok(()), |mid| write!(f, " with the mid `{mid}`"))
    }
}

/// The tracks that an operator muted.
pub(super) fn moderated(media: &Media) -> Vec<TrackId> {
    media.receive.iter().filter(|line| line.muted).map(|line| line.track).collect()
}

/// A session goes live in the place of another one: kinds that an operator muted there since it was opened are muted here
/// as well.
pub(super) fn inherit_moderated(session: &mut Session, kinds: &[MediaKind]) -> Option<Effect> {
    let Role::Publish { moderated: list, .. } = &mut session.note.role else { return None };
    let mut muted = mute_kinds(&mut session.media, kinds);
    muted.retain(|track| !list.contains(track));
    if muted.is_empty() {
        return None;
    }
    list.extend(muted);
    set_media(session).ok().map(|set| Effect::Command(session.worker, set))
}

/// A new offer changes nothing of what an operator muted, and a track that it brings is muted where one of its kind is:
/// else a client could take its track away and come with another.
pub(super) fn keep_moderated(before: &Session, media: &mut Media, mut note: Note) -> Note {
    let Role::Publish { moderated: list, .. } = &mut note.role else { return note };
    let is_new = |line: &ReceiveTrack| !before.media.receive.iter().any(|known| known.track == line.track);
    for line in &mut media.receive {
        let is_listed = list.iter().any(|known| known.mid == line.mid);
        line.muted = is_listed || (is_new(line) && list.iter().any(|known| known.kind == line.kind));
        if line.muted && !is_listed {
            list.push(Moderated { mid: line.mid.clone(), kind: line.kind });
        }
    }
    note
}

/// Of a publisher's session.
pub(super) fn kinds_of(list: &[Moderated]) -> Vec<MediaKind> {
    let is_listed = |kind: &MediaKind| list.iter().any(|track| track.kind == *kind);
    [MediaKind::Audio, MediaKind::Video].into_iter().filter(is_listed).collect()
}

/// Those that were muted already are left out of what is returned. A kind that is not there stands for what may come.
fn mute_kinds(media: &mut Media, kinds: &[MediaKind]) -> Vec<Moderated> {
    let is_absent = |kind: &MediaKind| !media.receive.iter().any(|line| line.kind == *kind);
    let to_come = |kind: MediaKind| Moderated { mid: String::new(), kind };
    let absent: Vec<Moderated> = kinds.iter().copied().filter(is_absent).map(to_come).collect();
    let lines = media.receive.iter_mut().filter(|line| !line.muted && kinds.contains(&line.kind));
    let mute = |line: &mut ReceiveTrack| {
        line.muted = true;
        Moderated { mid: line.mid.clone(), kind: line.kind }
    };
    lines.map(mute).chain(absent).collect()
}

fn set_media(session: &Session) -> Result<Command, RoomError> {
    let (epoch, media, note) = (session.epoch, session.media.clone(), session.note.to_text()?);
    Ok(Command::SetMedia { session: session.id, epoch, media, note })
}
