//! A node whose cluster does not answer serves alone what it can, and says so.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::page::Page;
use crate::server::Server;

/// Where connections are refused.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("nats://{}", listener.local_addr().unwrap())
}

/// Where connections are taken and nothing is ever said.
fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("nats://{}", listener.local_addr().unwrap());
    (listener, address)
}

async fn serves_alone(mut server: Server, began: Instant) {
    // Asked from the first moment on, as clients do that come back after a restart.
    let session = server.publish("demo/cam").await;
    assert!(began.elapsed() < Duration::from_millis(1_500), "{:?}", began.elapsed());
    server.worker().connect(session.parse().unwrap());
    server.watch("demo/cam").await;
    let mut page = Page::join(&server, "demo").await;
    assert_eq!(page.welcome["streams"].as_array().unwrap().len(), 1);
    page.publish("screen").await;
    page.watch("cam").await;
    let ready = server.until("ready", "/readyz", |response| response.status == 200).await.json();
    assert_eq!((&ready["cluster"]["state"], &ready["cluster"]["nodes"]), (&json!("down"), &json!(1)), "{ready}");
    assert!(ready["cluster"]["message"].as_str().unwrap().len() > 10, "{ready}");
    assert!(server.admin("/metrics").await.text().contains("chappe_cluster_reachable 0"));
    // The same when it has something to go on with.
    server.kill();
    server.launch();
    let back = server.until("ready again", "/readyz", |response| response.status == 200).await.json();
    assert_eq!(back["cluster"]["state"], "down");
    let rooms = server.get("/api/rooms").await.json();
    assert_eq!(rooms, json!([{"room": "demo", "streams": 2}]));
}

#[tokio::test]
async fn a_node_serves_alone_while_nats_refuses_connections() {
    let began = Instant::now();
    serves_alone(Server::in_cluster(&nobody()).await, began).await;
}

#[tokio::test]
async fn a_node_serves_alone_while_nats_takes_connections_and_says_nothing() {
    let (_listener, address) = silent();
    let began = Instant::now();
    serves_alone(Server::in_cluster(&address).await, began).await;
}
