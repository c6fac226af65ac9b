//! Claims about a server that is not there, goes, comes back, or comes back empty.

use std::time::Duration;

use chappe_engine::EngineError::{Conflict, NobodyThere, TooLarge, Unavailable};
use chappe_engine::{Change, Engine, Health, Nats, NatsConfig};

use crate::support::server::{Server, free_port};
use crate::support::turns::Turns;
use crate::support::{
    bytes, connected, key, next, soon, subject, until, until_down, until_synced, until_up, write_surely,
};

#[tokio::test]
async fn servers_that_are_not_there_yet_are_waited_for_by_nobody() {
    let mut server = Server::start();
    server.kill();
    let turns = Turns::begin();
    let config = NatsConfig::parse(&server.url()).unwrap();
    let engine = Nats::connect(config).await.unwrap();
    let mut received = engine.subscribe(&subject("s")).await.unwrap();
    let mut served = engine.receive_requests("n").await.unwrap();
    let mut watch = engine.watch("w").await.unwrap();
    assert!(matches!(engine.get(&key("k")).await, Err(Unavailable(_))));
    assert!(matches!(engine.create(&key("k"), bytes("v")).await, Err(Unavailable(_))));
    assert!(matches!(engine.publish(&subject("s"), bytes("v")).await, Err(Unavailable(_))));
    assert!(matches!(engine.request("n", bytes("v"), Duration::from_secs(9)).await, Err(Unavailable(_))));
    assert!(turns.passed() < Duration::from_millis(500), "{:?}", turns.passed());
    let why = until_down(&*engine, "refused").await;
    assert!(why.contains(&format!("127.0.0.1:{}", server.port)), "{why}");

    server.start_again();
    until_up(&*engine).await;
    assert_eq!(until_synced(&mut watch).await, []);
    until("the subscription", async || {
        engine.publish(&subject("s"), bytes("v")).await.unwrap();
        received.try_recv().ok()
    })
    .await;
    let (reply, ()) = tokio::join!(engine.request("n", bytes("?"), Duration::from_secs(5)), async {
        next("the request", &mut served).await.reply.send(bytes("!"));
    });
    assert_eq!(reply, Ok(bytes("!")));
}

#[tokio::test]
async fn one_server_of_a_list_is_enough() {
    let server = Server::start();
    connected(&format!("nats://127.0.0.1:{},127.0.0.1:{}", free_port(), server.port)).await;
}

#[tokio::test]
async fn all_goes_on_when_a_killed_server_is_back() {
    let mut server = Server::start();
    let (a, b) = (connected(&server.url()).await, connected(&server.url()).await);
    let revision = a.create(&key("s/k"), bytes("kept")).await.unwrap();
    let mut watch = b.watch("s").await.unwrap();
    assert_eq!(until_synced(&mut watch).await.len(), 1);
    let mut received = b.subscribe(&subject("s")).await.unwrap();
    let mut served = b.receive_requests("b").await.unwrap();
    tokio::spawn(async move {
        while let Some(request) = served.recv().await {
            request.reply.send(request.payload);
        }
    });
    for round in 0..2 {
        server.kill();
        until_down(&*a, "").await;
        until_down(&*b, "").await;
        assert!(matches!(a.get(&key("s/k")).await, Err(Unavailable(_))));
        server.start_again();
        until_up(&*a).await;
        until_up(&*b).await;
        assert_eq!(next("the watch to begin anew", &mut watch).await, Change::Reset);
        assert_eq!(until_synced(&mut watch).await, [("s/k".to_owned(), bytes("kept"))]);
        until("the subscription", async || {
            a.publish(&subject("s"), bytes(round.to_string())).await.unwrap();
            received.try_recv().ok()
        })
        .await;
        let reply = until("the service", async || {
            match a.request("b", bytes("?"), Duration::from_secs(5)).await {
                // The other engine may be connected and its service not yet.
                Err(NobodyThere) => None,
                reply => Some(reply),
            }
        });
        assert_eq!(reply.await, Ok(bytes("?")));
        assert_eq!(a.get(&key("s/k")).await.unwrap().unwrap().revision, revision);
        // What was published before it was back up is gone: this receiver has seen the newest.
        while received.try_recv().is_ok() {}
    }
    let later = write_surely(&*a, &key("s/k"), &bytes("new"), Some(revision)).await;
    assert!(later > revision);
}

