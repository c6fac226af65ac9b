//! WHEP endpoint rules (draft-ietf-wish-whep) and what viewers see when publishers come and go.

use chappe_sfu_api::{ErrorCode, Event, LoadReport, SessionSnapshot, TrackId};

use serde_json::json;

use crate::offer::{self, publisher, viewer};
use crate::page::Page;
use crate::server::{Server, session_of};

/// What a viewer is sent in each m-line.
fn sources(session: &SessionSnapshot) -> Vec<Option<TrackId>> {
    session.spec.media.send.iter().map(|track| track.source).collect()
}

/// What a publisher sends in each m-line.
fn tracks(session: &SessionSnapshot) -> Vec<Option<TrackId>> {
    session.spec.media.receive.iter().map(|track| Some(track.track)).collect()
}

#[tokio::test]
async fn a_viewer_is_sent_the_tracks_of_the_stream() {
    let server = Server::start().await;
    let publisher = server.publish("demo/cam").await;
    let response = server.post("/whep/demo/cam", &viewer("vp8")).await;
    assert_eq!(response.status, 201, "{}", response.text());
    assert!(response.text().contains("a=sendonly"), "{}", response.text());
    assert_eq!(response.header("accept-patch"), "application/trickle-ice-sdpfrag");
    let seen = server.worker().session(&session_of(&response));
    assert_eq!(sources(&seen), tracks(&server.worker().session(&publisher)));
}

#[tokio::test]
async fn a_stream_that_is_not_there_is_404_with_a_time_to_retry() {
    let server = Server::start().await;
    let response = server.post("/whep/demo/cam", &viewer("vp8")).await;
    assert_eq!((response.status, response.error().as_str()), (404, "no_such_stream"));
    assert!(response.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds >= 1));
    assert_eq!(server.worker().sessions(), 0);
}

#[tokio::test]
async fn who_waits_is_attached_when_the_stream_appears() {
    let server = Server::start().await;
    let response = server.post("/whep/demo/cam?wait=1", &viewer("vp8")).await;
    let waiting = session_of(&response);
    assert_eq!(sources(&server.worker().session(&waiting)), [None, None]);
    let publisher = server.publish("demo/cam").await;
    let wanted = tracks(&server.worker().session(&publisher));
    let id = waiting.parse().unwrap();
    server.worker().until("attached", |state| sources(&state.sessions[&id]) == wanted).await;
}

#[tokio::test]
async fn a_worker_that_refuses_a_viewer_is_not_the_only_one_asked() {
    let server = Server::with_workers(2, 1000).await;
    server.publish("demo/cam").await;
    for refusing in &server.workers {
        refusing.with(|state| state.refuse = Some(ErrorCode::Limit));
        server.watch("demo/cam").await;
        refusing.with(|state| state.refuse = None);
    }
    for refusing in &server.workers {
        refusing.with(|state| state.refuse = Some(ErrorCode::Limit));
    }
    let response = server.post("/whep/demo/cam", &viewer("vp8")).await;
    assert_eq!((response.status, response.error().as_str()), (503, "unavailable"));
    assert!(response.text().contains("as the test wants"), "what a worker said is told: {}", response.text());
}

#[tokio::test]
async fn viewers_outlive_their_publisher_and_see_the_next() {
    let server = Server::start().await;
    let first = server.publish("demo/cam").await;
    let id = server.watch("demo/cam").await.parse().unwrap();
    let ssrcs = |session: &SessionSnapshot| session.spec.media.send.iter().map(|track| track.ssrc).collect::<Vec<_>>();
    let before = server.worker().with(|state| ssrcs(&state.sessions[&id]));
    server.worker().expire(first.parse().unwrap());
    server.worker().until("detached", |state| sources(&state.sessions[&id]) == [None, None]).await;
    let second = server.publish("demo/cam").await;
    let wanted = tracks(&server.worker().session(&second));
    server.worker().until("attached", |state| sources(&state.sessions[&id]) == wanted).await;
    assert_eq!(
        server.worker().with(|state| ssrcs(&state.sessions[&id])),
        before,
        "without a new offer, so with the same SSRCs"
    );
}

#[tokio::test]
async fn a_takeover_moves_the_viewers() {
    let server = Server::start().await;
    let first = server.go_live("demo/cam").await;
    let id = server.watch("demo/cam").await.parse().unwrap();
    let second = session_of(&server.post(&format!("/whip/demo/cam?instead_of={first}"), &publisher("vp8")).await);
    let wanted = tracks(&server.worker().session(&second));
    server.worker().until("moved", |state| sources(&state.sessions[&id]) == wanted).await;
}

