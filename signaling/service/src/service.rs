//! Owns what all use cases share: the state behind its lock, the ways to workers, other nodes and pages, and whether
//! the process has to end.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use chappe_cluster::{MemberId, NodeName, NodeState, WorkerRecord};
use chappe_sfu_api::{Command, SessionId, WorkerIndex};
use chappe_signaling_addresses::Addresses;
use chappe_signaling_events::PublicEvent;
use chappe_signaling_rooms::{Caps, SessionAlias};
use chappe_signaling_traces::Tracer;
use chappe_signaling_turn::{IceServer, TurnServers};
use tokio::sync::{broadcast, watch as flag};

use crate::callers::caller::Caller;
use crate::callers::issuer_fetches::IssuerFetches;
use crate::callers::limits::AddressLimits;
use crate::callers::refusals::Refusals;
use crate::callers::shares::{Share, Shares};
use crate::clock::unix_ms;
use crate::cluster::handle::Cluster;
use crate::deliveries::Deliveries;
use crate::drain::file::DrainFile;
use crate::drain::moves::Moves;
use crate::lock::{HoldTimes, StateLock, StateTurn};
use crate::refusal::{Limit, Refusal};
use crate::sessions::admission::Admission;
use crate::sessions::arrivals::Arrivals;
use crate::state::ServiceState;
use crate::workers::link::{Links, WorkerLink};

/// Shared by all connections.
#[derive(Debug)]
pub struct Service {
    pub cluster: Cluster,
    pub(crate) state: StateLock,
    pub(crate) admission: Admission,
    /// Who was asked to leave a node or worker that drains. Never locked together with the state.
    pub(crate) moves: Mutex<Moves>,
    pub(crate) links: Links,
    pub addresses: Addresses,
    pub(crate) limits: AddressLimits,
    started: SystemTime,
    pub(crate) drain_file: DrainFile,
    /// False until the workers that live have told their sessions: before that, nobody can say whether a
    /// name is free or a session exists.
    settled: flag::Sender<bool>,
    /// One per WebSocket, also before it says hello.
    page_places: Arc<Shares>,
    pages_max: usize,
    /// Shared with the listeners, which refuse before a request gets here.
    pub refusals: Arc<Refusals>,
    pub issuer_fetches: IssuerFetches,
    pub deliveries: Deliveries,
    turn: TurnServers,
    /// Where traces of joins begin, and the steps of those whose clients are on their way.
    pub tracer: Tracer,
    pub(crate) arrivals: Arrivals,
    /// Set when the process has to end by itself.
    ending: flag::Sender<Option<Exit>>,
}

/// Why the process ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Drained,
    /// Another node has our name, and had it first.
    NameTaken,
}

impl Service {
    pub fn new(
        cluster: Cluster,
        links: Vec<WorkerLink>,
        addresses: Addresses,
        (limits, caps): (AddressLimits, Caps),
        drain_file: DrainFile,
        turn: TurnServers,
        tracer: Tracer,
    ) -> Arc<Service> {
        let pages_max = caps.members.max(PAGES_MAX_DEFAULT);
        let state = StateLock::new(ServiceState::new(links.len(), &cluster, caps, Instant::now()));
        Arc::new(Service {
            cluster,
            state,
            admission: Admission::new(),
            moves: Mutex::default(),
            links: Links::new(links),
            addresses,
            limits,
            started: SystemTime::now(),
            drain_file,
            settled: flag::channel(false).0,
            page_places: Shares::new(pages_max),
            pages_max,
            refusals: Arc::default(),
            issuer_fetches: IssuerFetches::default(),
            deliveries: Deliveries::default(),
            turn,
            tracer,
            arrivals: Arrivals::default(),
            ending: flag::channel(None).0,
        })
    }

    /// This node.
    pub fn node(&self) -> &NodeName {
        self.cluster.own()
    }

