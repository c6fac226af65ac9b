//! Owns the state behind the lock, and which pages are connected here.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use chappe_cluster::{NodeName, Replica, Reservations, StreamLog, View};
use chappe_engine::Health;
use chappe_sfu_api::{Boot, Hello, TrackId, WorkerIndex};
use chappe_signaling_chat::{Chat, RoomMessage};
use chappe_signaling_rooms::{Caps, MemberId, Registry, RoomName, StreamName, StreamNotice};
use tokio::task::AbortHandle;

use crate::cluster::handle::Cluster;
use crate::news::News;
use crate::pages::departed::Departed;
use crate::pages::event::{PageEvent, PageLink, PageMessage, ShownStream};
use crate::refusal::Refusal;
use crate::relays::paths::Paths;
use crate::sessions::relayed::RelayedElsewhere;
use crate::workers::view::{WorkerState, WorkerView};

#[derive(Debug)]
pub struct ServiceState {
    pub registry: Registry,
    pub workers: Vec<WorkerView>,
    /// What other nodes say of themselves.
    pub replica: Replica,
    /// What other nodes are told of our streams.
    pub log: StreamLog,
    /// Workers of all nodes, for placement.
    pub view: View,
    pub reservations: Reservations,
    /// What our workers were told of others.
    pub paths: Paths,
    /// Worker processes that some of our workers do not hear, and which do not.
    pub silent_peers: HashMap<Boot, BTreeSet<WorkerIndex>>,
    /// Tracks that a worker of ours is told the way to as soon as it is known: their origin did not have them when it
    /// asked, or nobody here knew their origin.
    pub unrouted: BTreeSet<(WorkerIndex, TrackId)>,
    pub chat: Chat,
    /// Who hears what is said about rooms.
    pub rooms_followed: HashMap<RoomName, Following>,
    /// What the outside is told.
    pub news: News,
    pub drain: Option<Drain>,
    /// Since when other nodes can be heard; none while they can't.
    pub hears_since: Option<Instant>,
    /// Nodes of versions that can't share a cluster with this one, as far as the log was told.
    pub strangers: BTreeSet<NodeName>,
    /// Whether other nodes can be reached, as far as it was acted on.
    pub engine: Health,
    /// Counts presences.
    pub presences: u64,
    pages: HashMap<MemberId, PageConnection>,
    /// Pages that have left for good.
    pub departed: Departed,
    pub relayed: RelayedElsewhere,
}

/// A room's subject on which other nodes are heard.
#[derive(Debug)]
pub struct Following {
    pub task: AbortHandle,
    /// What is published once the subscription stands: an answer that comes before would be missed. None: it does.
    pub waiting: Option<Vec<RoomMessage>>,
}

/// The node is about to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    pub since: Instant,
    pub deadline: Instant,
    /// Once the deadline is over: how many of the sessions that were left then are ended at a time.
    pub ends_per_tick: Option<usize>,
}

/// A page that is connected here.
#[derive(Debug)]
pub struct PageConnection {
    pub number: u64,
    pub link: Box<dyn PageLink>,
}

impl ServiceState {
    pub fn new(workers: usize, cluster: &Cluster, caps: Caps, now: Instant) -> ServiceState {
        let identity = &cluster.identity;
        let (own, instance) = (&identity.node, identity.instance);
        let view = |index: usize| WorkerView::new(WorkerIndex(u16::try_from(index).unwrap_or(u16::MAX)));
        ServiceState {
            registry: Registry::new(own.clone(), caps),
            workers: (0..workers).map(view).collect(),
            replica: Replica::new(own.clone(), instance),
            log: StreamLog::new(own.clone(), instance),
            view: View::new(),
            reservations: Reservations::new(now),
            paths: Paths::default(),
            silent_peers: HashMap::new(),
            unrouted: BTreeSet::new(),
            // Its lives are told apart by their order.
            chat: Chat::new(own.clone(), identity.started_ms),
            rooms_followed: HashMap::new(),
            news: News::new(identity),
            drain: None,
            hears_since: None,
            strangers: BTreeSet::new(),
            engine: if cluster.alone { Health::Up } else { Health::Connecting },
            presences: 0,
            pages: HashMap::new(),
            departed: Departed::default(),
            relayed: RelayedElsewhere::default(),
        }
    }

    /// Whether all that other nodes publish is known: they had the time to speak, and those that did have told it.
    pub fn sees_all(&self, now: Instant) -> bool {
        self.hears_since.is_some_and(|since| now >= since + ALL_HEARD_AFTER) && self.replica.is_caught_up()
    }

