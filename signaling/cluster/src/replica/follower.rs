//! Owns one other node's list of streams, as followed from its changes: which version it is at, and when the whole
//! list has to be asked for. Never judges whether the node lives.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chappe_sfu_api::Epoch;

use super::output::Output;
use crate::stream_log::STREAMS_PER_NODE_MAX;
use crate::{NodeName, RoomName, StreamChange, StreamList, StreamName, StreamRecord};

#[derive(Debug)]
pub(super) struct Follower {
    node: NodeName,
    /// Of the node's present instance; none until its list is there.
    version: Option<u64>,
    /// The highest version that was heard of.
    told: u64,
    streams: BTreeMap<(RoomName, StreamName), StreamRecord>,
    /// Changes that came before the one they follow, by version.
    early: BTreeMap<u64, StreamChange>,
    collected: Collected,
    want: Want,
}

/// Parts of a list that have come so far, in order.
#[derive(Debug, Default)]
struct Collected {
    version: u64,
    parts: u32,
    streams: Vec<StreamRecord>,
}

/// ```text
///          behind                still behind at that time
/// Nothing ────────► Soon(at) ───────────────────────────────┐
///    ▲  ▲               │ caught up                         ▼
///    │  └───────────────┘                  a gap ──► Asked(again at) ──┐
///    │                                                      ▲  └───────┘ no answer
///    └──────────────────────────────────────────────────────┘ the list is there
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Want {
    Nothing,
    /// A change was told of that has not come. It may be on its way.
    Soon(Instant),
    /// Asked for the list; asked again at this time.
    Asked(Instant),
}

impl Follower {
    pub fn new(node: NodeName) -> Follower {
        Follower {
            node,
            version: None,
            told: 0,
            streams: BTreeMap::new(),
            early: BTreeMap::new(),
            collected: Collected::default(),
            want: Want::Nothing,
        }
    }

    pub fn streams(&self) -> impl Iterator<Item = &StreamRecord> {
        self.streams.values()
    }

    /// Its present list has come.
    pub fn is_known(&self) -> bool {
        self.version.is_some()
    }

    /// A new instance counts from 1, and a node that was lost may have said anything meanwhile. What is known stays
    /// until the list is there, because a signaling process that starts again takes up its workers' sessions.
    pub fn start_over(&mut self, now: Instant, told: u64, outputs: &mut Vec<Output>) {
        (self.version, self.told) = (None, told);
        self.early.clear();
        if told == 0 && self.streams.is_empty() {
            (self.version, self.want) = (Some(0), Want::Nothing);
        } else {
            self.ask(now, 0, outputs);
        }
    }

    /// A presence told the version.
    pub fn handle_told(&mut self, now: Instant, version: u64) {
        self.told = self.told.max(version);
        if self.is_behind() && self.want == Want::Nothing {
            self.want = Want::Soon(now + ON_ITS_WAY);
        }
    }

    pub fn handle_delta(&mut self, now: Instant, version: u64, change: StreamChange, outputs: &mut Vec<Output>) {
        self.told = self.told.max(version);
        if self.version.is_some_and(|known| version <= known) {
            return;
        }
        let is_next = self.version.is_some_and(|known| known.checked_add(1) == Some(version));
        if is_next || self.early.len() < EARLY_MAX {
            self.early.insert(version, change);
        }
        self.apply_early(outputs);
        match self.want {
            Want::Asked(_) if self.version.is_none() => {}
            _ if !self.is_behind() => self.caught_up(),
            Want::Asked(_) => {}
            Want::Nothing | Want::Soon(_) => self.ask(now, 0, outputs),
        }
    }

    /// One part of the list, of the node's present instance.
    pub fn handle_list(&mut self, now: Instant, list: StreamList, outputs: &mut Vec<Output>) {
        if self.version.is_some_and(|known| list.version < known) {
            return;
        }
        if list.part == 0 {
            self.collected = Collected { version: list.version, ..Collected::default() };
        }
        if list.part != self.collected.parts {
            return;
        }
        if list.version != self.collected.version {
            // The list changed between two parts.
            self.ask(now, 0, outputs);
            return;
        }
        let room = STREAMS_PER_NODE_MAX.saturating_sub(self.collected.streams.len());
        self.collected.streams.extend(list.streams.into_iter().take(room));
        self.collected.parts += 1;
        if self.collected.parts < list.parts {
            self.ask(now, self.collected.parts, outputs);
            return;
        }
        let streams = std::mem::take(&mut self.collected).streams;
        self.replace(streams, outputs);
        self.version = Some(list.version);
        self.told = self.told.max(list.version);
        self.early = self.early.split_off(&list.version.saturating_add(1));
        self.apply_early(outputs);
        self.want = if self.is_behind() { Want::Soon(now + ON_ITS_WAY) } else { Want::Nothing };
    }

