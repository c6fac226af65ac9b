//! Owns the rooms of one node. Never reads a clock.

use std::time::Instant;

use chappe_cluster::{MemberId, NodeName, RoomName};

use crate::message::RoomMessage;
use crate::notice::{History, JoinError, Output, Person, Said, SayError};

/// Who is in the rooms of this node, and what is said there.
#[derive(Debug)]
pub struct Lobby {
    own: NodeName,
    instance: u64,
}

impl Lobby {
    /// `instance` tells this process from earlier ones of the same node.
    pub fn new(own: NodeName, instance: u64) -> Lobby {
        Lobby { own, instance }
    }

    pub fn join(&mut self, _now: Instant, _room: &RoomName, _person: Person) -> Result<Vec<Output>, JoinError> {
        Ok(Vec::new())
    }

    pub fn leave(&mut self, _now: Instant, _room: &RoomName, _member: MemberId) -> Vec<Output> {
        Vec::new()
    }

    pub fn say(
        &mut self,
        _now: Instant,
        _unix_ms: u64,
        _room: &RoomName,
        _member: MemberId,
        _text: &str,
    ) -> Result<(Said, Vec<Output>), SayError> {
        Err(SayError::NotHere)
    }

    pub fn typing(&mut self, _now: Instant, _room: &RoomName, _member: MemberId, _typing: bool) -> Vec<Output> {
        Vec::new()
    }

    pub fn here(&self, _room: &RoomName) -> Vec<Person> {
        Vec::new()
    }

    pub fn history(&self, _room: &RoomName) -> History {
        History::default()
    }

    pub fn handle_message(&mut self, _now: Instant, _room: &RoomName, _message: RoomMessage) -> Vec<Output> {
        Vec::new()
    }

    /// The members of the node leave.
    pub fn handle_node_lost(&mut self, _now: Instant, _node: &NodeName) -> Vec<Output> {
        Vec::new()
    }

    /// Messages do not get through: nobody is taken for gone because nothing is heard.
    pub fn handle_engine_down(&mut self) {}

    /// Messages get through again: everybody is asked.
    pub fn handle_engine_up(&mut self, _now: Instant) -> Vec<Output> {
        Vec::new()
    }

    pub fn handle_timeout(&mut self, _now: Instant) -> Vec<Output> {
        Vec::new()
    }

    /// When to call [`Lobby::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}
