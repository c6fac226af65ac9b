//! What one address may hold that costs it nothing to ask for, and a name that it has yet to connect under.

use chappe_sfu_api::{Event, SessionState};
use serde_json::json;

use crate::http::{Response, request};
use crate::offer;
use crate::page::Page;
use crate::server::{Server, session_of};

/// Through a proxy on this machine, which says who its client is.
async fn post(server: &Server, client: &str, path: &str, offer: &str) -> Response {
    let headers = [("content-type", "application/sdp"), ("x-forwarded-for", client)];
    request(server.public, "POST", path, &headers, offer.to_owned()).await
}

async fn publish(server: &Server, client: &str, path: &str) -> Response {
    post(server, client, &format!("/whip/{path}"), &offer::publisher("vp8")).await
}

#[tokio::test]
async fn an_address_whose_sessions_never_connect_has_its_share_and_leaves_the_rest_to_others() {
    let server = Server::configured(|config| config.access.per_address = Some(3)).await;
    let mut sessions = Vec::new();
    for name in ["a/one", "b/two"] {
        sessions.push(session_of(&publish(&server, "203.0.113.7", name).await));
    }
    let waiting = post(&server, "203.0.113.7", "/whep/c/three?wait=1", &offer::viewer("vp8")).await;
    assert_eq!(waiting.status, 201, "a viewer counts like a publisher");
    let refused = publish(&server, "203.0.113.7", "d/four").await;
    assert_eq!((refused.status, refused.error().as_str()), (429, "too_many"));
    assert!(!refused.header("retry-after").is_empty());
    assert!(refused.json()["message"].as_str().unwrap().contains("not connected yet (3)"), "{}", refused.text());
    assert_eq!(publish(&server, "203.0.113.8", "d/four").await.status, 201);
    assert_eq!(server.worker().sessions(), 4, "nothing of what was refused reached the worker");
    // One that is connected is one of those who use the server.
    server.worker().connect(sessions[0].parse().unwrap());
    server.until_connected(&sessions[0]).await;
    assert_eq!(publish(&server, "203.0.113.7", "e/five").await.status, 201);
    assert_eq!(publish(&server, "203.0.113.7", "f/six").await.status, 429);
    server.worker().expire(sessions[1].parse().unwrap());
    server.until_gone(&sessions[1]).await;
    assert_eq!(publish(&server, "203.0.113.7", "f/six").await.status, 201);
}

#[tokio::test]
async fn a_subscriber_of_ipv6_is_one_address() {
    let server = Server::configured(|config| config.access.per_address = Some(2)).await;
    let from = |last: u8, net: u8| format!("2001:db8:0:{net}::{last}");
    for last in [1, 2] {
        assert_eq!(publish(&server, &from(last, 1), &format!("a/cam{last}")).await.status, 201);
    }
    assert_eq!(publish(&server, &from(3, 1), "a/cam3").await.status, 429);
    assert_eq!(publish(&server, &from(3, 2), "a/cam3").await.status, 201);
}

#[tokio::test]
async fn what_an_address_holds_is_known_after_signaling_died() {
    let mut server = Server::configured(|config| config.access.per_address = Some(1)).await;
    publish(&server, "203.0.113.7", "a/one").await;
    server.kill();
    server.launch();
    server.until_ready().await;
    assert_eq!(publish(&server, "203.0.113.7", "b/two").await.status, 429);
}

#[tokio::test]
async fn pages_that_break_off_are_counted_until_they_are_forgotten_and_may_come_back() {
    let server = Server::configured(|config| config.access.per_address = Some(2)).await;
    let first = Page::join(&server, "demo").await;
    let resume = first.welcome["resume"].clone();
    drop(first);
    let _second = Page::join(&server, "demo").await;
    let mut third = Page::connect(&server).await;
    let hello = json!({"type": "hello", "version": 1, "room": "other"});
    let refused = third.ask(hello.clone()).await;
    assert_eq!((&refused["type"], &refused["error"]), (&json!("error"), &json!("too_many")), "{refused}");
    assert!(refused["retry_after_ms"].as_u64().is_some_and(|wait| wait > 0));
    let back = Page::resume(&server, "demo", &resume, &[]).await;
    assert_eq!(back.welcome["resumed"], true, "it has its place already");
}

#[tokio::test]
async fn a_name_that_somebody_is_connecting_under_goes_to_the_next_address_at_once() {
    let server = Server::start().await;
    for state in [SessionState::New, SessionState::Connecting] {
        let name = format!("demo/{state:?}");
        let first = session_of(&publish(&server, "203.0.113.7", &name).await).parse().unwrap();
        server.worker().emit(Event::StateChanged { session: first, state });
        let next = publish(&server, "203.0.113.8", &name).await;
        assert_eq!(next.status, 201, "{state:?}: {}", next.text());
        server.worker().until("the first is closed", |state| !state.sessions.contains_key(&first)).await;
    }
}

#[tokio::test]
async fn an_address_that_asks_again_and_again_does_not_keep_a_name_from_its_owner() {
    let mut server = Server::start().await;
    let (owner, other) = ("203.0.113.7", "203.0.113.8");
    session_of(&publish(&server, owner, "demo/cam").await);
    session_of(&publish(&server, other, "demo/cam").await);
    let again = session_of(&publish(&server, owner, "demo/cam").await);
    for _ in 0..3 {
        let refused = publish(&server, other, "demo/cam").await;
        assert_eq!((refused.status, refused.error().as_str()), (409, "stream_exists"));
        assert!(!refused.header("retry-after").is_empty());
    }
    // What is known of who had the name is with the worker.
    server.kill();
    server.launch();
    server.until_ready().await;
    assert_eq!(publish(&server, other, "demo/cam").await.status, 409);
    server.worker().connect(again.parse().unwrap());
    server.until_connected(&again).await;
    assert_eq!(publish(&server, owner, "demo/cam").await.status, 409, "one that is connected gives way to nobody");
}
