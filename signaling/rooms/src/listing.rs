//! Owns which streams stand in the list of what is live. Never decides who may read it.

use chappe_cluster::StreamName;

use crate::registry::Room;

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
