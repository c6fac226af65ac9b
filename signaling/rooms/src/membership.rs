//! Owns the coming and going of pages: joining, breaking off, coming back, being forgotten.

use std::collections::BTreeSet;

use chappe_cluster::{MemberId, NodeName, RoomName};
use chappe_sfu_api::{Command, SessionId};
use chappe_signaling_access::{Access, Holder};

use crate::address::ClientAddress;
use crate::effect::{Effect, StreamNotice};
use crate::error::{RoomError, RoomLimit};
use crate::limits::{Caps, SESSIONS_PER_MEMBER_MAX};
use crate::member::{Connection, Member};
use crate::note::Owner;
use crate::registry::Registry;
use crate::session::Session;

/// A page came back.
#[derive(Debug, PartialEq)]
pub struct Resumed {
    pub member: MemberId,
    /// Number of its new connection.
    pub connection: u64,
    /// Of the sessions it named, those that live on.
    pub sessions: Vec<SessionId>,
}

impl Registry {
    /// A page enters a room for the first time, or one that was connected to another node. Returns the number of its
    /// connection.
    pub fn join(
        &mut self,
        id: MemberId,
        room: RoomName,
        name: Option<String>,
        access: Option<&Access>,
    ) -> Result<u64, RoomError> {
        let Caps { members, members_per_room, .. } = self.caps;
        if self.members.len() >= members {
            return Err(RoomError::TooMany(RoomLimit::AllMembers(members)));
        }
        match self.rooms.get(&room) {
            None => self.check_new_room()?,
            Some(there) if there.members.len() >= members_per_room => {
                return Err(RoomError::TooMany(RoomLimit::Members(members_per_room)));
            }
            Some(_) => {}
        }
        let connection = self.next_connection();
        let (sessions, connection_now) = (BTreeSet::new(), Connection::Up(connection));
        let (holder, metadata) = told_by(access);
        let member = Member { id, room, name, metadata, holder, sessions, connection: connection_now };
        self.enter(member.clone());
        self.report_member(&member, true);
        // Sessions of a page that came from another node may be here already.
        let own: Vec<SessionId> = self.sessions.of_page(id).map(|session| session.id).collect();
        self.members.entry(id).and_modify(|member| member.sessions.extend(own));
        Ok(connection)
    }

    /// Whether an address that may have so many pages may have one more.
    pub fn check_members_of(&self, address: ClientAddress, each_max: usize) -> Result<(), RoomError> {
        match self.members_by_address.of(address) >= each_max {
            true => Err(RoomError::TooMany(RoomLimit::MembersOfAddress(each_max))),
            false => Ok(()),
        }
    }

    /// Where a page came from. It is counted there until it is forgotten.
    pub fn note_address(&mut self, member: MemberId, address: ClientAddress) {
        if self.members.contains_key(&member) {
            self.members_by_address.insert(member, address);
        }
    }

    /// A page that is known here comes back. Sessions of its that it does not name have no peer connection
    /// any more, and end.
    pub fn resume(&mut self, id: MemberId, room: &RoomName, living: &[SessionId]) -> Option<(Resumed, Vec<Effect>)> {
        self.members.get(&id).filter(|member| member.room == *room)?;
        let connection = self.next_connection();
        let member = self.members.get_mut(&id)?;
        member.connection = Connection::Up(connection);
        let (kept, gone): (Vec<SessionId>, Vec<SessionId>) = member.sessions.iter().partition(|id| living.contains(id));
        member.sessions.retain(|id| living.contains(id));
        let effects = gone.into_iter().flat_map(|id| self.end(id, None)).collect();
        Some((Resumed { member: id, connection, sessions: kept }, effects))
    }

    /// A connection broke. False if the page has a newer one already, so that nothing is to be done.
    pub fn handle_broken(&mut self, id: MemberId, connection: u64) -> bool {
        match self.members.get_mut(&id) {
            Some(member) if member.connection == Connection::Up(connection) => {
                member.connection = Connection::Broken(connection);
                true
            }
            _ => false,
        }
    }

