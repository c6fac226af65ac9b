//! A node leaves in order, also when signaling dies on the way.

use std::time::{Duration, Instant};

use chappe_signaling::Stopped;
use serde_json::json;

use crate::http::{PATIENCE, request};
use crate::offer::publisher;
use crate::server::Server;

const DRAIN: &str = "/api/v1/nodes/n1/drain";
const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

async fn drain(server: &Server, deadline_ms: u64) {
    let body = json!({ "deadline_ms": deadline_ms }).to_string();
    assert_eq!(request(server.admin, "POST", DRAIN, &JSON, body).await.status, 202);
}

/// The node drains and knows the sessions of its worker.
async fn until_it_drains_again(server: &Server) {
    server.until("draining", "/readyz", |response| response.status == 503 && response.text().contains("drains")).await;
    let known = async {
        while server.admin("/api/v1/nodes").await.json()[0]["sessions"] != server.worker().sessions() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, known).await.expect("the sessions are taken up");
}

#[tokio::test]
async fn a_drain_goes_on_when_signaling_starts_again() {
    let mut server = Server::start().await;
    let session = server.publish("demo/cam").await;
    drain(&server, 60_000).await;
    server.kill();
    server.launch();
    until_it_drains_again(&server).await;
    assert_eq!(server.post("/whip/demo/other", &publisher("vp8")).await.status, 503);
    assert_eq!(server.worker().sessions(), 1, "the old one is waited for");
    assert_eq!(request(server.public, "DELETE", &format!("/session/{session}"), &[], "").await.status, 200);
    assert_eq!(server.ended().await, Stopped::Drained);
}

#[tokio::test]
async fn a_drain_keeps_its_deadline_when_signaling_starts_again() {
    let mut server = Server::start().await;
    let session = server.publish("demo/cam").await.parse().unwrap();
    let (asked, deadline) = (Instant::now(), Duration::from_millis(1_500));
    drain(&server, 1_500).await;
    server.kill();
    server.launch();
    server.worker().until("ended by the deadline", |state| !state.sessions.contains_key(&session)).await;
    assert!(asked.elapsed() >= deadline, "{:?}", asked.elapsed());
    assert_eq!(server.ended().await, Stopped::Drained);
}

#[tokio::test]
async fn a_drain_that_was_cancelled_does_not_come_back() {
    let mut server = Server::start().await;
    server.publish("demo/cam").await;
    drain(&server, 60_000).await;
    assert_eq!(request(server.admin, "DELETE", DRAIN, &JSON, "").await.status, 200);
    server.kill();
    server.launch();
    server.until_ready().await;
    server.publish("demo/other").await;
}

#[tokio::test]
async fn a_drain_can_be_cancelled_after_signaling_has_started_again() {
    let mut server = Server::start().await;
    server.publish("demo/cam").await;
    drain(&server, 60_000).await;
    server.kill();
    server.launch();
    until_it_drains_again(&server).await;
    assert_eq!(request(server.admin, "DELETE", DRAIN, &JSON, "").await.status, 200);
    server.until_ready().await;
    server.kill();
    server.launch();
    server.until_ready().await;
}

#[tokio::test]
async fn a_node_is_not_drained_before_its_workers_have_told_their_sessions() {
    let mut server = Server::start().await;
    server.publish("demo/cam").await;
    drain(&server, 60_000).await;
    server.kill();
    server.worker().be_late();
    server.launch();
    // A second for the workers, then 500 ms until a node without sessions would leave.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    server.worker().revive();
    until_it_drains_again(&server).await;
    assert_eq!(server.worker().sessions(), 1);
}
