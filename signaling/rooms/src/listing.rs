//! Owns which streams stand in the list of what is live, and since when a publisher counts as being there. Never decides who
//! may read the list.

use chappe_cluster::{RoomName, StreamName};

use crate::attempt::Proof;
use crate::ended::EndedStream;
use crate::registry::{Registry, Room};
use crate::stream::Stream;

impl Room {
    /// Streams whose publishers want them to be found. Whoever has been there for longest decides for the room whether it is
    /// found at all: nobody lists a meeting that goes on, and nobody takes a broadcast off the list by being in its room.
    pub fn listed(&self) -> Vec<&StreamName> {
        let first = self.streams.values().min_by_key(|stream| (stream.since_ms, stream.listed));
        let is_found = first.is_some_and(|first| first.listed);
        let listed = self.streams.iter().filter(|(_, stream)| is_found && stream.listed);
        listed.map(|(name, _)| name).collect()
    }
}

impl Registry {
    /// Unix time since which a client that publishes under a name now counts as being there. One that proves to be the
    /// publisher of before has its place, and whoever came meanwhile stays behind it: the same page, the client of the earlier
    /// session, a token of the same holder. Anybody else is new.
    pub fn publishes_since(&self, room: &RoomName, name: &StreamName, proof: &Proof) -> u64 {
        let live = self.stream(room, name).map(EndedStream::of);
        let since = |before: &EndedStream| before.is_of(proof).then_some(before.since_ms);
        let ended = || self.ended.get(&(room.clone(), name.clone())).and_then(since);
        live.as_ref().and_then(since).or_else(ended).unwrap_or(proof.at_ms)
    }

    pub(super) fn note_ended(&mut self, room: &RoomName, name: &StreamName, stream: &Stream) {
        let (key, ended) = ((room.clone(), name.clone()), EndedStream::of(stream));
        let ended = match self.ended.remove(&key) {
            Some(before) => before.followed_by(ended),
            None => ended,
        };
        if self.ended.len() < ENDED_MAX {
            self.ended.insert(key, ended);
        }
    }

    /// Streams that ended too long ago are forgotten.
    pub fn forget_ended(&mut self, now_ms: u64) {
        self.ended.retain(|_, ended| *ended.until_ms.get_or_insert(now_ms + REMEMBERED_MS) > now_ms);
    }
}

/// A page or an encoder whose worker or node died is back in seconds; one that was away for longer is new.
const REMEMBERED_MS: u64 = 60_000;
/// A worker or a node with as many publishers as there can be takes them all with it.
const ENDED_MAX: usize = 10_000;
