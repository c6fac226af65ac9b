//! What surrounds all requests: CORS, health, pages, errors.

use chappe_signaling_service::unix_ms;
use serde_json::json;

use crate::http::request;
use crate::offer::{publisher, viewer};
use crate::page::Page;
use crate::server::{Server, session_of};

#[tokio::test]
async fn every_origin_may_use_whip_and_whep_of_a_public_server() {
    let server = Server::public().await;
    let session = server.publish("demo/cam").await;
    let paths = ["/whip/demo/cam".to_owned(), "/whep/demo/cam".to_owned(), format!("/session/{session}")];
    let headers = [
        ("origin", "https://elsewhere.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization, content-type, if-match"),
    ];
    for path in &paths {
        let response = request(server.public, "OPTIONS", path, &headers, "").await;
        assert_eq!(response.status, 204, "{path}");
        assert_eq!(response.header("access-control-allow-origin"), "*");
        for method in ["POST", "PATCH", "DELETE"] {
            assert!(response.header("access-control-allow-methods").contains(method), "{path} {method}");
        }
        for header in ["Authorization", "Content-Type", "If-Match"] {
            assert!(response.header("access-control-allow-headers").contains(header), "{path} {header}");
        }
    }
    for response in [
        server.post("/whip/demo/cam2", &publisher("vp8")).await,
        server.post("/whep/demo/cam", &viewer("vp8")).await,
        server.post("/whep/demo/nothing", &viewer("vp8")).await,
    ] {
        assert_eq!(response.header("access-control-allow-origin"), "*");
        for header in ["Location", "ETag", "Link"] {
            assert!(response.header("access-control-expose-headers").contains(header), "{header}");
        }
    }
    let options = request(server.public, "OPTIONS", "/whip/demo/cam", &[], "").await;
    assert_eq!(options.header("accept-post"), "application/sdp");
}

#[tokio::test]
async fn readiness_follows_the_workers_and_health_does_not() {
    let server = Server::start().await;
    assert_eq!(server.get("/healthz").await.status, 200);
    assert_eq!(server.get("/readyz").await.status, 200);
    server.worker().drain();
    let draining = server.until("draining", "/readyz", |response| response.status == 503).await;
    assert_eq!(draining.error(), "unavailable");
    assert_eq!(server.get("/healthz").await.status, 200);
    let response = server.post("/whip/demo/cam", &publisher("vp8")).await;
    assert_eq!((response.status, response.error().as_str()), (503, "unavailable"));
}

#[tokio::test]
async fn only_what_its_publisher_wants_to_be_found_stands_in_the_list_of_what_is_live() {
    let server = Server::start().await;
    server.publish("private/cam").await;
    let mut meeting = Page::join(&server, "meeting").await;
    meeting.publish("guest").await;
    assert_eq!(server.get("/api/rooms").await.json(), json!([]));
    // Nobody else can list a meeting.
    server.publish("meeting/show?listed=1").await;
    assert_eq!(server.get("/api/rooms").await.json(), json!([]));
    server.publish("b/one?listed=1").await;
    server.publish("b/two?listed=1").await;
    let mut page = Page::join(&server, "a").await;
    let answer = page.ask(json!({"type": "publish", "stream": "one", "sdp": publisher("vp8"), "listed": true})).await;
    assert_eq!(answer["type"], "answer");
    session_of(&server.post("/whep/waiting/one?wait=1", &viewer("vp8")).await);
    let rooms = server.get("/api/rooms").await.json();
    assert_eq!(rooms, json!([{"room": "a", "streams": 1}, {"room": "b", "streams": 2}]));
}

#[tokio::test]
async fn nobody_takes_a_broadcast_off_the_list_by_being_in_its_room() {
    let server = Server::start().await;
    let broadcast = server.publish("show/cam?listed=1").await;
    later_than(unix_ms()).await;
    let mut stranger = Page::join(&server, "show").await;
    stranger.publish("guest").await;
    let listed = json!([{"room": "show", "streams": 1, "names": ["cam"]}]);
    assert_eq!(server.get("/api/rooms").await.json(), listed, "and nobody is led to the other");
    server.publish("show/second?listed=1").await;
    let listed = json!([{"room": "show", "streams": 2, "names": ["cam", "second"]}]);
    assert_eq!(server.get("/api/rooms").await.json(), listed);
    // The room is the stranger's when the broadcast is over: it wants no list.
    request(server.public, "DELETE", &format!("/session/{broadcast}"), &[], "").await;
    server.until("the room is not listed", "/api/rooms", |response| response.json() == json!([])).await;
}