#[tokio::test]
async fn when_all_data_is_lost_watchers_are_told_and_old_revisions_are_void() {
    let mut server = Server::start();
    let (a, b) = (connected(&server.url()).await, connected(&server.url()).await);
    let old = a.create(&key("s/k"), bytes("old")).await.unwrap();
    let mut watch = b.watch("s").await.unwrap();
    assert_eq!(until_synced(&mut watch).await.len(), 1);
    server.kill();
    server.wipe();
    until_down(&*a, "").await;
    until_down(&*b, "").await;
    server.start_again();
    until_up(&*a).await;
    until_up(&*b).await;
    assert_eq!(next("the watch to begin anew", &mut watch).await, Change::Reset);
    assert_eq!(until_synced(&mut watch).await, []);
    assert_eq!(a.get(&key("s/k")).await, Ok(None));
    assert_eq!(a.update(&key("s/k"), bytes("late"), old).await, Err(Conflict));
    let new = write_surely(&*a, &key("s/k"), &bytes("new"), None).await;
    assert!(new > old);
    assert_eq!(a.update(&key("s/k"), bytes("late"), old).await, Err(Conflict));
    match next("the new value", &mut watch).await {
        Change::Put(entry) => assert_eq!(entry.revision, new),
        other => panic!("{other:?}"),
    }
}

/// No connection is lost, so only the silence of its consumer tells a watch.
#[tokio::test]
async fn a_bucket_that_somebody_removed_is_made_again() {
    let server = Server::start();
    let engine = connected(&server.url()).await;
    let old = engine.create(&key("s/k"), bytes("old")).await.unwrap();
    let mut watch = engine.watch("s").await.unwrap();
    assert_eq!(until_synced(&mut watch).await.len(), 1);
    let client = async_nats::connect(server.url()).await.unwrap();
    client.request("$JS.API.STREAM.DELETE.KV_chappe", "".into()).await.unwrap();
    assert_eq!(engine.get(&key("s/k")).await, Ok(None));
    let new = engine.create(&key("s/k"), bytes("new")).await.unwrap();
    assert!(new > old);
    assert_eq!(next("the watch to begin anew", &mut watch).await, Change::Reset);
    assert_eq!(until_synced(&mut watch).await, [("s/k".to_owned(), bytes("new"))]);
}

#[tokio::test]
async fn without_jetstream_messages_go_and_the_store_says_what_to_do() {
    let server = Server::start_without_store();
    let engine = connected(&server.url()).await;
    let mut received = engine.subscribe(&subject("s")).await.unwrap();
    engine.publish(&subject("s"), bytes("v")).await.unwrap();
    assert_eq!(next("the message", &mut received).await, bytes("v"));
    let _silent = engine.watch("s").await.unwrap();
    match engine.create(&key("k"), bytes("v")).await {
        Err(Unavailable(why)) => assert!(why.contains("-js"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_server_that_takes_less_is_sent_less() {
    let server = Server::start_with("max_payload: 10000");
    let engine = connected(&server.url()).await;
    let taken = bytes("x".repeat(9000));
    engine.publish(&subject("s"), taken.clone()).await.unwrap();
    engine.create(&key("k"), taken).await.unwrap();
    let refused = bytes("x".repeat(10_000));
    let refusal = engine.publish(&subject("s"), refused.clone()).await;
    assert!(matches!(refusal, Err(TooLarge { bytes: 10_000, bytes_max: ..10_000 })), "{refusal:?}");
    assert!(matches!(engine.create(&key("l"), refused).await, Err(TooLarge { .. })));
    assert_eq!(*engine.health().borrow(), Health::Up);
}

#[tokio::test]
async fn clusters_that_share_servers_do_not_meet() {
    let server = Server::start();
    let (a, b) = (connected(&server.url()).await, connected(&format!("{}?prefix=other", server.url())).await);
    let mut received = b.subscribe(&subject("s")).await.unwrap();
    let mut watch = b.watch("").await.unwrap();
    let _served = a.receive_requests("n").await.unwrap();
    assert_eq!(until_synced(&mut watch).await, []);
    a.create(&key("k"), bytes("a")).await.unwrap();
    a.publish(&subject("s"), bytes("a")).await.unwrap();
    assert_eq!(b.request("n", bytes("?"), Duration::from_secs(5)).await, Err(NobodyThere));
    b.create(&key("k"), bytes("b")).await.unwrap();
    b.publish(&subject("s"), bytes("b")).await.unwrap();
    assert_eq!(next("b's own message", &mut received).await, bytes("b"));
    assert!(matches!(next("b's own value", &mut watch).await, Change::Put(entry) if entry.value == bytes("b")));
}

/// The engine is dropped with all it has begun, and its server sees it go.
#[tokio::test]
async fn nothing_is_left_of_an_engine_that_is_dropped() {
    let server = Server::start();
    let engine = connected(&server.url()).await;
    let mut health = engine.health();
    let received = engine.subscribe(&subject("s")).await.unwrap();
    let served = engine.receive_requests("n").await.unwrap();
    let watch = engine.watch("").await.unwrap();
    drop((engine, received, served, watch));
    // The sender of health goes with the connection.
    soon("the end of the connection", async { while health.changed().await.is_ok() {} }).await;
}
