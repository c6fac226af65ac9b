//! Owns nodes for tests: without sockets, and with an engine that several of them share.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use chappe_cluster::NodeName;
use chappe_engine::{Embedded, Engine, Incoming};
use chappe_sfu_api::{
    Boot, Command, Event, Fingerprint, Hello, MediaKind, PROTOCOL_VERSION, SessionId, SessionState, SessionStats,
    TrackId, WorkerIndex,
};
use chappe_signaling_addresses::Addresses;
use chappe_signaling_rooms::{Caps, Owner, RoomError, RoomName, StreamName};
use chappe_signaling_sdp::Offer;
use chappe_signaling_traces::Tracer;
use chappe_signaling_turn::TurnServers;
use tokio::sync::mpsc;

use crate::callers::caller::Caller;
use crate::callers::limits::AddressLimits;
use crate::cluster::handle::{Cluster, Identity};
use crate::cluster::message::{NodeReply, NodeRequest};
use crate::cluster::outgoing::Outgoing;
use crate::drain::file::DrainFile;
use crate::pages::event::{PageEvent, PageLink, PageMessage};
use crate::refusal::{Refusal, RemoteRefusal};
use crate::request::{Answered, PublishRequest, WatchRequest, Watched};
use crate::service::Service;
use crate::workers::link::{WorkerCommand, WorkerQueue, WorkerReply, worker_link};

pub const W0: WorkerIndex = WorkerIndex(0);

/// One without workers.
pub fn node(name: &str, instance: u64, engine: &Arc<Embedded>) -> Arc<Service> {
    node_with_workers(name, instance, 0, engine).0
}

/// Its workers say what the test says for them; what they are told waits in the queues.
pub fn node_with_workers(
    name: &str,
    instance: u64,
    workers: usize,
    engine: &Arc<Embedded>,
) -> (Arc<Service>, Vec<WorkerQueue>) {
    let (service, queues, _) = node_with_outbox(name, instance, workers, engine);
    (service, queues)
}

/// And what it says to other nodes waits, too.
pub fn node_with_outbox(
    name: &str,
    instance: u64,
    workers: usize,
    engine: &Arc<Embedded>,
) -> (Arc<Service>, Vec<WorkerQueue>, mpsc::Receiver<Outgoing>) {
    assemble(name, instance, workers, engine, false)
}

/// One that has no others.
pub fn lone_node(workers: usize) -> (Arc<Service>, Vec<WorkerQueue>) {
    let (service, queues, _) = assemble("n1", 1, workers, &Embedded::new(), true);
    (service, queues)
}

fn assemble(
    name: &str,
    instance: u64,
    workers: usize,
    engine: &Arc<Embedded>,
    alone: bool,
) -> (Arc<Service>, Vec<WorkerQueue>, mpsc::Receiver<Outgoing>) {
    let identity =
        Identity { node: NodeName::parse(name).expect("a name"), instance, started_ms: instance, region: None };
    let (cluster, outbox) = Cluster::new(Arc::clone(engine) as Arc<dyn Engine>, alone, identity, b"secret");
    let addresses = Addresses::fixed(vec![Ipv4Addr::LOCALHOST.into()]);
    let (links, queues) = (0..workers).map(|_| worker_link()).unzip();
    let service = Service::new(
        cluster,
        links,
        addresses,
        (AddressLimits::default(), Caps::default()),
        DrainFile::beside(None),
        TurnServers::default(),
        Tracer::default(),
    );
    service.settle();
    (service, queues, outbox)
}

pub fn hello(worker: WorkerIndex, boot: Boot) -> Hello {
    Hello {
        version: PROTOCOL_VERSION,
        worker,
        boot,
        pid: 1,
        media_port: 7000 + worker.0,
        fingerprint: Fingerprint { hash: "sha-256".into(), value: "AB:CD".into() },
        draining: false,
        sessions_max: 10,
        restarts: 0,
        started_ms: 0,
    }
}

/// A client of this machine.
pub fn caller() -> Caller {
    Caller { address: std::net::IpAddr::from(Ipv4Addr::LOCALHOST).into(), is_proxy: true, reached_at: None, pass: None }
}

fn stats(session: SessionId) -> SessionStats {
    let (state, received, sent) = (SessionState::Connected, Vec::new(), Vec::new());
    SessionStats { session, state, remote: None, round_trip_ms: None, line: None, received, sent }
}

/// A worker that says yes to everything; what it is told is kept.
pub fn obey(mut queue: WorkerQueue) -> Arc<Mutex<Vec<Command>>> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&told);
    tokio::spawn(async move {
        while let Some(WorkerCommand { command, reply }) = queue.commands.recv().await {
            let answer = match &command {
                Command::SessionStats { session } => WorkerReply::Stats(stats(*session)),
                _ => WorkerReply::Done,
            };
            kept.lock().expect("no test panics while it holds this").push(command);
            reply.into_iter().for_each(|reply| drop(reply.send(Ok(answer.clone()))));
        }
    });
    told
}

