//! Every refusal of access is counted by its reason, over HTTP and over the WebSocket alike.

use serde_json::json;

use crate::http::request;
use crate::offer;
use crate::page::Page;
use crate::server::{Server, session_of};
use crate::tokens::{ask, hello, of, with_tokens};

pub async fn counted(server: &Server, reason: &str) -> u64 {
    let metrics = server.admin("/metrics").await;
    let line = format!("chappe_access_refusals_total{{reason=\"{reason}\"}} ");
    let count = metrics.text().lines().find_map(|told| told.strip_prefix(&line));
    count.map_or(0, |count| count.parse().unwrap())
}

#[tokio::test]
async fn what_belongs_to_somebody_else_is_counted_and_what_is_not_there_is_not() {
    let server = Server::configured(with_tokens).await;
    let (ada, bob) = (of("ada"), of("bob"));
    let published = ask(&server, "POST", "/whip/demo/cam", &ada, &offer::publisher("vp8")).await;
    let url = format!("/session/{}", session_of(&published));
    for (number, method) in [(1, "PATCH"), (2, "DELETE")] {
        assert_eq!(ask(&server, method, &url, &bob, &offer::fragment(2, 0)).await.status, 404, "{method}");
        assert_eq!(counted(&server, "another_session").await, number, "{method}");
    }
    let mut page = hello(&server, "demo", &bob).await;
    let stats = page.ask(json!({"type": "stats", "session": url.trim_start_matches("/session/")})).await;
    assert_eq!((&stats["error"], counted(&server, "another_session").await), (&json!("no_such_session"), 3));
    let nothing = format!("/session/{}", "0".repeat(40));
    assert_eq!(ask(&server, "PATCH", &nothing, &bob, &offer::fragment(2, 0)).await.status, 404);
    assert_eq!(counted(&server, "another_session").await, 3);

    server.worker().connect(session_of(&published).parse().unwrap());
    server.until_connected(&session_of(&published)).await;
    let refused = ask(&server, "POST", "/whip/demo/cam?takeover=1", &bob, &offer::publisher("vp8")).await;
    assert_eq!((refused.status, counted(&server, "name_in_use").await), (409, 1));
    let publish = json!({"type": "publish", "stream": "cam", "sdp": offer::publisher("vp8")});
    assert_eq!(page.ask(publish).await["error"], "stream_exists");
    assert_eq!(counted(&server, "name_in_use").await, 2);
}

#[tokio::test]
async fn names_and_websites_that_are_not_ours_are_counted_at_both_listeners() {
    let server = Server::start().await;
    let evil = [("host", "evil.example")];
    for (number, listener) in [(1, server.public), (2, server.admin)] {
        assert_eq!(request(listener, "GET", "/healthz", &evil, "").await.status, 403);
        assert_eq!(counted(&server, "foreign_host").await, number);
        assert_eq!(request(listener, "GET", "/healthz", &[("origin", "https://evil.example")], "").await.status, 403);
        assert_eq!(counted(&server, "foreign_origin").await, number);
    }
    let upgrade = [
        ("origin", "https://evil.example"),
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    assert_eq!(request(server.public, "GET", "/ws", &upgrade, "").await.status, 403);
    assert_eq!(counted(&server, "foreign_origin").await, 3);
}

#[tokio::test]
async fn who_asks_too_often_is_counted_by_what_it_asks() {
    let server = Server::configured(with_tokens).await;
    let wrong = [("authorization", "Bearer a.b.c"), ("x-forwarded-for", "203.0.113.7")];
    let mut tries = 0;
    while request(server.public, "GET", "/api/rooms", &wrong, "").await.status != 429 {
        tries += 1;
    }
    assert!(tries >= 50, "{tries}");
    assert_eq!(counted(&server, "wrong_token_rate").await, 1);

    let mut page = hello(&server, "demo", &of("ada")).await;
    let mut last = json!(null);
    for number in 0..6 {
        last = page.ask(json!({"type": "say", "text": number.to_string()})).await;
    }
    assert_eq!((&last["error"], counted(&server, "chat_rate").await), (&json!("too_many"), 1));
    let mut other: Page = hello(&server, "demo", &of("bob")).await;
    for id in 0..150 {
        other.send(&json!({"type": "ping", "id": 1_000 + id}).to_string()).await;
    }
    assert_eq!(other.event("error").await["error"], "too_many");
    assert!(counted(&server, "message_rate").await >= 1);
}
