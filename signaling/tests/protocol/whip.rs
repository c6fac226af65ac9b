//! WHIP endpoint rules (RFC 9725 section 4.2).

use std::pin::pin;

use chappe_sfu_api::{ErrorCode, Event, MediaKind, SessionState};
use futures_util::future::select;
use serde_json::json;

use crate::http::request;
use crate::offer::{self, publisher};
use crate::page::Page;
use crate::server::{Server, session_of};

#[tokio::test]
async fn publishing_is_answered_with_a_session() {
    let server = Server::start().await;
    let response = server.post("/whip/demo/cam", &publisher("vp8")).await;
    assert_eq!(response.status, 201, "{}", response.text());
    assert_eq!(response.header("content-type"), "application/sdp");
    assert!(response.header("location").starts_with("/session/"));
    assert!(response.header("etag").starts_with('"') && response.header("etag").ends_with('"'));
    assert_eq!(response.header("accept-patch"), "application/trickle-ice-sdpfrag");
    let answer = response.text();
    assert!(answer.contains("a=ice-lite") && answer.contains("a=recvonly"), "{answer}");
    assert!(answer.contains("192.0.2.1 7000 typ host"), "{answer}");
    let spec = server.worker().session(&session_of(&response)).spec;
    assert!(answer.contains(&format!("a=ice-ufrag:{}", spec.local_ice.ufrag)), "{answer}");
    assert_eq!(
        spec.media.receive.iter().map(|track| track.kind).collect::<Vec<_>>(),
        [MediaKind::Audio, MediaKind::Video]
    );
}

#[tokio::test]
async fn each_kind_of_bad_input_has_its_status_and_code() {
    let server = Server::start().await;
    let sdp = [("content-type", "application/sdp")];
    let good = publisher("vp8");
    let long = format!("{good}{}", "a=x:y\r\n".repeat(20_000));
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str, u16, &'a str);
    let cases: [Case<'_>; 11] = [
        ("/whip/demo/cam", &[("content-type", "text/plain")], &good, 415, "unsupported_media_type"),
        ("/whip/demo/cam", &[], &good, 415, "unsupported_media_type"),
        ("/whip/demo/cam", &sdp, "", 400, "bad_sdp"),
        ("/whip/demo/cam", &sdp, "hello", 400, "bad_sdp"),
        ("/whip/demo/cam", &sdp, &long, 413, "too_large"),
        ("/whip/demo/cam", &sdp, &offer::viewer("vp8"), 422, "bad_sdp"),
        ("/whip/demo/cam", &sdp, &offer::offer("sendonly", &[("audio", "pcmu")], 1), 406, "no_codec"),
        ("/whip/demo/.cam", &sdp, &good, 400, "bad_name"),
        ("/whip/de%20mo/cam", &sdp, &good, 400, "bad_name"),
        ("/whip/demo/c%2Fam", &sdp, &good, 400, "bad_name"),
        ("/whip/demo", &sdp, &good, 404, "not_found"),
    ];
    for (path, headers, body, status, code) in cases {
        let response = request(server.public, "POST", path, headers, body.to_owned()).await;
        assert_eq!((response.status, response.error().as_str()), (status, code), "{path} {}", response.text());
    }
    let binary = request(server.public, "POST", "/whip/demo/cam", &sdp, vec![0xff_u8, 0xfe, 0x00]).await;
    assert_eq!((binary.status, binary.error().as_str()), (400, "bad_sdp"));
    // Nothing of it left a trace.
    assert_eq!(server.worker().sessions(), 0);
    assert_eq!(server.admin("/api/v1/rooms").await.json(), serde_json::json!([]));
    assert_eq!(server.post("/whip/demo/cam", &good).await.status, 201);
}

#[tokio::test]
async fn the_content_type_may_have_parameters_and_capitals() {
    let server = Server::start().await;
    let headers = [("content-type", "Application/SDP; charset=utf-8")];
    let response = request(server.public, "POST", "/whip/demo/cam", &headers, publisher("vp8")).await;
    assert_eq!(response.status, 201, "{}", response.text());
}

