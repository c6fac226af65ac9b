//! Claims about requests, publishing and subscribing.

use std::time::{Duration, Instant};

use bytes::Bytes;
use chappe_engine::EngineError::{BadStoreName, NobodyThere, Timeout, TooLarge};
use chappe_engine::{Health, PAYLOAD_BYTES_MAX, WAITING_MAX};

use super::Nodes;
use crate::support::turns::Turns;
use crate::support::{bytes, next, soon, subject, until};

const LONG: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(200);

pub async fn a_request_to_nobody_fails_at_once(nodes: Nodes) {
    let turns = Turns::begin();
    assert_eq!(nodes.a.request("nobody", bytes("?"), LONG).await, Err(NobodyThere));
    assert!(turns.passed() < LONG / 4);
}

pub async fn a_request_is_answered_by_the_node_it_names(nodes: Nodes) {
    let mut at_a = nodes.a.receive_requests("node-a.example.org").await.unwrap();
    let mut at_b = nodes.b.receive_requests("node-b").await.unwrap();
    tokio::spawn(async move {
        while let Some(request) = at_a.recv().await {
            request.reply.send(bytes("from a"));
        }
    });
    tokio::spawn(async move {
        while let Some(request) = at_b.recv().await {
            assert_eq!(request.payload, bytes("to b"));
            request.reply.send(Bytes::new());
        }
    });
    assert_eq!(nodes.b.request("node-a.example.org", bytes("?"), LONG).await, Ok(bytes("from a")));
    assert_eq!(nodes.a.request("node-a.example.org", bytes("?"), LONG).await, Ok(bytes("from a")));
    assert_eq!(nodes.a.request("node-b", bytes("to b"), LONG).await, Ok(Bytes::new()));
}

pub async fn many_requests_are_answered_each_by_its_own(nodes: Nodes) {
    let mut served = nodes.b.receive_requests("b").await.unwrap();
    tokio::spawn(async move {
        // In the wrong order: what is asked first is answered last.
        let mut waiting = Vec::new();
        while waiting.len() < 200 {
            waiting.push(served.recv().await.unwrap());
        }
        for request in waiting.into_iter().rev() {
            let answer = [b"re: ", request.payload.as_ref()].concat();
            request.reply.send(answer.into());
        }
    });
    let requests: Vec<_> = (0..200)
        .map(|number| {
            let engine = nodes.a.clone();
            tokio::spawn(async move { engine.request("b", bytes(number.to_string()), LONG).await })
        })
        .collect();
    for (number, request) in requests.into_iter().enumerate() {
        let reply = soon("a reply", request).await.unwrap();
        assert_eq!(reply, Ok(bytes(format!("re: {number}"))));
    }
}

pub async fn requests_to_a_name_that_two_serve_go_to_one_of_them(nodes: Nodes) {
    let (mut first, mut second) =
        (nodes.a.receive_requests("n").await.unwrap(), nodes.b.receive_requests("n").await.unwrap());
    let asker = nodes.a.clone();
    let asked = tokio::spawn(async move {
        for _ in 0..20 {
            asker.request("n", bytes("?"), LONG).await.unwrap();
        }
    });
    let mut handled = 0;
    while handled < 20 {
        let request = soon("a request", async {
            tokio::select! {
                request = first.recv() => request,
                request = second.recv() => request,
            }
        });
        request.await.unwrap().reply.send(Bytes::new());
        handled += 1;
    }
    asked.await.unwrap();
    assert!(first.try_recv().is_err() && second.try_recv().is_err());
}

pub async fn an_unanswered_request_ends_in_time(nodes: Nodes) {
    let mut served = nodes.b.receive_requests("b").await.unwrap();
    let began = Instant::now();
    assert_eq!(nodes.a.request("b", bytes("kept"), SHORT).await, Err(Timeout));
    assert!(began.elapsed() >= SHORT);
    let kept = next("the request", &mut served).await;
    // Nobody waits for it any more.
    kept.reply.send(bytes("late"));
    let asker = nodes.a.clone();
    let asked = tokio::spawn(async move { asker.request("b", bytes("dropped"), SHORT).await });
    drop(next("the request", &mut served).await);
    assert_eq!(asked.await.unwrap(), Err(Timeout));
}

pub async fn whoever_stops_serving_is_not_there(nodes: Nodes) {
    let served = nodes.b.receive_requests("b").await.unwrap();
    assert_eq!(nodes.a.request("b", bytes("?"), SHORT).await, Err(Timeout));
    drop(served);
    until("nobody there", async || (nodes.a.request("b", bytes("?"), SHORT).await == Err(NobodyThere)).then_some(()))
        .await;
}