    /// The grace after a broken connection is over. Sessions over which media flows stay; when the last
    /// of them ends, so does the member.
    pub fn handle_grace_over(&mut self, id: MemberId, connection: u64) -> Vec<Effect> {
        let Some(member) = self.members.get_mut(&id).filter(|m| m.connection == Connection::Broken(connection)) else {
            return Vec::new();
        };
        member.connection = Connection::Expired(connection);
        // Those on other nodes are theirs to judge.
        member.sessions.retain(|id| self.sessions.contains_key(id));
        let idle = |id: &SessionId| !self.sessions.get(id).is_some_and(|session| session.is_connected());
        let idle: Vec<SessionId> = member.sessions.iter().copied().filter(idle).collect();
        let effects = idle.into_iter().flat_map(|id| self.end(id, None)).collect();
        let staying: Vec<SessionId> = self.members.get(&id).into_iter().flat_map(|m| &m.sessions).copied().collect();
        staying.into_iter().for_each(|session| self.set_left(session, true));
        self.drop_member_if_over(id);
        effects
    }

    /// A page has come to its owner's home, or back to it, maybe under another name. Those of the named sessions that
    /// are here and its own follow it; returns them.
    pub fn claim(&mut self, page: &Owner, living: &[SessionId]) -> (Vec<SessionId>, Vec<Effect>) {
        let (member, home) = (page.member, &page.home);
        let mut claimed = Vec::new();
        let mut effects = Vec::new();
        for id in living {
            let Some(session) = self.sessions.get_mut(id).filter(|session| session.member() == Some(member)) else {
                continue;
            };
            claimed.push(*id);
            self.audience.set_left(*id, false);
            let Some(owner) = session.note.owner.as_mut() else { continue };
            let name = page.name.clone().or_else(|| owner.name.clone());
            let present = Owner { member, name, home: home.clone() };
            let before = std::mem::replace(owner, present.clone());
            if before == present {
                continue;
            }
            if let Ok(note) = session.note.to_text() {
                let (epoch, media) = (session.epoch, session.media.clone());
                effects.push(Effect::Command(session.worker, Command::SetMedia { session: *id, epoch, media, note }));
            }
            if before.name != present.name {
                effects.extend(self.rename_publisher(*id, present.name));
            }
        }
        claimed.iter().for_each(|id| self.recount(*id));
        if *home != self.own {
            self.forget_member(member);
        }
        (claimed, effects)
    }

    /// The name that others see beside a stream is its publisher's.
    fn rename_publisher(&mut self, id: SessionId, name: Option<String>) -> Vec<Effect> {
        let Some((room, stream, live)) = self.published_by(id) else {
            return Vec::new();
        };
        live.publisher.iter_mut().for_each(|publisher| publisher.name.clone_from(&name));
        vec![Effect::Announce(room.clone(), stream.clone()), Effect::TellRoom(room, StreamNotice::Changed(stream))]
    }

    /// Sessions of a page that is gone for good from `home`, but for those over which media flows, and those with
    /// which it has moved on to another node since.
    pub fn end_idle(&mut self, member: MemberId, home: &NodeName) -> Vec<Effect> {
        let at_home = |session: &Session| session.note.owner.as_ref().is_some_and(|owner| owner.home == *home);
        let of_page = self.sessions.of_page(member).filter(|session| at_home(session));
        let (staying, idle): (Vec<_>, Vec<_>) =
            of_page.map(|session| (session.is_connected(), session.id)).partition(|(connected, _)| *connected);
        staying.into_iter().for_each(|(_, id)| self.set_left(id, true));
        idle.into_iter().flat_map(|(_, id)| self.end(id, None)).collect()
    }

    /// A member has a session on another node.
    pub fn note_session(&mut self, member: MemberId, session: SessionId) {
        if let Some(member) = self.members.get_mut(&member) {
            member.sessions.insert(session);
        }
    }

    /// Sessions of a page on other nodes.
    pub fn sessions_elsewhere(&self, member: MemberId) -> Vec<SessionId> {
        let all = self.members.get(&member).into_iter().flat_map(|member| &member.sessions);
        all.copied().filter(|id| !self.sessions.contains_key(id)).collect()
    }