#[tokio::test]
async fn a_broadcaster_that_comes_back_is_not_taken_off_the_list_by_who_stayed_in_its_room() {
    let mut server = Server::start().await;
    let broadcast = server.go_live("show/cam?listed=1").await;
    later_than(unix_ms()).await;
    let mut stranger = Page::join(&server, "show").await;
    let guest = stranger.publish("guest").await;
    server.worker().connect(guest.parse().unwrap());
    later_than(unix_ms()).await;
    let listed = json!([{"room": "show", "streams": 1, "names": ["cam"]}]);
    assert_eq!(server.get("/api/rooms").await.json(), listed);
    // Over another session, while the one before still has the name.
    let again = format!("show/cam?listed=1&instead_of=/session/{broadcast}");
    let broadcast = server.go_live(&again).await;
    assert_eq!(server.get("/api/rooms").await.json(), listed);
    // What was known is told by the worker now.
    server.kill();
    server.launch();
    server.until_ready().await;
    assert_eq!(server.get("/api/rooms").await.json(), listed);
    // Its session dies, and nobody has the name meanwhile.
    server.worker().expire(broadcast.parse().unwrap());
    server.until("the broadcast is over", "/api/rooms", |response| response.json() == json!([])).await;
    server.publish(&format!("show/cam?listed=1&instead_of=/session/{broadcast}")).await;
    assert_eq!(server.get("/api/rooms").await.json(), listed);
    // Somebody else under the name is new there, and the room is the stranger's.
    request(server.public, "DELETE", &format!("/session/{broadcast}"), &[], "").await;
    server.publish("show/cam?listed=1").await;
    assert_eq!(server.get("/api/rooms").await.json(), json!([]));
}