    /// The state, for one turn.
    #[track_caller]
    pub fn state(&self) -> StateTurn<'_> {
        self.state.turn()
    }

    pub fn lock_holds(&self) -> &HoldTimes {
        self.state.holds()
    }

    /// To what happens from now on.
    pub fn listen(&self) -> broadcast::Receiver<Arc<PublicEvent>> {
        self.state().news.listen()
    }

    /// Room for one more WebSocket, for as long as it is held.
    pub fn page_place(&self, caller: &Caller) -> Result<Share, Refusal> {
        let all_max = self.pages_max;
        // A school behind one NAT; a proxy that does not say who its clients are, and this machine, are more.
        let each_max = (all_max / if caller.is_proxy { 2 } else { 8 }).max(1);
        let share = self.page_places.take(caller.address, each_max);
        share.ok_or(Refusal::TooMany(Limit::Connections(all_max, each_max)))
    }

    /// The TURN servers, with credentials for a session of WHIP or WHEP that begins to connect now. Whoever is on the way
    /// to the server, and the server, reads the user name: the id of the session is not in it.
    pub fn turn_for_session(&self, session: SessionId) -> Option<IceServer> {
        let told = self.turn_for(&SessionAlias::of(session).to_string())?;
        if !self.cluster.is_ours(session) {
            self.state().relayed.note(Instant::now(), session);
        }
        Some(told)
    }

    /// The same for a page: its id proves nothing, everybody in its room is told it.
    pub fn turn_for_member(&self, member: MemberId) -> Option<IceServer> {
        self.turn_for(&member.to_string())
    }

    fn turn_for(&self, client: &str) -> Option<IceServer> {
        self.turn.for_client(client, &self.addresses.now().candidates, Duration::from_millis(unix_ms()))
    }

    /// Of the TURN servers that clients are told.
    pub fn turn_urls(&self) -> Vec<String> {
        self.turn.urls(&self.addresses.now().candidates)
    }

    /// Where datagrams for a media port go that clients are told, of this node or of another one; none if it is nobody's.
    pub fn media_port(&self, peer: SocketAddr) -> Option<SocketAddr> {
        let reach = self.addresses.now();
        let state = self.state();
        let own = self.own_state(&state);
        let has = |workers: &[WorkerRecord]| workers.iter().any(|worker| worker.media_port == peer.port());
        if reach.candidates.contains(&peer.ip()) && has(&own.workers) {
            // Behind NAT the machine does not have the address that it is reached at.
            let is_here = reach.relays.contains(&peer.ip()) && !self.addresses.is_named(peer.ip());
            let ip: IpAddr = if peer.is_ipv6() { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
            return Some(if is_here { peer } else { SocketAddr::new(ip, peer.port()) });
        }
        let is_its = |node: &NodeState| node.addresses.contains(&peer.ip()) && has(&node.workers);
        state.replica.nodes().any(is_its).then_some(peer)
    }

    /// Whether clients are told this address of a node.
    pub fn is_of_a_node(&self, ip: IpAddr) -> bool {
        self.addresses.now().candidates.contains(&ip)
            || self.state().replica.nodes().any(|node| node.addresses.contains(&ip))
    }

    pub fn started(&self) -> SystemTime {
        self.started
    }

    /// The workers had their chance to report.
    pub fn settle(&self) {
        self.settled.send_replace(true);
    }

    pub fn is_settled(&self) -> bool {
        *self.settled.borrow()
    }

    pub async fn wait_settled(&self) {
        // The sender lives as long as the service, so this can't fail.
        let _ = self.settled.subscribe().wait_for(|settled| *settled).await;
    }

    pub(crate) fn link(&self, worker: WorkerIndex) -> Result<WorkerLink, Refusal> {
        self.links.to(worker).ok_or(Refusal::NoWorker)
    }

    pub(crate) fn send_plain(&self, worker: WorkerIndex, command: Command) {
        match self.link(worker) {
            Ok(link) => link.send(command),
            Err(_) => tracing::error!(worker = worker.0, "no such worker"),
        }
    }

    pub(crate) fn end(&self, ending: Exit) {
        self.ending.send_replace(Some(ending));
    }

    /// When and why the process has to end by itself.
    pub async fn ended(&self) -> Exit {
        let mut ending = self.ending.subscribe();
        let ended = ending.wait_for(Option::is_some).await.map(|ending| *ending);
        match ended {
            Ok(Some(ending)) => ending,
            // The sender lives as long as the service.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }
}

/// WebSockets at a time, also those that did not say hello yet; as many as members where there may be more.
const PAGES_MAX_DEFAULT: usize = 20_000;