/// It answers other nodes.
pub fn serve(service: &Arc<Service>) {
    let service = Arc::clone(service);
    tokio::spawn(async move {
        let engine = Arc::clone(&service.cluster.engine);
        let mut requests = engine.receive_requests(service.node().as_str()).await.expect("the engine is embedded");
        while let Some(Incoming { payload, reply }) = requests.recv().await {
            let request: NodeRequest = serde_json::from_slice(&payload).expect("a request of ours");
            let answer = service.answer_node(request).await.unwrap_or_else(|refusal| {
                // The edge has the words for all of them.
                assert_eq!(refusal, Refusal::from(RoomError::NoSuchSession));
                let (code, message) = ("no_such_session".to_owned(), refusal.to_string());
                NodeReply::Refused { told: RemoteRefusal { code, message, status: 404, retry_after_ms: None } }
            });
            reply.send(serde_json::to_vec(&answer).expect("a reply has only string keys").into());
        }
    });
}

/// A WHIP client that wants to publish `cam` in the room `demo`.
pub fn publish_request() -> PublishRequest {
    PublishRequest {
        room: RoomName::parse("demo").expect("a good name"),
        stream: StreamName::parse("cam").expect("a good name"),
        offer: Offer::parse(include_str!("../../sdp/tests/data/chromium-whip.sdp")).expect("a recorded offer"),
        owner: None,
        instead_of: None,
        listed: false,
        takes_over: false,
        alive_ms: None,
        caller: Some(caller()),
    }
}

/// A WHEP player that wants to watch it, or waits for it.
pub fn watch_request() -> WatchRequest {
    let PublishRequest { room, stream, .. } = publish_request();
    WatchRequest {
        room,
        slots: Watched::Player { stream, wait: true, height_max: None },
        offer: Offer::parse(include_str!("../../sdp/tests/data/chromium-whep.sdp")).expect("a recorded offer"),
        owner: None,
        instead_of: None,
        alive_ms: None,
        caller: Some(caller()),
    }
}

/// Publishes `cam` in the room `demo` on the worker of a node that has one.
pub async fn publish(service: &Arc<Service>, owner: Option<&Owner>, instead_of: Option<SessionId>) -> SessionId {
    let request = PublishRequest { owner: owner.cloned(), instead_of, ..publish_request() };
    let Answered { session, .. } = service.publish(request).await.expect("the worker obeys");
    service.handle_worker_event(W0, Event::StateChanged { session, state: SessionState::Connected });
    session
}

/// The picture of a publisher arrives.
pub fn show(service: &Arc<Service>, session: SessionId) -> TrackId {
    let media = service.state().registry.session(session).expect("the session was just made").media.clone();
    let video = media.receive.iter().find(|line| line.kind == MediaKind::Video).expect("the viewer has a video line");
    service.handle_worker_event(W0, Event::TrackActive { session, track: video.track, active: true });
    video.track
}

/// A page that reads what it is told when the test asks for it.
#[derive(Debug, Clone)]
pub struct TestPage(Arc<Mutex<Page>>);

#[derive(Debug)]
struct Page {
    messages: Vec<PageMessage>,
    messages_max: usize,
    stopped: bool,
}

/// The two ends of the way to a page with room for so many messages.
pub fn page_link(messages_max: usize) -> (TestPage, TestPage) {
    let page = TestPage(Arc::new(Mutex::new(Page { messages: Vec::new(), messages_max, stopped: false })));
    (page.clone(), page)
}

impl TestPage {
    pub fn events(&self) -> Vec<PageEvent> {
        let page = self.0.lock().expect("no test panics while it holds this");
        let event = |message: &PageMessage| match message {
            PageMessage::Event(shared) => Some(shared.event.clone()),
            PageMessage::Welcome(_) | PageMessage::Rendered(_) => None,
        };
        page.messages.iter().filter_map(event).collect()
    }

    pub fn is_stopped(&self) -> bool {
        self.0.lock().expect("no test panics while it holds this").stopped
    }
}

impl PageLink for TestPage {
    fn push(&self, message: PageMessage) -> bool {
        let mut page = self.0.lock().expect("no test panics while it holds this");
        let has_place = page.messages.len() < page.messages_max;
        page.messages.extend(Some(message).filter(|_| has_place));
        has_place
    }

    fn stop(&self) {
        self.0.lock().expect("no test panics while it holds this").stopped = true;
    }
}
