//! Owns which changes of the registry are told to the outside. Only those of this node's own clients, so that of all
//! nodes one tells them. Never decides who is told.

use chappe_cluster::{RoomName, StreamName};
use chappe_sfu_api::SessionState;

use crate::alias::SessionAlias;
use crate::member::Member;
use crate::occurrence::{Location, Occurrence, Participant, PublishedTrack};
use crate::registry::{Registry, Room};
use crate::session::{Phase, Session};
use crate::stream::{Home, Stream, Track};

impl Registry {
    /// Since the last call, in their order.
    pub fn take_occurrences(&mut self) -> Vec<Occurrence> {
        std::mem::take(&mut self.occurrences)
    }

    /// Whether a client of this node is in a room.
    pub(super) fn is_used(&self, room: &RoomName) -> bool {
        self.rooms.get(room).is_some_and(Room::is_used)
    }

    /// The room gets or loses clients: `before` is whether it had any.
    pub(super) fn report_room(&mut self, room: &RoomName, before: bool) {
        match (before, self.is_used(room)) {
            (false, true) => self.occurrences.push(Occurrence::RoomStarted(room.clone())),
            (true, false) => self.occurrences.push(Occurrence::RoomFinished(room.clone())),
            (true, true) | (false, false) => {}
        }
    }

    pub(super) fn report_member(&mut self, member: &Member, is_there: bool) {
        let participant = Participant {
            id: member.id.to_string(),
            name: member.name.clone(),
            metadata: member.metadata.clone(),
            kind: "page",
        };
        self.report_participant(member.room.clone(), participant, is_there);
    }

    /// A session reaches a state, or ends: none. Pages are participants by themselves.
    pub(super) fn report_session(&mut self, session: &Session, reached: Option<SessionState>) {
        let stood = |state| matches!(state, SessionState::Connected | SessionState::Disconnected);
        let before = matches!(session.phase, Phase::Open(state) if stood(state));
        let after = reached.is_some_and(stood);
        if session.note.owner.is_some() || before == after {
            return;
        }
        let name = session.note.shown_name().map(str::to_owned);
        let metadata = session.note.access.as_ref().and_then(|access| access.metadata.clone());
        // Events go to others, and over plain HTTP: the id of the session would open its URL.
        let id = SessionAlias::of(session.id).to_string();
        let participant = Participant { id, name, metadata, kind: session.note.kind() };
        self.report_participant(session.note.room.clone(), participant, after);
    }

    fn report_participant(&mut self, room: RoomName, participant: Participant, is_there: bool) {
        self.occurrences.push(match is_there {
            true => Occurrence::Joined(room, participant),
            false => Occurrence::Left(room, participant),
        });
    }

    /// What a name stands for changes. What another node has is told by that node.
    pub(super) fn report_stream(
        &mut self,
        room: &RoomName,
        name: &StreamName,
        before: Option<&Stream>,
        after: Option<&Stream>,
    ) {
        let is_own = |stream: &&Stream| stream.home.node == self.own;
        let noted = match (before, after) {
            (Some(_), Some(after)) if !is_own(&after) => Vec::new(),
            (Some(before), Some(after)) if is_same_publisher(before, after) => {
                let mut noted = changed_tracks(room, name, &before.tracks, &after.tracks);
                if before.session != after.session {
                    let (room, stream) = (room.clone(), name.clone());
                    noted.push(Occurrence::Moved {
                        room,
                        stream,
                        from: location(&before.home),
                        to: location(&after.home),
                    });
                }
                noted
            }
            (before, after) => {
                let gone = before.filter(is_own).map_or(&[][..], |stream| &stream.tracks);
                let mut noted = changed_tracks(room, name, gone, &[]);
                let new = after.filter(is_own).map_or(&[][..], |stream| &stream.tracks);
                noted.extend(changed_tracks(room, name, &[], new));
                noted
            }
        };
        self.occurrences.extend(noted);
    }
}

fn is_same_publisher(before: &Stream, after: &Stream) -> bool {
    let member = |stream: &Stream| stream.publisher.as_ref().map(|publisher| publisher.member);
    before.session == after.session || (member(before).is_some() && member(before) == member(after))
}

/// Tracks are told apart by their mid.
fn changed_tracks(room: &RoomName, name: &StreamName, before: &[Track], after: &[Track]) -> Vec<Occurrence> {
    let lacks = |tracks: &[Track], track: &&Track| !tracks.iter().any(|other| other.mid == track.mid);
    let gone = before.iter().filter(|track| lacks(after, track));
    let gone = gone.map(|track| Occurrence::Unpublished(room.clone(), name.clone(), published(track)));
    let new = after.iter().filter(|track| lacks(before, track));
    gone.chain(new.map(|track| Occurrence::Published(room.clone(), name.clone(), published(track)))).collect()
}

fn published(track: &Track) -> PublishedTrack {
    PublishedTrack { mid: track.mid.clone(), kind: track.source.kind, codec: track.codec() }
}

fn location(home: &Home) -> Location {
    Location { node: home.node.to_string(), worker: home.worker.0 }
}