#[tokio::test]
async fn other_methods_are_refused_and_told_which_work() {
    let server = Server::start().await;
    for path in ["/whip/demo/cam", "/whep/demo/cam"] {
        for method in ["GET", "PUT", "PATCH", "DELETE"] {
            let response = request(server.public, method, path, &[], "").await;
            assert_eq!((response.status, response.header("allow")), (405, "POST, OPTIONS"), "{method} {path}");
            assert_eq!(response.error(), "method_not_allowed");
        }
        let head = request(server.public, "HEAD", path, &[], "").await;
        assert_eq!((head.status, head.header("allow")), (405, "POST, OPTIONS"));
    }
}

#[tokio::test]
async fn a_name_in_use_is_given_to_nobody_but_its_own_client() {
    let server = Server::start().await;
    let first = server.go_live("demo/cam").await;
    let foreign = server.go_live("demo/other").await;
    let strange = "0".repeat(40);
    for query in ["", "?takeover=1", &format!("?instead_of={foreign}"), &format!("?takeover=1&instead_of={strange}")] {
        let refused = server.post(&format!("/whip/demo/cam{query}"), &publisher("vp8")).await;
        assert_eq!((refused.status, refused.error().as_str()), (409, "stream_exists"), "{query}");
        assert!(refused.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds >= 1), "{query}");
    }
    let unreadable = server.post("/whip/demo/cam?instead_of=nonsense", &publisher("vp8")).await;
    assert_eq!((unreadable.status, unreadable.error().as_str()), (400, "bad_request"));
    let url = format!("http://{}/session/{first}", server.public);
    let third = session_of(&server.post(&format!("/whip/demo/cam?instead_of={url}"), &publisher("vp8")).await);
    let first_id = first.parse().unwrap();
    server.worker().until("the first is closed", |state| !state.sessions.contains_key(&first_id)).await;
    assert_eq!(server.admin("/api/v1/streams").await.json()[0]["session"], third.as_str());
    let again = server.post(&format!("/whip/demo/cam?instead_of={url}"), &publisher("vp8")).await;
    assert_eq!(again.status, 201, "until it is connected, anybody may: {}", again.text());
    // The other name and the other room are free.
    server.publish("demo/cam2").await;
    server.publish("demo2/cam").await;
}

#[tokio::test]
async fn a_session_that_never_connected_gives_its_name_to_the_next_at_once() {
    let server = Server::start().await;
    for state in [SessionState::New, SessionState::Connecting] {
        let passer_by = server.publish("demo/cam").await.parse().unwrap();
        server.worker().emit(Event::StateChanged { session: passer_by, state });
        let next = server.post("/whip/demo/cam", &publisher("vp8")).await;
        assert_eq!(next.status, 201, "{state:?}: {}", next.text());
        server.worker().until("the first is closed", |state| !state.sessions.contains_key(&passer_by)).await;
    }
}

#[tokio::test]
async fn a_page_takes_back_its_own_stream_and_nobody_elses() {
    let server = Server::start().await;
    let (mut page, mut stranger) = (Page::join(&server, "demo").await, Page::join(&server, "demo").await);
    let session = page.publish("cam").await;
    server.worker().connect(session.parse().unwrap());
    server.until_connected(&session).await;
    let own = stranger.publish("own").await;
    let sdp = publisher("vp8");
    let publish = json!({"type": "publish", "stream": "cam", "sdp": sdp});
    let claims =
        [json!({}), json!({"takeover": true}), json!({"instead_of": own}), json!({"instead_of": "0".repeat(40)})];
    for claim in claims {
        let mut request = publish.clone();
        request.as_object_mut().unwrap().extend(claim.as_object().unwrap().clone());
        let refused = stranger.ask(request).await;
        assert_eq!(refused["error"], "stream_exists", "{claim}: {refused}");
        assert!(refused["retry_after_ms"].as_u64().is_some(), "{refused}");
    }
    assert_eq!(page.ask(publish.clone()).await["type"], "answer", "its own name");
    // The same person in a page that has lost its secret still knows the session.
    let mut reloaded = Page::join(&server, "demo").await;
    let mut request = publish.clone();
    request["instead_of"] = json!(session);
    let answer = reloaded.ask(request).await;
    assert_eq!(answer["type"], "answer", "{answer}");
}

