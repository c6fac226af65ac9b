//! The session resource: trickle, ICE restart and preconditions (RFC 9725 section 4.3).

use chappe_sfu_api::ErrorCode;

use crate::http::{Response, request};
use crate::offer::{fragment, publisher, viewer};
use crate::server::{Server, session_of};

const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

async fn patch(server: &Server, session: &str, if_match: Option<&str>, body: &str) -> Response {
    let mut headers = vec![("content-type", FRAGMENT)];
    headers.extend(if_match.map(|tag| ("if-match", tag)));
    request(server.public, "PATCH", &format!("/session/{session}"), &headers, body.to_owned()).await
}

struct Session {
    id: String,
    etag: String,
}

async fn whip(server: &Server) -> Session {
    let response = server.post("/whip/demo/cam", &publisher("vp8")).await;
    Session { id: session_of(&response), etag: response.header("etag").to_owned() }
}

async fn whep(server: &Server) -> Session {
    let response = server.post("/whep/demo/cam?wait=1", &viewer("vp8")).await;
    Session { id: session_of(&response), etag: response.header("etag").to_owned() }
}

#[tokio::test]
async fn trickled_candidates_are_taken_without_content() {
    let server = Server::start().await;
    for session in [whip(&server).await, whep(&server).await] {
        let response = patch(&server, &session.id, Some(&session.etag), &fragment(1, 3)).await;
        assert_eq!((response.status, response.body.len()), (204, 0));
        let end = patch(&server, &session.id, Some(&session.etag), "a=end-of-candidates\r\n").await;
        assert_eq!(end.status, 204);
    }
}

#[tokio::test]
async fn a_publisher_must_name_the_ice_session_and_a_viewer_may() {
    let server = Server::start().await;
    let (whip, whep) = (whip(&server).await, whep(&server).await);
    let response = patch(&server, &whip.id, None, &fragment(1, 1)).await;
    assert_eq!((response.status, response.error().as_str()), (428, "if_match_required"));
    assert_eq!(patch(&server, &whep.id, None, &fragment(1, 1)).await.status, 204);
    for session in [whip, whep] {
        let response = patch(&server, &session.id, Some("\"another\""), &fragment(1, 1)).await;
        assert_eq!((response.status, response.error().as_str()), (412, "stale_etag"));
        let list = format!("\"another\", {}", session.etag);
        assert_eq!(patch(&server, &session.id, Some(&list), &fragment(1, 1)).await.status, 204);
    }
}

#[tokio::test]
async fn an_ice_restart_gives_new_credentials_and_a_new_etag() {
    let server = Server::start().await;
    let session = whip(&server).await;
    let before = server.worker().session(&session.id).spec;
    let response = patch(&server, &session.id, Some("*"), &fragment(2, 1)).await;
    assert_eq!((response.status, response.header("content-type")), (200, FRAGMENT), "{}", response.text());
    let etag = response.header("etag").to_owned();
    assert_ne!(etag, session.etag);
    let after = server.worker().session(&session.id).spec;
    assert_eq!(after.remote_ice.ufrag, "ufrag0002");
    assert_ne!(after.local_ice.ufrag, before.local_ice.ufrag);
    assert!(response.text().contains(&format!("a=ice-ufrag:{}", after.local_ice.ufrag)), "{}", response.text());
    assert!(response.text().contains("a=candidate:"), "{}", response.text());
    assert_eq!(after.media, before.media);
    // The old tag is void, the new one holds.
    assert_eq!(patch(&server, &session.id, Some(&session.etag), &fragment(2, 1)).await.status, 412);
    assert_eq!(patch(&server, &session.id, Some(&etag), &fragment(2, 1)).await.status, 204);
}

#[tokio::test]
async fn a_viewer_restarts_ice_without_if_match_too() {
    let server = Server::start().await;
    let session = whep(&server).await;
    let response = patch(&server, &session.id, None, &fragment(7, 0)).await;
    assert_eq!(response.status, 200, "{}", response.text());
    assert_ne!(response.header("etag"), session.etag);
}

#[tokio::test]
async fn a_restart_that_the_worker_refuses_changes_nothing_and_can_be_tried_again() {
    let server = Server::start().await;
    let session = whip(&server).await;
    server.worker().with(|state| state.refuse_restart = Some(ErrorCode::Exists));
    let refused = patch(&server, &session.id, Some("*"), &fragment(2, 1)).await;
    assert_eq!((refused.status, refused.error().as_str()), (500, "internal"));
    // The old tag holds, because the old ICE session does.
    assert_eq!(patch(&server, &session.id, Some(&session.etag), &fragment(1, 1)).await.status, 204);
    // The same credentials once more are a restart, not a repetition of what the worker never took.
    let again = patch(&server, &session.id, Some("*"), &fragment(2, 1)).await;
    assert_eq!(again.status, 200, "{}", again.text());
    let spec = server.worker().session(&session.id).spec;
    assert!(again.text().contains(&spec.local_ice.ufrag), "{}", again.text());
    assert_eq!(again.header("etag"), format!("\"{}\"", spec.local_ice.ufrag));
}

#[tokio::test]
async fn the_same_credentials_again_are_no_restart() {
    let server = Server::start().await;
    let session = whip(&server).await;
    assert_eq!(patch(&server, &session.id, Some("*"), &fragment(1, 2)).await.status, 204);
}

#[tokio::test]
async fn bad_fragments_are_refused_and_change_nothing() {
    let server = Server::start().await;
    let session = whip(&server).await;
    let before = server.worker().session(&session.id).spec;
    let tag = Some(session.etag.as_str());
    let cases = [
        ("not a fragment".to_owned(), 400),
        ("a=ice-ufrag:x\r\na=ice-pwd:short\r\n".to_owned(), 400),
        (fragment(1, 65), 422),
        (fragment(1, 1).replace("a=mid:0", "a=mid:unknown"), 422),
        ("a=x\r\n".repeat(20_000), 413),
    ];
    for (body, status) in cases {
        let response = patch(&server, &session.id, tag, &body).await;
        assert_eq!(response.status, status, "{}", response.text());
        response.error();
    }
    let headers = [("content-type", "application/sdp"), ("if-match", session.etag.as_str())];
    let path = format!("/session/{}", session.id);
    let wrong_type = request(server.public, "PATCH", &path, &headers, fragment(1, 1)).await;
    assert_eq!((wrong_type.status, wrong_type.error().as_str()), (415, "unsupported_media_type"));
    assert_eq!(server.worker().session(&session.id).spec, before);
}

#[tokio::test]
async fn a_session_that_is_not_there_is_404() {
    let server = Server::start().await;
    for id in ["0000000000000000000000000000000000000000", "nonsense"] {
        let response = patch(&server, id, Some("*"), &fragment(1, 1)).await;
        assert_eq!((response.status, response.error().as_str()), (404, "no_such_session"), "{id}");
    }
}

#[tokio::test]
async fn the_session_resource_takes_no_other_method() {
    let server = Server::start().await;
    let session = whip(&server).await;
    for method in ["GET", "HEAD", "POST", "PUT"] {
        let response = request(server.public, method, &format!("/session/{}", session.id), &[], "").await;
        assert_eq!((response.status, response.header("allow")), (405, "PATCH, DELETE, OPTIONS"), "{method}");
    }
}
