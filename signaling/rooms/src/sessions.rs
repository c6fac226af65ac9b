//! Owns the table of sessions, and the ways to some of them that do not look at all: by page, by alias, and by the stream
//! that they watch. Never decides what becomes of one.

use std::collections::{BTreeSet, HashMap};

use chappe_cluster::{MemberId, RoomName, StreamName};
use chappe_sfu_api::{Media, SessionId, WorkerIndex};
use chappe_signaling_access::Access;

use crate::alias::SessionAlias;
use crate::note::{Note, Role};
use crate::session::{Session, SlotState};

/// A page that joins, or a publisher that returns, costs what it concerns, however many others there are.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Sessions {
    all: HashMap<SessionId, Session>,
    of_pages: HashMap<MemberId, BTreeSet<SessionId>>,
    /// Of sessions that are no page's.
    aliases: HashMap<SessionAlias, SessionId>,
    /// How many each worker has.
    of_workers: HashMap<WorkerIndex, usize>,
    viewers: HashMap<RoomName, HashMap<StreamName, BTreeSet<SessionId>>>,
    /// By the Unix time at which their tokens are over.
    expiring: BTreeSet<(u64, SessionId)>,
}

impl Sessions {
    pub fn get(&self, id: &SessionId) -> Option<&Session> {
        self.all.get(id)
    }

    /// Its room and its page stay; its slots change with [`Sessions::renegotiate`], its token with [`Sessions::renew`].
    pub fn get_mut(&mut self, id: &SessionId) -> Option<&mut Session> {
        self.all.get_mut(id)
    }

    pub fn contains_key(&self, id: &SessionId) -> bool {
        self.all.contains_key(id)
    }

    pub fn keys(&self) -> impl Iterator<Item = &SessionId> {
        self.all.keys()
    }

    pub fn values(&self) -> impl Iterator<Item = &Session> {
        self.all.values()
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Sessions of one page, wherever it is connected.
    pub fn of_page(&self, member: MemberId) -> impl Iterator<Item = &Session> {
        self.of_pages.get(&member).into_iter().flatten().filter_map(|id| self.all.get(id))
    }

    /// Sessions of all pages.
    pub fn of_pages(&self) -> impl Iterator<Item = SessionId> {
        self.of_pages.values().flatten().copied()
    }

    /// The session of this alias, which is no page's.
    pub fn of_alias(&self, alias: SessionAlias) -> Option<SessionId> {
        self.aliases.get(&alias).copied()
    }

    pub fn on_worker(&self, worker: WorkerIndex) -> usize {
        self.of_workers.get(&worker).copied().unwrap_or_default()
    }

    /// Sessions with a slot for a stream.
    pub fn viewers(&self, room: &RoomName, stream: &StreamName) -> impl ExactSizeIterator<Item = SessionId> {
        let viewers = self.viewers.get(room).and_then(|streams| streams.get(stream));
        viewers.unwrap_or(const { &BTreeSet::new() }).iter().copied()
    }

    pub fn insert(&mut self, session: Session) {
        self.remove(&session.id);
        if let Some(member) = session.member() {
            self.of_pages.entry(member).or_default().insert(session.id);
        } else {
            self.aliases.insert(SessionAlias::of(session.id), session.id);
        }
        *self.of_workers.entry(session.worker).or_default() += 1;
        for stream in watched(&session) {
            let streams = self.viewers.entry(session.note.room.clone()).or_default();
            streams.entry(stream.clone()).or_default().insert(session.id);
        }
        if let Some(access) = &session.note.access {
            self.expiring.insert((access.expires_ms, session.id));
        }
        self.all.insert(session.id, session);
    }

    pub fn remove(&mut self, id: &SessionId) -> Option<Session> {
        let session = self.all.remove(id)?;
        if let Some(count) = self.of_workers.get_mut(&session.worker) {
            *count -= 1;
            if *count == 0 {
                self.of_workers.remove(&session.worker);
            }
        }
        if let Some(access) = &session.note.access {
            self.expiring.remove(&(access.expires_ms, session.id));
        }
        match session.member() {
            Some(member) => self.remove_of_page(member, id),
            None => {
                self.aliases.remove(&SessionAlias::of(*id));
            }
        }
        if let Some(streams) = self.viewers.get_mut(&session.note.room) {
            for stream in watched(&session) {
                if let Some(viewers) = streams.get_mut(stream) {
                    viewers.remove(id);
                    if viewers.is_empty() {
                        streams.remove(stream);
                    }
                }
            }
            if streams.is_empty() {
                self.viewers.remove(&session.note.room);
            }
        }
        Some(session)
    }

    fn remove_of_page(&mut self, member: MemberId, id: &SessionId) {
        if let Some(of_page) = self.of_pages.get_mut(&member) {
            of_page.remove(id);
            if of_page.is_empty() {
                self.of_pages.remove(&member);
            }
        }
    }

    /// Those whose tokens are over, as many as are asked for.
    pub fn expired(&self, now_ms: u64) -> impl Iterator<Item = SessionId> {
        self.expiring.iter().take_while(move |(at_ms, _)| *at_ms <= now_ms).map(|(_, id)| *id)
    }

    /// It lasts as long as this token from now on.
    pub fn renew(&mut self, id: &SessionId, access: &Access) {
        if let Some(mut session) = self.remove(id) {
            session.note.access = Some(access.clone());
            self.insert(session);
        }
    }

    /// Its m-lines are these from now on, and so may be the streams that it watches.
    pub fn renegotiate(&mut self, id: &SessionId, media: Media, note: Note, shown: Vec<SlotState>) {
        if let Some(session) = self.remove(id) {
            self.insert(Session { media, note, shown, ..session });
        }
    }
}

/// The streams of a viewer's slots.
fn watched(session: &Session) -> impl Iterator<Item = &StreamName> {
    let slots = match &session.note.role {
        Role::Watch { slots, .. } => slots.as_slice(),
        Role::Publish { .. } => &[],
    };
    slots.iter().map(|slot| &slot.stream)
}