pub async fn large_requests_and_replies_arrive(nodes: Nodes) {
    let mut served = nodes.b.receive_requests("b").await.unwrap();
    tokio::spawn(async move {
        while let Some(request) = served.recv().await {
            request.reply.send(request.payload);
        }
    });
    let large = Bytes::from(vec![0xA5; PAYLOAD_BYTES_MAX]);
    assert_eq!(nodes.a.request("b", large.clone(), LONG).await, Ok(large));
}

pub async fn a_subscriber_gets_what_is_published_in_order(nodes: Nodes) {
    let mut received = nodes.b.subscribe(&subject("rooms/r.1")).await.unwrap();
    for number in 0..WAITING_MAX {
        nodes.a.publish(&subject("rooms/r.1"), bytes(number.to_string())).await.unwrap();
    }
    for number in 0..WAITING_MAX {
        assert_eq!(next("a message", &mut received).await, bytes(number.to_string()));
    }
}

pub async fn a_subscriber_gets_its_own_messages(nodes: Nodes) {
    let mut received = nodes.a.subscribe(&subject("s")).await.unwrap();
    let mut received_too = nodes.a.subscribe(&subject("s")).await.unwrap();
    nodes.a.publish(&subject("s"), bytes("mine")).await.unwrap();
    assert_eq!(next("my message", &mut received).await, bytes("mine"));
    assert_eq!(next("my message", &mut received_too).await, bytes("mine"));
}

pub async fn messages_go_to_their_subject_only(nodes: Nodes) {
    let mut received = nodes.b.subscribe(&subject("s/a")).await.unwrap();
    for other in ["s", "s/a/b", "s.a", "s/b", "s/A"] {
        nodes.a.publish(&subject(other), bytes(other)).await.unwrap();
    }
    nodes.a.publish(&subject("s/a"), bytes("it")).await.unwrap();
    assert_eq!(next("a message", &mut received).await, bytes("it"));
}

pub async fn a_subscription_ends_with_its_receiver(nodes: Nodes) {
    for _ in 0..100 {
        drop(nodes.a.subscribe(&subject("s")).await.unwrap());
    }
    let mut received = nodes.a.subscribe(&subject("s")).await.unwrap();
    nodes.a.publish(&subject("s"), bytes("still")).await.unwrap();
    assert_eq!(next("a message", &mut received).await, bytes("still"));
}

pub async fn a_subscriber_that_sleeps_loses_the_oldest_which_are_counted(nodes: Nodes) {
    let mut received = nodes.b.subscribe(&subject("s")).await.unwrap();
    let mut witness = nodes.b.subscribe(&subject("s")).await.unwrap();
    let count = 3 * WAITING_MAX;
    for number in 0..count {
        nodes.a.publish(&subject("s"), bytes(number.to_string())).await.unwrap();
        // The witness is awake; when it has seen a message, the sleeper has it or has lost it.
        assert_eq!(next("the witness's message", &mut witness).await, bytes(number.to_string()));
    }
    let mut numbers = Vec::new();
    while numbers.last() != Some(&(count - 1)) {
        let message = next("what is left", &mut received).await;
        numbers.push(std::str::from_utf8(&message).unwrap().parse::<usize>().unwrap());
    }
    assert!(numbers.is_sorted());
    // The first may have been handed over before the queue was full.
    assert!((WAITING_MAX..=WAITING_MAX + 2).contains(&numbers.len()), "{}", numbers.len());
    assert_eq!(nodes.b.drops().total(), (count - numbers.len()) as u64);
}

pub async fn what_is_too_large_is_refused(nodes: Nodes) {
    let _served = nodes.b.receive_requests("b").await.unwrap();
    let large = Bytes::from(vec![0; PAYLOAD_BYTES_MAX + 1]);
    let refusal = TooLarge { bytes: PAYLOAD_BYTES_MAX + 1, bytes_max: PAYLOAD_BYTES_MAX };
    assert_eq!(nodes.a.publish(&subject("s"), large.clone()).await, Err(refusal.clone()));
    assert_eq!(nodes.a.request("b", large, LONG).await, Err(refusal));
    assert_eq!(*nodes.a.health().borrow(), Health::Up);
}

pub async fn bad_names_are_refused(nodes: Nodes) {
    for name in ["", "a/b", "a b", "*", ">"] {
        assert!(matches!(nodes.a.receive_requests(name).await, Err(BadStoreName(_))), "{name:?}");
        assert!(matches!(nodes.a.request(name, Bytes::new(), LONG).await, Err(BadStoreName(_))), "{name:?}");
    }
}

pub async fn an_engine_with_servers_is_up(nodes: Nodes) {
    assert_eq!(*nodes.a.health().borrow(), Health::Up);
    assert_eq!(*nodes.b.health().borrow_and_update(), Health::Up);
}