    /// Its process is gone, and with it what was said of whom it hears.
    pub fn forget_silences_to(&mut self, worker: WorkerIndex) {
        self.silent_peers.retain(|_, silent_to| {
            silent_to.remove(&worker);
            !silent_to.is_empty()
        });
    }

    pub fn worker(&self, index: WorkerIndex) -> Option<&WorkerView> {
        self.workers.get(usize::from(index.0))
    }

    /// What a worker of this node that takes commands said of itself.
    pub fn serving(&self, index: WorkerIndex) -> Result<&Hello, Refusal> {
        let view = self.worker(index).filter(|view| view.is_there()).ok_or(Refusal::NoWorker)?;
        view.hello.as_ref().ok_or(Refusal::NoWorker)
    }

    /// Whether a worker of this node is on its way: it starts, or another process is about to be in its place.
    pub fn awaits_worker(&self) -> bool {
        let is_on_its_way = |view: &WorkerView| matches!(view.state, WorkerState::Connecting | WorkerState::Lost);
        self.drain.is_none() && self.workers.iter().any(is_on_its_way)
    }

    pub fn worker_mut(&mut self, index: WorkerIndex) -> Option<&mut WorkerView> {
        self.workers.get_mut(usize::from(index.0))
    }

    /// Pages with a connection now.
    pub fn connections(&self) -> usize {
        self.pages.len()
    }

    /// An earlier connection of the same page ends.
    pub fn connect(&mut self, member: MemberId, page: PageConnection) {
        if let Some(earlier) = self.pages.insert(member, page) {
            earlier.link.stop();
        }
    }

    pub fn disconnect(&mut self, member: MemberId, connection: u64) {
        if self.pages.get(&member).is_some_and(|page| page.number == connection) {
            self.pages.remove(&member);
        }
    }

    pub fn tell(&self, member: MemberId, message: PageMessage) {
        if let Some(page) = self.pages.get(&member) {
            page.push(message);
        }
    }

    /// To every page of a room.
    pub fn tell_room(&self, room: &RoomName, event: PageEvent) {
        let members = self.registry.room(room).into_iter().flat_map(|room| &room.members);
        let mut pages = members.filter_map(|member| self.pages.get(member)).peekable();
        if pages.peek().is_some() {
            let message = PageMessage::event(event);
            pages.for_each(|page| page.push(message.clone()));
        }
    }

    /// None if what it is about has gone meanwhile; then another notice says so.
    pub fn shown(&self, room: &RoomName, notice: StreamNotice) -> Option<PageEvent> {
        let stream = |name: &StreamName| Some(ShownStream::of(name, self.registry.stream(room, name)?));
        match notice {
            StreamNotice::Added(name) => stream(&name).map(PageEvent::StreamAdded),
            StreamNotice::Changed(name) => stream(&name).map(PageEvent::StreamChanged),
            StreamNotice::Removed(name) => Some(PageEvent::StreamRemoved(name)),
            StreamNotice::Speaking(stream, speaking) => Some(PageEvent::Speaking { stream, speaking }),
            StreamNotice::All => {
                let streams = self.registry.room(room).into_iter().flat_map(|room| room.streams.keys());
                Some(PageEvent::Streams(streams.cloned().collect()))
            }
        }
    }
}

impl PageConnection {
    /// A page that missed one message shows a wrong picture of the room. It loses its connection instead, comes back
    /// and is told everything.
    pub fn push(&self, message: PageMessage) {
        if !self.link.push(message) {
            self.link.stop();
        }
    }
}

/// From when NATS is reached. Other nodes that live have spoken by then, also those that started together with us or
/// found their way back to NATS later, between two attempts to connect.
const ALL_HEARD_AFTER: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use chappe_engine::Embedded;

    use super::*;
    use crate::harness::node;

    #[test]
    fn a_view_of_the_cluster_is_complete_when_others_could_be_heard_for_a_while_however_old_the_process() {
        let service = node("n1", 1, &Embedded::new());
        let start = Instant::now();
        let mut state = service.state();
        let later = start + Duration::from_secs(3_600);
        assert!(!state.sees_all(later), "nobody could be heard");
        state.hears_since = Some(later);
        assert!(!state.sees_all(later + ALL_HEARD_AFTER / 2));
        assert!(state.sees_all(later + ALL_HEARD_AFTER));
    }
}
