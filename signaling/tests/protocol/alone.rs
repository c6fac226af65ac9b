//! A node whose cluster does not answer serves alone what it can, and says so.

use serde_json::json;
use std::net::TcpListener;

use crate::http::Response;
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

async fn serves_alone(mut server: Server) {
    // Asked from the first moment on, as clients do that come back after a restart.
    let session = server.publish("demo/cam").await;
    server.worker().connect(session.parse().unwrap());
    server.watch("demo/cam").await;
    let mut page = Page::join(&server, "demo").await;
    assert_eq!(page.welcome["streams"].as_array().unwrap().len(), 1);
    assert_eq!(page.welcome["incomplete"], json!(true), "other nodes may have more, which pages go on with");
    page.publish("screen").await;
    page.watch("cam").await;
    never_up_until_down(&server).await;
    assert!(server.admin("/metrics").await.text().contains("chappe_cluster_reachable 0"));
    // The same when it has something to go on with.
    server.kill();
    server.launch();
    never_up_until_down(&server).await;
    let rooms = server.admin("/api/v1/rooms").await.json();
    assert_eq!((&rooms[0]["room"], &rooms[0]["streams"], &rooms[1]), (&json!("demo"), &json!(2), &json!(null)));
}

/// Of a cluster that was never reached `/readyz` says why, from the first moment on.
async fn never_up_until_down(server: &Server) {
    let ready = |response: &Response| {
        if response.status != 200 {
            return false;
        }
        let cluster = response.json()["cluster"].clone();
        assert_eq!(cluster["nodes"], json!(1), "{cluster}");
        assert!(cluster["message"].as_str().is_some_and(|message| message.len() > 10), "{cluster}");
        let state = cluster["state"].as_str().unwrap();
        assert!(["connecting", "down"].contains(&state), "{cluster}");
        state == "down"
    };
    server.until("down", "/readyz", ready).await;
}

#[tokio::test]
async fn a_node_serves_alone_while_nats_refuses_connections() {
    serves_alone(Server::in_cluster(&nobody()).await).await;
}

#[tokio::test]
async fn a_node_serves_alone_while_nats_takes_connections_and_says_nothing() {
    let (_listener, address) = silent();
    serves_alone(Server::in_cluster(&address).await).await;
}