    pub fn handle_timeout(&mut self, now: Instant, outputs: &mut Vec<Output>) {
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            self.ask(now, self.collected.parts, outputs);
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        match self.want {
            Want::Nothing => None,
            Want::Soon(at) | Want::Asked(at) => Some(at),
        }
    }

    /// The node is lost: nothing is asked of it, and what it published counts as gone. It is kept, for a node that
    /// only was cut off.
    pub fn withdraw(&mut self, outputs: &mut Vec<Output>) {
        (self.version, self.want) = (None, Want::Nothing);
        self.early.clear();
        self.collected = Collected::default();
        outputs.extend(self.streams.values().map(|record| gone(&self.node, record)));
    }

    /// The node is back: what it published counts again.
    pub fn restore(&self, outputs: &mut Vec<Output>) {
        outputs.extend(self.streams.values().map(|record| Output::StreamPut(self.node.clone(), record.clone())));
    }

    pub fn forget(&mut self) {
        self.streams.clear();
    }
}

impl Follower {
    fn is_behind(&self) -> bool {
        self.version.is_none_or(|known| known < self.told)
    }

    fn ask(&mut self, now: Instant, part: u32, outputs: &mut Vec<Output>) {
        if part == 0 {
            self.collected = Collected::default();
        }
        self.want = Want::Asked(now + ASK_AGAIN);
        outputs.push(Output::WantList { node: self.node.clone(), part });
    }

    fn caught_up(&mut self) {
        self.want = Want::Nothing;
        self.collected = Collected::default();
    }

    fn apply_early(&mut self, outputs: &mut Vec<Output>) {
        while let Some(next) = self.version.map(|known| known.saturating_add(1))
            && let Some(change) = self.early.remove(&next)
        {
            self.version = Some(next);
            self.apply(change, outputs);
        }
    }

    fn apply(&mut self, change: StreamChange, outputs: &mut Vec<Output>) {
        match change {
            StreamChange::Put(record) => self.put(record, outputs),
            StreamChange::Gone { room, stream, epoch } => self.remove(&(room, stream), epoch, outputs),
        }
    }

    fn put(&mut self, record: StreamRecord, outputs: &mut Vec<Output>) {
        let key = (record.room.clone(), record.stream.clone());
        let known = self.streams.get(&key);
        let fits = known.is_some() || self.streams.len() < STREAMS_PER_NODE_MAX;
        if known != Some(&record) && fits {
            self.streams.insert(key, record.clone());
            outputs.push(Output::StreamPut(self.node.clone(), record));
        }
    }

    fn remove(&mut self, key: &(RoomName, StreamName), epoch: Epoch, outputs: &mut Vec<Output>) {
        if self.streams.get(key).is_some_and(|known| known.epoch <= epoch)
            && let Some(known) = self.streams.remove(key)
        {
            outputs.push(gone(&self.node, &known));
        }
    }

    /// Tells only what is different.
    fn replace(&mut self, streams: Vec<StreamRecord>, outputs: &mut Vec<Output>) {
        let mut stale = std::mem::take(&mut self.streams);
        for record in streams {
            let key = (record.room.clone(), record.stream.clone());
            if let Some(known) = stale.remove(&key) {
                self.streams.insert(key, known);
            }
            self.put(record, outputs);
        }
        outputs.extend(stale.values().map(|record| gone(&self.node, record)));
    }
}

fn gone(node: &NodeName, record: &StreamRecord) -> Output {
    Output::StreamGone {
        node: node.clone(),
        room: record.room.clone(),
        stream: record.stream.clone(),
        epoch: record.epoch,
    }
}

/// A presence may overtake the changes it counts.
const ON_ITS_WAY: Duration = Duration::from_millis(250);

/// A request between nodes takes milliseconds; who has not answered by now has not heard it.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Changes that wait for an earlier one. Beyond it they are dropped: the list that was asked for has them.
const EARLY_MAX: usize = 1_024;