#[tokio::test]
async fn a_viewer_who_would_see_black_is_told_why() {
    let server = Server::start().await;
    server.publish("demo/cam").await;
    let response = server.post("/whep/demo/cam", &viewer("vp9")).await;
    assert_eq!((response.status, response.error().as_str()), (406, "no_codec"));
    let message = response.json()["message"].as_str().unwrap().to_owned();
    assert!(message.contains("VP8") && message.contains("VP9"), "{message}");
    assert_eq!(server.worker().sessions(), 1, "only the publisher");
}

#[tokio::test]
async fn a_viewer_with_one_usable_m_line_of_two_is_served_with_that() {
    let server = Server::start().await;
    server.publish("demo/cam").await;
    for lines in [[("audio", "pcmu"), ("video", "vp8")], [("video", "vp8"), ("audio", "pcmu")]] {
        let response = server.post("/whep/demo/cam", &offer::offer("recvonly", &lines, 1)).await;
        assert_eq!(response.status, 201, "{}", response.text());
        assert!(response.text().contains("a=sendonly"), "{}", response.text());
    }
    let neither = server.post("/whep/demo/cam", &offer::offer("recvonly", &[("audio", "pcmu")], 1)).await;
    assert_eq!((neither.status, neither.error().as_str()), (406, "no_codec"));
    let message = neither.json()["message"].as_str().unwrap().to_owned();
    assert!(message.contains("m-line 0") && message.contains("G726-32"), "{message}");
}

#[tokio::test]
async fn a_room_stays_on_one_worker_and_rooms_are_spread() {
    let server = Server::with_workers(2, 1000).await;
    server.publish("one/cam").await;
    let full = server.workers.iter().position(|worker| worker.sessions() == 1).unwrap();
    for _ in 0..10 {
        server.watch("one/cam").await;
    }
    assert_eq!(server.workers[full].sessions(), 11);
    // Sessions not yet in a load report count, so the other worker is the better of any two that differ.
    for room in 0..20 {
        server.publish(&format!("room{room}/cam")).await;
    }
    assert!(server.workers[1 - full].sessions() >= 10, "{}", server.workers[1 - full].sessions());
}

#[tokio::test]
async fn a_full_worker_is_503_with_a_time_to_retry() {
    let server = Server::with_workers(1, 2).await;
    server.publish("demo/cam").await;
    server.watch("demo/cam").await;
    // It is waited for until its load reports show what was placed.
    server.worker().emit(Event::Load(LoadReport { sessions: 2, ..LoadReport::default() }));
    let response = server.post("/whep/demo/cam", &viewer("vp8")).await;
    assert_eq!((response.status, response.error().as_str()), (503, "unavailable"));
    assert!(response.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn only_who_asks_for_signs_of_life_gets_them() {
    let server = Server::start().await;
    let asked = async |path: &str, sdp: &str| {
        let response = server.post(path, sdp).await;
        server.worker().session(&session_of(&response)).spec.alive_ms.map(u64::from)
    };
    assert_eq!(asked("/whip/demo/plain", &publisher("vp8")).await, None);
    assert_eq!(asked("/whip/demo/cam?alive_ms=250", &publisher("vp8")).await, Some(250));
    assert_eq!(asked("/whep/demo/cam", &viewer("vp8")).await, None);
    assert_eq!(asked("/whep/demo/cam?alive_ms=100", &viewer("vp8")).await, Some(100));
    for bad in ["", "soon", "-1", "49", "1001"] {
        let response = server.post(&format!("/whep/demo/cam?alive_ms={bad}"), &viewer("vp8")).await;
        assert_eq!(response.status, 400, "{bad}: {}", response.text());
        assert!(response.text().contains("from 50 to 1000"), "{}", response.text());
    }

    let mut page = Page::join(&server, "demo").await;
    assert_eq!(page.watch("cam").await.get("alive_ms"), None);
    let slots = json!([{"mid": "1", "stream": "cam", "track": "video"}]);
    let watch = json!({"type": "watch", "sdp": viewer("vp8"), "slots": slots, "alive_ms": 100});
    let answer = page.ask(watch).await;
    assert_eq!(answer["alive_ms"], 100, "{answer}");
    let session = server.worker().session(answer["session"].as_str().unwrap());
    assert_eq!(session.spec.alive_ms.map(u64::from), Some(100));
}
