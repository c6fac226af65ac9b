//! Claims about three servers of which one dies.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chappe_engine::{Change, Engine, Nats, Revision};

use crate::support::server::{Server, start_cluster};
use crate::support::{bytes, connected, key, next, until, until_synced, write_surely};

fn url(servers: &[Server]) -> String {
    let hosts: Vec<String> = servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
    format!("nats://{}", hosts.join(","))
}

/// The server that leads the store's stream, by its place in the list.
async fn leader(servers: &[Server]) -> usize {
    let client = async_nats::connect(servers[0].url()).await.unwrap();
    until("a leader", async || {
        let reply = client.request("$JS.API.STREAM.INFO.KV_chappe", "".into()).await.ok()?;
        let reply: serde_json::Value = serde_json::from_slice(&reply.payload).unwrap();
        let name = reply["cluster"]["leader"].as_str()?;
        servers.iter().position(|server| name == format!("n{}", server.port))
    })
    .await
}

/// Counts up under `name` until told to stop; returns what it has written last.
async fn count_up(engine: Arc<Nats>, name: String, done: Arc<AtomicU64>, stop_at: Arc<AtomicU64>) -> (u64, Revision) {
    let name = key(&name);
    let mut number = 0;
    let mut last = write_surely(&*engine, &name, &bytes("0"), None).await;
    while number < stop_at.load(Ordering::Relaxed) {
        let next = number + 1;
        last = write_surely(&*engine, &name, &bytes(next.to_string()), Some(last)).await;
        number = next;
        done.fetch_add(1, Ordering::Relaxed);
    }
    (number, last)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_leader_dies_no_acknowledged_write_is_lost_and_none_happens_twice() {
    let mut servers = start_cluster();
    let (a, b) = (connected(&url(&servers)).await, connected(&url(&servers)).await);
    until("the store", async || a.create(&key("first"), bytes("v")).await.ok()).await;
    let mut watch = b.watch("count").await.unwrap();
    assert_eq!(until_synced(&mut watch).await, []);

    let (done, stop_at) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(u64::MAX)));
    let counting: Vec<_> = [(&a, "count/a"), (&b, "count/b")]
        .into_iter()
        .map(|(engine, name)| {
            tokio::spawn(count_up(Arc::clone(engine), name.to_owned(), Arc::clone(&done), Arc::clone(&stop_at)))
        })
        .collect();
    let written_more = |than: u64| {
        let done = Arc::clone(&done);
        async move { until("more writes", async || (done.load(Ordering::Relaxed) > than).then_some(())).await }
    };
    written_more(100).await;
    let dead = leader(&servers).await;
    servers[dead].kill();
    let so_far = done.load(Ordering::Relaxed);
    // Messages do not wait for the store.
    let mut served = b.receive_requests("b").await.unwrap();
    tokio::spawn(async move {
        while let Some(request) = served.recv().await {
            request.reply.send(request.payload);
        }
    });
    until("a request over the others", async || a.request("b", bytes("?"), Duration::from_secs(1)).await.ok()).await;
    written_more(so_far + 100).await;
    servers[dead].start_again();
    written_more(so_far + 200).await;
    stop_at.store(0, Ordering::Relaxed);

    for (counter, name) in counting.into_iter().zip(["count/a", "count/b"]) {
        let (number, revision) = counter.await.unwrap();
        let entry = until("the last value", async || a.get(&key(name)).await.ok()).await.unwrap();
        assert_eq!((entry.value, entry.revision), (bytes(number.to_string()), revision), "{name}");
    }
    assert_counted_in_order(&mut watch, &*a).await;
}

/// What the watch has told: each counter only upwards, and to the end.
async fn assert_counted_in_order(watch: &mut tokio::sync::mpsc::Receiver<Change>, engine: &dyn Engine) {
    let marked = write_surely(engine, &key("count/end"), &bytes("0"), None).await;
    let mut counters = std::collections::BTreeMap::<String, u64>::new();
    loop {
        match next("the end of the count", watch).await {
            Change::Put(entry) if entry.revision == marked => break,
            Change::Put(entry) => {
                let number = std::str::from_utf8(&entry.value).unwrap().parse().unwrap();
                let before = counters.insert(entry.key.to_string(), number);
                assert!(before < Some(number), "{}: {number} after {before:?}", entry.key);
            }
            Change::Reset => counters.clear(),
            Change::Synced => {}
            Change::Deleted { .. } => panic!("nobody deleted anything"),
        }
    }
    assert_eq!(counters.len(), 2);
}

async fn copies(server: &Server) -> u64 {
    let client = async_nats::connect(server.url()).await.unwrap();
    let reply = client.request("$JS.API.STREAM.INFO.KV_chappe", "".into()).await.unwrap();
    let reply: serde_json::Value = serde_json::from_slice(&reply.payload).unwrap();
    reply["config"]["num_replicas"].as_u64().unwrap_or_default()
}

#[tokio::test]
async fn the_store_has_as_many_copies_as_are_wanted() {
    let servers = start_cluster();
    let engine = connected(&url(&servers)).await;
    until("the store", async || engine.create(&key("first"), bytes("v")).await.ok()).await;
    assert_eq!(copies(&servers[0]).await, 3);
}

#[tokio::test]
async fn a_store_with_fewer_copies_than_are_wanted_gets_more() {
    let servers = start_cluster();
    let modest = connected(&format!("{}?replicas=1", url(&servers))).await;
    let first = until("the store", async || modest.create(&key("first"), bytes("v")).await.ok()).await;
    assert_eq!(copies(&servers[0]).await, 1);
    let engine = connected(&url(&servers)).await;
    until("three copies", async || (copies(&servers[0]).await == 3).then_some(())).await;
    let entry = until("the value", async || engine.get(&key("first")).await.ok()).await;
    assert_eq!(entry.unwrap().revision, first);
    let written = write_surely(&*modest, &key("first"), &bytes("w"), Some(first)).await;
    assert!(written > first);
}
