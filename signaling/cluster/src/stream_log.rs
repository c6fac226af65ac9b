//! Owns the list of this node's published streams as others follow it: changes with versions, and the whole list
//! for who missed one. Never says how it travels.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use chappe_sfu_api::Epoch;

use crate::{NodeName, RoomName, StreamChange, StreamDelta, StreamList, StreamName, StreamRecord};

#[derive(Debug)]
pub struct StreamLog {
    node: NodeName,
    instance: u64,
    version: u64,
    streams: BTreeMap<(RoomName, StreamName), StreamRecord>,
}

impl StreamLog {
    pub fn new(node: NodeName, instance: u64) -> StreamLog {
        StreamLog { node, instance, version: 0, streams: BTreeMap::new() }
    }

    /// For the presence: see [`crate::NodeState::streams_version`].
    pub fn version(&self) -> u64 {
        self.version
    }

    /// None: nothing changed, or the list is full ([`STREAMS_PER_NODE_MAX`], more than a node's workers carry).
    pub fn put(&mut self, record: StreamRecord) -> Option<StreamDelta> {
        let is_full = self.streams.len() >= STREAMS_PER_NODE_MAX;
        match self.streams.entry((record.room.clone(), record.stream.clone())) {
            Entry::Occupied(known) if *known.get() == record => return None,
            Entry::Occupied(mut known) => drop(known.insert(record.clone())),
            Entry::Vacant(_) if is_full => return None,
            Entry::Vacant(vacant) => drop(vacant.insert(record.clone())),
        }
        Some(self.changed(StreamChange::Put(record)))
    }

    /// None: there is no such stream, or one with a higher epoch has taken its place.
    pub fn gone(&mut self, room: &RoomName, stream: &StreamName, epoch: Epoch) -> Option<StreamDelta> {
        let Entry::Occupied(known) = self.streams.entry((room.clone(), stream.clone())) else { return None };
        if known.get().epoch > epoch {
            return None;
        }
        known.remove();
        Some(self.changed(StreamChange::Gone { room: room.clone(), stream: stream.clone(), epoch }))
    }

    pub fn streams(&self) -> impl Iterator<Item = &StreamRecord> {
        self.streams.values()
    }

    /// One part of the list, counted from 0; a part beyond the last is empty. A message carries 1 MB at most, and a
    /// node may have more streams than fit.
    pub fn list(&self, part: u32) -> StreamList {
        let mut streams = Vec::new();
        let (mut at, mut bytes) = (0_u32, 0);
        for record in self.streams.values() {
            bytes += RECORD_BYTES + record.description.len() + record.name.as_ref().map_or(0, String::len);
            if bytes > PART_BYTES {
                (at, bytes) = (at + 1, 0);
            }
            if at == part {
                streams.push(record.clone());
            }
        }
        StreamList {
            node: self.node.clone(),
            instance: self.instance,
            version: self.version,
            part,
            parts: at + 1,
            streams,
        }
    }

    fn changed(&mut self, change: StreamChange) -> StreamDelta {
        self.version += 1;
        StreamDelta { node: self.node.clone(), instance: self.instance, version: self.version, change }
    }
}

/// Streams that a node tells of, and that others believe it.
pub const STREAMS_PER_NODE_MAX: usize = 65_536;

/// Aimed at; JSON escapes in a description may double it.
const PART_BYTES: usize = 400_000;

/// Of a record besides its texts.
const RECORD_BYTES: usize = 512;