/// Of two streams of one millisecond it is not known which was first.
async fn later_than(then_ms: u64) {
    while unix_ms() <= then_ms {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn unknown_addresses_are_json_errors_and_nothing_is_sniffed() {
    let server = Server::start().await;
    for path in ["/nothing", "/assets/pages/../../Cargo.toml", "/assets/", "/watch/.hidden", "/whip/a/b/c"] {
        let response = server.get(path).await;
        assert_eq!((response.status, response.error().as_str()), (404, "not_found"), "{path}");
        assert_eq!(response.header("x-content-type-options"), "nosniff");
    }
    let post = request(server.public, "POST", "/healthz", &[], "").await;
    assert_eq!((post.status, post.error().as_str()), (405, "method_not_allowed"));
    let plain = server.get("/ws").await;
    assert!(plain.status >= 400, "a WebSocket needs an upgrade");
    plain.error();
}

#[tokio::test]
async fn pages_have_a_policy_and_are_not_sent_twice() {
    let server = Server::start().await;
    for path in ["/", "/publish", "/watch/demo", "/watch/demo/cam"] {
        let response = server.get(path).await;
        assert_eq!(response.status, 200, "{path}");
        assert!(response.header("content-type").starts_with("text/html"), "{path}");
        let policy = response.header("content-security-policy");
        assert!(policy.contains("default-src 'self'") && !policy.contains("unsafe"), "{policy}");
        let etag = response.header("etag").to_owned();
        let again = request(server.public, "GET", path, &[("if-none-match", &etag)], "").await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
        let other = request(server.public, "GET", path, &[("if-none-match", "\"other\"")], "").await;
        assert_eq!(other.status, 200, "{path}");
    }
}

#[tokio::test]
async fn pages_and_files_come_in_the_encoding_that_the_caller_takes() {
    let server = Server::start().await;
    let cases = [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip", "gzip"),
        ("GZIP;q=0.5", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("br;q=0.0, *", "gzip"),
        ("*;q=0", ""),
        ("br;q=0, gzip;q=0", ""),
        ("identity", ""),
        ("br;q=nonsense", ""),
    ];
    for path in ["/", "/watch/demo", "/assets/client/room.js", "/assets/pages/style.css"] {
        let plain = request(server.public, "GET", path, &[], "").await;
        assert_eq!(plain.header("content-encoding"), "", "{path}");
        for (accepted, encoding) in cases {
            let headers = [("accept-encoding", accepted)];
            let got = request(server.public, "GET", path, &headers, "").await;
            assert_eq!((got.status, got.header("content-encoding")), (200, encoding), "{path} {accepted}");
            assert!(got.header("vary").to_lowercase().contains("accept-encoding"), "{path}");
            assert_eq!(got.header("etag") == plain.header("etag"), encoding.is_empty(), "{path} {accepted}");
            assert!(encoding.is_empty() || got.body.len() < plain.body.len(), "{path} {accepted}");
            let etag = got.header("etag").to_owned();
            let again = [("accept-encoding", accepted), ("if-none-match", etag.as_str())];
            let again = request(server.public, "GET", path, &again, "").await;
            assert_eq!((again.status, again.body.len()), (304, 0), "{path} {accepted}");
            let head = request(server.public, "HEAD", path, &headers, "").await;
            assert_eq!((head.status, head.header("content-encoding")), (200, encoding), "{path} {accepted}");
        }
    }
    // Below the path of a proxy a page is made anew, and is compressed all the same.
    for (accepted, encoding) in [("gzip, br", "br"), ("gzip", "gzip"), ("identity", "")] {
        let below = [("accept-encoding", accepted), ("x-forwarded-prefix", "/live")];
        let page = request(server.public, "GET", "/watch/demo", &below, "").await;
        assert_eq!((page.status, page.header("content-encoding")), (200, encoding));
    }
}

#[tokio::test]
async fn pages_of_other_origins_can_read_every_error_of_whip_and_whep() {
    let server = Server::public().await;
    let headers = [("origin", "https://elsewhere.example"), ("content-type", "application/sdp")];
    // Refused by the framework before any of our code sees it.
    for path in ["/whip/%ff/cam", "/whip/demo/cam?instead_of=1&instead_of=1", "/whep/demo/%ff", "/session/%ff"] {
        let response = request(server.public, "POST", path, &headers, publisher("vp8")).await;
        assert_eq!((response.status, response.error().as_str()), (400, "bad_request"), "{path}");
        assert_eq!(response.header("access-control-allow-origin"), "*", "{path}");
        assert!(response.header("access-control-expose-headers").contains("Retry-After"), "{path}");
    }
}

#[tokio::test]
async fn a_person_at_a_wrong_address_gets_a_page_and_a_program_gets_json() {
    let server = Server::start().await;
    let browser = [("accept", "text/html,application/xhtml+xml,*/*;q=0.8"), ("if-none-match", "*")];
    for path in ["/watch/.hidden", "/watch/a%20b", "/watch/%ff", "/watch", "/nothing"] {
        let page = request(server.public, "GET", path, &browser, "").await;
        assert_eq!(page.status, 404, "{path}");
        assert!(page.header("content-type").starts_with("text/html"), "{path}");
        assert!(page.header("content-security-policy").contains("default-src 'self'"), "{path}");
        assert!(page.text().contains("There is no such page"), "{path}");
        let program = request(server.public, "GET", path, &[("accept", "*/*")], "").await;
        assert_eq!((program.status, program.error().as_str()), (404, "not_found"), "{path}");
    }
    let post = request(server.public, "POST", "/nothing", &browser, "").await;
    assert_eq!((post.status, post.error().as_str()), (404, "not_found"));
}

#[tokio::test]
async fn a_message_that_is_too_long_ends_the_connection_with_a_reason() {
    let server = Server::start().await;
    let mut page = Page::join(&server, "demo").await;
    page.send(&"x".repeat((64 << 10) + 1)).await;
    let (code, reason) = page.closed().await;
    assert!(code == 1002 && reason.contains("64 kB"), "{code} {reason}");
}
