//! Owns nodes for tests: without sockets, and with an engine that several of them share.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use chappe_cluster::NodeName;
use chappe_engine::{Embedded, Engine};
use chappe_sfu_api::{
    Boot, Command, Event, Fingerprint, Hello, MediaKind, PROTOCOL_VERSION, SessionId, SessionState, TrackId,
    WorkerIndex,
};
use chappe_signaling_rooms::{Owner, RoomName, StreamName};
use chappe_signaling_sdp::Offer;
use tokio::sync::mpsc;

use super::{Answered, App, DrainFile, PublishRequest};
use crate::access::AddressLimits;
use crate::addresses::Addresses;
use crate::cluster::{Cluster, Identity, Outgoing as ToNodes};
use crate::config::AuthMode;
use crate::http::Caller;
use crate::workers::{Outgoing, Reply, WorkerQueue, link};

pub const W0: WorkerIndex = WorkerIndex(0);

/// One without workers.
pub fn node(name: &str, instance: u64, engine: &Arc<Embedded>) -> Arc<App> {
    node_with_workers(name, instance, 0, engine).0
}

/// Its workers say what the test says for them; what they are told waits in the queues.
pub fn node_with_workers(
    name: &str,
    instance: u64,
    workers: usize,
    engine: &Arc<Embedded>,
) -> (Arc<App>, Vec<WorkerQueue>) {
    let (app, queues, _) = node_with_outbox(name, instance, workers, engine);
    (app, queues)
}

/// And what it says to other nodes waits, too.
pub fn node_with_outbox(
    name: &str,
    instance: u64,
    workers: usize,
    engine: &Arc<Embedded>,
) -> (Arc<App>, Vec<WorkerQueue>, mpsc::Receiver<ToNodes>) {
    let identity =
        Identity { node: NodeName::parse(name).expect("a name"), instance, started_ms: instance, region: None };
    let (cluster, outbox) = Cluster::new(Arc::clone(engine) as Arc<dyn Engine>, false, identity, b"secret");
    let addresses = Addresses::fixed(vec![Ipv4Addr::LOCALHOST.into()]);
    let (links, queues) = (0..workers).map(|_| link()).unzip();
    let app = App::new(cluster, AuthMode::Open, links, addresses, AddressLimits::default(), DrainFile::beside(None));
    app.settle();
    (app, queues, outbox)
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
    }
}

/// A client of this machine.
pub fn caller() -> Caller {
    Caller { address: std::net::IpAddr::from(Ipv4Addr::LOCALHOST).into(), is_proxy: true, reached_at: None }
}

/// A worker that says yes to everything; what it is told is kept.
pub fn obey(mut queue: WorkerQueue) -> Arc<Mutex<Vec<Command>>> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&told);
    tokio::spawn(async move {
        while let Some(Outgoing { command, reply }) = queue.commands.recv().await {
            kept.lock().expect("no test panics while it holds this").push(command);
            reply.into_iter().for_each(|reply| drop(reply.send(Ok(Reply::Done))));
        }
    });
    told
}

/// Publishes `cam` in the room `demo` on the worker of a node that has one.
pub async fn publish(app: &Arc<App>, owner: Option<&Owner>, instead_of: Option<SessionId>) -> SessionId {
    let request = PublishRequest {
        room: RoomName::parse("demo").expect("a good name"),
        stream: StreamName::parse("cam").expect("a good name"),
        offer: Offer::parse(include_str!("../../sdp/tests/data/chromium-whip.sdp")).expect("a recorded offer"),
        owner: owner.cloned(),
        instead_of,
        listed: false,
        alive_ms: None,
        caller: Some(caller()),
    };
    let Answered { session, .. } = app.publish(request).await.expect("the worker obeys");
    app.handle_worker_event(W0, Event::StateChanged { session, state: SessionState::Connected });
    session
}

/// The picture of a publisher arrives.
pub fn show(app: &Arc<App>, session: SessionId) -> TrackId {
    let media = app.hub().registry.session(session).expect("the session was just made").media.clone();
    let video = media.receive.iter().find(|line| line.kind == MediaKind::Video).expect("the viewer has a video line");
    app.handle_worker_event(W0, Event::TrackActive { session, track: video.track, active: true });
    video.track
}