    pub fn forget_session(&mut self, member: MemberId, session: SessionId) {
        if let Some(member) = self.members.get_mut(&member) {
            member.sessions.remove(&session);
        }
        self.drop_member_if_over(member);
    }

    /// Whether a page may have one more session, wherever it is placed.
    pub fn check_sessions_of(&self, member: MemberId) -> Result<(), RoomError> {
        let member = self.members.get(&member).ok_or(RoomError::NoSuchSession)?;
        match member.sessions.len() >= SESSIONS_PER_MEMBER_MAX {
            true => Err(RoomError::TooMany(RoomLimit::SessionsOfMember)),
            false => Ok(()),
        }
    }

    /// A page that comes back may have another name by now, and its token say something else.
    pub fn rename(&mut self, member: MemberId, name: Option<String>, access: Option<&Access>) {
        let Some(member) = self.members.get_mut(&member) else { return };
        member.name = name.or(member.name.take());
        member.metadata = access.and_then(|access| access.metadata.clone());
    }

    /// A page is gone, and its sessions with it.
    pub fn leave(&mut self, id: MemberId) -> Vec<Effect> {
        let sessions: Vec<SessionId> = self.members.get(&id).into_iter().flat_map(|m| &m.sessions).copied().collect();
        let effects = sessions.into_iter().flat_map(|session| self.end(session, None)).collect();
        self.drop_member(id);
        effects
    }

    /// Brings back the member of a session that a worker remembers; its connection is broken until it returns.
    pub(super) fn restore_member(&mut self, owner: &Owner, room: &RoomName, session: SessionId) {
        if !self.members.contains_key(&owner.member) {
            let (holder, metadata) = told_by(self.sessions.get(&session).and_then(|there| there.note.access.as_ref()));
            self.enter(Member {
                id: owner.member,
                room: room.clone(),
                name: owner.name.clone(),
                metadata,
                holder,
                sessions: BTreeSet::new(),
                connection: Connection::Broken(0),
            });
        }
        if let Some(member) = self.members.get_mut(&owner.member) {
            member.sessions.insert(session);
        }
    }

    /// Members who are waited for, with the numbers of their last connections.
    pub fn broken(&self) -> Vec<(MemberId, u64)> {
        let broken = |member: &Member| match member.connection {
            Connection::Broken(number) => Some((member.id, number)),
            Connection::Up(_) | Connection::Expired(_) => None,
        };
        self.members.values().filter_map(broken).collect()
    }

    fn next_connection(&mut self) -> u64 {
        self.connections += 1;
        self.connections
    }

    fn enter(&mut self, member: Member) {
        let (room, was_used) = (member.room.clone(), self.is_used(&member.room));
        self.rooms.entry(room.clone()).or_default().members.insert(member.id);
        self.members.insert(member.id, member);
        self.report_room(&room, was_used);
    }

    pub(super) fn drop_member_if_over(&mut self, id: MemberId) {
        let over = |member: &Member| matches!(member.connection, Connection::Expired(_)) && member.sessions.is_empty();
        if self.members.get(&id).is_some_and(over) {
            self.drop_member(id);
        }
    }

    /// It is gone, and not only to another node.
    fn drop_member(&mut self, id: MemberId) {
        if let Some(member) = self.members.get(&id).cloned() {
            self.report_member(&member, false);
        }
        self.forget_member(id);
    }

    fn forget_member(&mut self, id: MemberId) {
        let Some(member) = self.members.remove(&id) else {
            return;
        };
        self.members_by_address.remove(&id);
        let was_used = self.is_used(&member.room);
        if let Some(room) = self.rooms.get_mut(&member.room) {
            room.members.remove(&id);
        }
        self.report_room(&member.room, was_used);
        self.drop_room_if_empty(&member.room);
    }
}

/// Whose token it is, and what it says to others.
fn told_by(access: Option<&Access>) -> (Option<Holder>, Option<String>) {
    (access.map(|access| access.holder), access.and_then(|access| access.metadata.clone()))
}