#[tokio::test]
async fn a_stream_that_another_device_takes_over_ends_with_what_its_page_had_under_way() {
    let server = Server::start().await;
    let (mut page, mut telephone) = (Page::join(&server, "demo").await, Page::join(&server, "demo").await);
    let first = page.publish("cam").await;
    server.worker().connect(first.parse().unwrap());
    server.until_connected(&first).await;
    let second = page.publish("cam").await;
    let request = json!({"type": "publish", "stream": "cam", "sdp": publisher("vp8"), "instead_of": first});
    let answer = telephone.ask(request).await;
    assert_eq!(answer["type"], "answer", "{answer}");
    for session in [&second, &first] {
        let lost = page.event("session_lost").await;
        assert_eq!((&lost["session"], &lost["reason"]), (&json!(session), &json!("taken_over")));
        let id = session.parse().unwrap();
        server.worker().until("it is closed", |state| !state.sessions.contains_key(&id)).await;
    }
}

#[tokio::test]
async fn two_who_publish_under_one_name_at_once_do_not_both_succeed() {
    let server = Server::start().await;
    server.worker().with(|state| state.withholds_replies = true);
    let offer = publisher("vp8");
    let (first, second) = (pin!(server.post("/whip/demo/cam", &offer)), pin!(server.post("/whip/demo/cam", &offer)));
    // The one that came second is refused without the worker's help, while the first still waits for it.
    let (early, late) = select(first, second).await.factor_first();
    server.worker().with(|state| state.withholds_replies = false);
    let late = late.await;
    assert_eq!((early.status, late.status), (409, 201));
}

#[tokio::test]
async fn what_the_worker_refuses_is_said_and_leaves_the_name_free() {
    let server = Server::start().await;
    for (code, status, word) in [
        (ErrorCode::Limit, 503, "unavailable"),
        (ErrorCode::Draining, 503, "unavailable"),
        (ErrorCode::Invalid, 422, "bad_sdp"),
        (ErrorCode::Exists, 500, "internal"),
    ] {
        server.worker().with(|state| state.refuse = Some(code));
        let response = server.post("/whip/demo/cam", &publisher("vp8")).await;
        assert_eq!((response.status, response.error().as_str()), (status, word), "{code:?}");
        assert_eq!(response.headers.contains_key("retry-after"), status == 503, "{code:?}");
    }
    server.publish("demo/cam").await;
}

#[tokio::test]
async fn deleting_is_idempotent_and_frees_the_name() {
    let server = Server::start().await;
    let session = server.publish("demo/cam").await;
    let path = format!("/session/{session}");
    for _ in 0..3 {
        assert_eq!(request(server.public, "DELETE", &path, &[], "").await.status, 200);
    }
    server.worker().until("closed", |state| state.sessions.is_empty()).await;
    server.publish("demo/cam").await;
    let nonsense = request(server.public, "DELETE", "/session/nonsense", &[], "").await;
    assert_eq!((nonsense.status, nonsense.error().as_str()), (404, "no_such_session"));
}

#[tokio::test]
async fn a_publisher_that_expires_frees_the_name() {
    let server = Server::start().await;
    let session = server.publish("demo/cam?listed=1").await;
    server.worker().expire(session.parse().unwrap());
    server.until("free", "/api/rooms", |response| response.json() == serde_json::json!([])).await;
    server.publish("demo/cam").await;
}

#[tokio::test]
async fn a_client_that_gives_up_waiting_leaves_no_orphan() {
    let server = Server::start().await;
    server.worker().with(|state| state.withholds_replies = true);
    let offer = publisher("vp8");
    {
        let asking = server.post("/whip/demo/cam?listed=1", &offer);
        let given_up = tokio::time::timeout(std::time::Duration::from_millis(100), asking).await;
        assert!(given_up.is_err(), "the worker holds it");
    }
    server.worker().with(|state| state.withholds_replies = false);
    server.worker().until("opened all the same", |state| state.sessions.len() == 1).await;
    let id = server.worker().with(|state| *state.sessions.keys().next().unwrap());
    // It is known, so its name is taken until the worker finds that nobody comes.
    server.until("listed", "/api/rooms", |response| response.json()[0]["room"] == "demo").await;
    server.worker().expire(id);
    server.until("free", "/api/rooms", |response| response.json() == serde_json::json!([])).await;
}
