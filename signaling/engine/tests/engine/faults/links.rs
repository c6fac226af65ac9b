//! Claims about a link that loses answers or stalls.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chappe_engine::EngineError::{Timeout, Unavailable, Unknown};
use chappe_engine::{Change, Engine, Nats, PAYLOAD_BYTES_MAX};

use crate::support::proxy::{Proxy, Way};
use crate::support::server::Server;
use crate::support::turns::Turns;
use crate::support::{
    bytes, connected, key, next, soon, subject, until, until_down, until_synced, until_up, write_surely,
};

/// A server, and two engines: one behind a link that can be broken, one beside it.
async fn behind_proxy() -> (Server, Proxy, Arc<Nats>, Arc<Nats>) {
    let server = Server::start();
    let proxy = Proxy::start(server.port).await;
    let (behind, beside) = (connected(&proxy.url()).await, connected(&server.url()).await);
    // The store is there before anything breaks.
    behind.create(&key("first"), bytes("v")).await.unwrap();
    (server, proxy, behind, beside)
}

/// After lost bytes the connection is of no use: a new one is made.
async fn mend(proxy: &Proxy, engine: &Nats) {
    let mut health = engine.health();
    health.mark_unchanged();
    proxy.set(Way::Open);
    proxy.cut();
    soon("the new connection", health.changed()).await.unwrap();
    until_up(engine).await;
}

#[tokio::test]
async fn a_write_whose_ack_is_lost_is_unknown_and_found_by_reading() {
    let (_server, proxy, behind, beside) = behind_proxy().await;
    proxy.set(Way::AnswersLost);
    let turns = Turns::begin();
    assert_eq!(behind.create(&key("k"), bytes("v")).await, Err(Unknown));
    assert!(turns.passed() < Duration::from_millis(1500), "{:?}", turns.passed());
    // It has happened, whatever its writer knows.
    let there = beside.get(&key("k")).await.unwrap().unwrap();
    mend(&proxy, &behind).await;
    assert_eq!(behind.get(&key("k")).await, Ok(Some(there.clone())));
    proxy.set(Way::AnswersLost);
    assert_eq!(behind.update(&key("k"), bytes("w"), there.revision).await, Err(Unknown));
    mend(&proxy, &behind).await;
    let now = behind.get(&key("k")).await.unwrap().unwrap();
    assert!(now.value == bytes("w") && now.revision > there.revision);
    proxy.set(Way::AnswersLost);
    assert!(matches!(behind.delete(&key("k"), Some(now.revision)).await, Err(Unknown | Unavailable(_))));
    mend(&proxy, &behind).await;
}

#[tokio::test]
async fn what_is_read_over_a_silent_link_is_unavailable_in_time() {
    let (_server, proxy, behind, _beside) = behind_proxy().await;
    proxy.set(Way::AnswersLost);
    let turns = Turns::begin();
    assert!(matches!(behind.get(&key("first")).await, Err(Unavailable(_))));
    assert!(turns.passed() < Duration::from_millis(1500), "{:?}", turns.passed());
}

/// One writer counts up while its link breaks again and again. It is alone, so each revision is one of its writes.
#[tokio::test]
async fn writes_over_a_bad_link_happen_once_each() {
    let (_server, proxy, behind, beside) = behind_proxy().await;
    let mut watch = beside.watch("count").await.unwrap();
    assert_eq!(until_synced(&mut watch).await, []);
    let breaking = tokio::spawn(async move {
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_millis(30)).await;
            proxy.set(Way::AnswersLost);
            tokio::time::sleep(Duration::from_millis(100)).await;
            proxy.set(Way::Open);
            proxy.cut();
        }
        proxy
    });
    let name = key("count/up");
    let first = write_surely(&*behind, &name, &bytes("0"), None).await;
    let (mut last, mut number) = (first, 0);
    while !breaking.is_finished() || number < 100 {
        number += 1;
        last = write_surely(&*behind, &name, &bytes(number.to_string()), Some(last)).await;
    }
    breaking.await.unwrap();
    assert_eq!(last.0 - first.0, number);
    // A watch may skip what was overwritten before it was told, but never goes back or stops short.
    let mut seen = None;
    while seen < Some(number) {
        match next("a number", &mut watch).await {
            Change::Put(entry) => {
                let told = std::str::from_utf8(&entry.value).unwrap().parse::<u64>().unwrap();
                assert!(seen < Some(told) && entry.revision.0 - first.0 == told, "{told} after {seen:?}");
                seen = Some(told);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn nothing_waits_for_a_stalled_link() {
    let (_server, proxy, behind, beside) = behind_proxy().await;
    let mut received = behind.subscribe(&subject("s")).await.unwrap();
    let mut served = behind.receive_requests("behind").await.unwrap();
    let mut watch = behind.watch("").await.unwrap();
    assert_eq!(until_synced(&mut watch).await.len(), 1);
    proxy.set(Way::Stalled);
    // More than all buffers on the way take.
    let large = Bytes::from(vec![0; PAYLOAD_BYTES_MAX]);
    for _ in 0..40 {
        let turns = Turns::begin();
        let _ = behind.publish(&subject("other"), large.clone()).await;
        assert!(turns.passed() < Duration::from_millis(400), "{:?}", turns.passed());
    }
    let turns = Turns::begin();
    let asked = behind.request("nobody", bytes("?"), Duration::from_millis(300)).await;
    assert!(matches!(asked, Err(Timeout | Unavailable(_))), "{asked:?}");
    assert!(matches!(behind.get(&key("first")).await, Err(Unavailable(_))));
    assert!(turns.passed() < Duration::from_secs(2), "{:?}", turns.passed());
    until_down(&*behind, "").await;
    assert!(matches!(behind.publish(&subject("s"), bytes("v")).await, Err(Unavailable(_))));
    assert!(matches!(behind.request("n", bytes("v"), Duration::from_secs(9)).await, Err(Unavailable(_))));
    assert!(matches!(behind.create(&key("k"), bytes("v")).await, Err(Unavailable(_))));

    beside.create(&key("second"), bytes("v")).await.unwrap();
    proxy.set(Way::Open);
    until_up(&*behind).await;
    until("the subscription", async || {
        beside.publish(&subject("s"), bytes("again")).await.unwrap();
        received.try_recv().ok()
    })
    .await;
    tokio::spawn(async move {
        while let Some(request) = served.recv().await {
            request.reply.send(bytes("still"));
        }
    });
    let reply =
        until("the service", async || beside.request("behind", bytes("?"), Duration::from_secs(5)).await.ok()).await;
    assert_eq!(reply, bytes("still"));
    assert_eq!(next("the watch to begin anew", &mut watch).await, Change::Reset);
    assert_eq!(until_synced(&mut watch).await.len(), 2);
}
