//! Owns the coming and going of pages: joining, breaking off, coming back, being forgotten.

use std::collections::BTreeSet;

use chappe_sfu_api::SessionId;

use super::member::Connection;
use super::{Effect, Member, MemberId, Registry, ResumeSecret, RoomName};
use crate::refusal::{Limit, Refusal};
use crate::session::Owner;

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
    /// A page enters a room for the first time; its connection has number 1.
    pub fn join(
        &mut self,
        id: MemberId,
        resume: ResumeSecret,
        room: RoomName,
        name: Option<String>,
    ) -> Result<(), Refusal> {
        if self.members.len() >= MEMBERS_MAX {
            return Err(Refusal::TooMany(Limit::AllMembers(MEMBERS_MAX)));
        }
        match self.rooms.get(&room) {
            None => self.check_new_room()?,
            Some(there) if there.members.len() >= MEMBERS_PER_ROOM_MAX => {
                return Err(Refusal::TooMany(Limit::Members(MEMBERS_PER_ROOM_MAX)));
            }
            Some(_) => {}
        }
        let connection = Connection::Up(1);
        self.enter(Member { id, room, name, resume, sessions: BTreeSet::new(), connection });
        Ok(())
    }

    /// A page comes back with its secret. Sessions of its that it does not name have no peer connection
    /// any more, and end.
    pub fn resume(
        &mut self,
        secret: ResumeSecret,
        room: &RoomName,
        living: &[SessionId],
    ) -> Option<(Resumed, Vec<Effect>)> {
        let id = *self.secrets.get(&secret)?;
        let member = self.members.get_mut(&id).filter(|member| member.room == *room)?;
        member.connection = Connection::Up(member.connection.number().wrapping_add(1));
        let connection = member.connection.number();
        let (kept, gone): (Vec<SessionId>, Vec<SessionId>) = member.sessions.iter().partition(|id| living.contains(id));
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
        let idle = |id: &SessionId| !self.sessions.get(id).is_some_and(|session| session.is_connected());
        let idle: Vec<SessionId> = member.sessions.iter().copied().filter(idle).collect();
        let effects = idle.into_iter().flat_map(|id| self.end(id, None)).collect();
        self.drop_member_if_over(id);
        effects
    }

    /// Brings back the member of a session that a worker remembers; its connection is broken until it returns.
    pub(super) fn restore_member(&mut self, owner: &Owner, room: &RoomName, session: SessionId) {
        if !self.members.contains_key(&owner.member) {
            self.enter(Member {
                id: owner.member,
                room: room.clone(),
                name: owner.name.clone(),
                resume: owner.resume,
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

    fn enter(&mut self, member: Member) {
        self.rooms.entry(member.room.clone()).or_default().members.insert(member.id);
        self.secrets.insert(member.resume, member.id);
        self.members.insert(member.id, member);
    }

    pub(super) fn drop_member_if_over(&mut self, id: MemberId) {
        let over = |member: &Member| matches!(member.connection, Connection::Expired(_)) && member.sessions.is_empty();
        if !self.members.get(&id).is_some_and(over) {
            return;
        }
        let Some(member) = self.members.remove(&id) else {
            return;
        };
        self.secrets.remove(&member.resume);
        if let Some(room) = self.rooms.get_mut(&member.room) {
            room.members.remove(&id);
        }
        self.drop_room_if_empty(&member.room);
    }
}

/// Most members of one room.
pub const MEMBERS_PER_ROOM_MAX: usize = 2_000;

/// Most members of one node.
pub const MEMBERS_MAX: usize = 20_000;
