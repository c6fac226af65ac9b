//! Owns nodes for tests: without sockets, and with an engine that several of them share.

use std::sync::Arc;

use chappe_cluster::NodeName;
use chappe_engine::{Embedded, Engine};
use chappe_sfu_api::{Boot, Fingerprint, Hello, PROTOCOL_VERSION, WorkerIndex};

use super::{App, DrainFile};
use crate::cluster::{Cluster, Identity};
use crate::config::AuthMode;
use crate::workers::{WorkerQueue, link};

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
    let identity = Identity {
        node: NodeName::parse(name).expect("a name"),
        instance,
        started_ms: instance,
        region: None,
        origins: Vec::new(),
        addresses: vec![std::net::Ipv4Addr::LOCALHOST.into()],
    };
    let (cluster, _) = Cluster::new(Arc::clone(engine) as Arc<dyn Engine>, false, identity, b"secret");
    let (links, queues) = (0..workers).map(|_| link()).unzip();
    let app = App::new(cluster, AuthMode::Open, links, Vec::new(), DrainFile::beside(None));
    app.settle();
    (app, queues)
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
