//! Signaling dies, workers die, connections break: what survives and who is told.

use chappe_sfu_api::Command;
use serde_json::json;

use crate::http::request;
use crate::offer::{fragment, publisher, viewer};
use crate::page::Page;
use crate::server::{Server, session_of};

#[tokio::test]
async fn urls_and_etags_survive_the_death_of_signaling() {
    let mut server = Server::start().await;
    let whip = server.post("/whip/demo/cam", &publisher("vp8")).await;
    let (session, etag) = (session_of(&whip), whip.header("etag").to_owned());
    let waiting = session_of(&server.post("/whep/demo/screen?wait=1", &viewer("vp8")).await);
    server.worker().connect(session.parse().unwrap());
    server.kill();
    server.worker().until("alone", |state| state.connections == 0).await;
    let commands = server.worker().with(|state| state.log.len());
    server.launch();
    server.until_ready().await;
    // Everything is as it was, and no session was touched.
    let stream = &server.admin("/api/v1/streams").await.json()[0];
    assert_eq!((&stream["session"], &stream["tracks"][1]["active"]), (&json!(session), &json!(true)));
    assert_eq!(server.worker().with(|state| state.log.len()), commands);
    let headers = [("content-type", "application/trickle-ice-sdpfrag"), ("if-match", etag.as_str())];
    let path = format!("/session/{session}");
    assert_eq!(request(server.public, "PATCH", &path, &headers, fragment(1, 1)).await.status, 204);
    assert_eq!(server.post("/whip/demo/cam", &publisher("vp8")).await.status, 409);
    // Who waited still does.
    let screen = server.publish("demo/screen").await;
    let track = server.worker().session(&screen).spec.media.receive[1].track;
    let id = waiting.parse().unwrap();
    server.worker().until("attached", |state| state.sessions[&id].spec.media.send[1].source == Some(track)).await;
    assert_eq!(request(server.public, "DELETE", &path, &[], "").await.status, 200);
    let id = session.parse().unwrap();
    server.worker().until("closed", |state| !state.sessions.contains_key(&id)).await;
}

#[tokio::test]
async fn an_ice_restart_is_remembered_by_the_worker() {
    let mut server = Server::start().await;
    let session = server.publish("demo/cam").await;
    let path = format!("/session/{session}");
    let restart = [("content-type", "application/trickle-ice-sdpfrag"), ("if-match", "*")];
    let etag = request(server.public, "PATCH", &path, &restart, fragment(2, 0)).await.header("etag").to_owned();
    server.kill();
    server.launch();
    server.until_ready().await;
    let headers = [("content-type", "application/trickle-ice-sdpfrag"), ("if-match", etag.as_str())];
    assert_eq!(request(server.public, "PATCH", &path, &headers, fragment(2, 1)).await.status, 204);
}

#[tokio::test]
async fn a_page_resumes_at_the_next_signaling_process() {
    let mut server = Server::start().await;
    let mut page = Page::join(&server, "demo").await;
    let publishing = page.publish("cam").await;
    page.ask(json!({"type": "mute", "session": publishing, "mid": "0", "muted": true})).await;
    let watching = page.watch("cam").await["session"].as_str().unwrap().to_owned();
    let muted =
        |state: &crate::worker::State| state.log.iter().any(|command| matches!(command, Command::SetMedia { .. }));
    server.worker().until("the mute is noted", muted).await;
    server.kill();
    server.launch();
    server.until_ready().await;
    let sessions = [publishing.as_str(), watching.as_str()];
    let mut back = Page::resume(&server, "demo", &page.welcome["resume"], &sessions).await;
    assert_eq!((&back.welcome["resumed"], &back.welcome["member"]), (&json!(true), &page.welcome["member"]));
    let mut listed: Vec<&str> =
        back.welcome["sessions"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    listed.sort_unstable();
    let mut expected = sessions;
    expected.sort_unstable();
    assert_eq!(listed, expected);
    let stream = &back.welcome["streams"][0];
    assert_eq!((&stream["publisher"], &stream["name"]), (&page.welcome["member"], &json!("Ada")));
    assert_eq!((&stream["tracks"][0]["muted"], &stream["tracks"][1]["muted"]), (&json!(true), &json!(false)));
    assert_eq!(back.ask(json!({"type": "unpublish", "session": publishing})).await["type"], "done");
}

#[tokio::test]
async fn a_session_that_ended_meanwhile_is_not_brought_back() {
    let mut server = Server::start().await;
    let mut page = Page::join(&server, "demo").await;
    let (lives, ends) = (page.publish("cam").await, page.publish("screen").await);
    server.kill();
    server.worker().with(|state| state.sessions.remove(&ends.parse().unwrap()));
    server.launch();
    server.until_ready().await;
    let back = Page::resume(&server, "demo", &page.welcome["resume"], &[&lives, &ends]).await;
    assert_eq!(back.welcome["sessions"], json!([lives]));
    assert_eq!(back.welcome["streams"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_sessions_of_a_dead_worker_are_told_to_come_again() {
    let server = Server::start().await;
    let mut page = Page::join(&server, "demo").await;
    let session = page.publish("cam").await;
    let whep = server.watch("demo/cam").await;
    server.worker().die();
    let lost = page.event("session_lost").await;
    assert_eq!((&lost["session"], &lost["reason"]), (&json!(session), &json!("worker_died")));
    assert_eq!(page.event("stream_removed").await["stream"], "cam");
    server.until("not ready", "/readyz", |response| response.status == 503).await;
    server.worker().revive();
    server.until_ready().await;
    // The page comes again and the player finds its session gone and makes a new one.
    page.publish("cam").await;
    let headers = [("content-type", "application/trickle-ice-sdpfrag")];
    let patched = request(server.public, "PATCH", &format!("/session/{whep}"), &headers, fragment(1, 1)).await;
    assert_eq!(patched.status, 404);
    server.watch("demo/cam").await;
    assert_eq!(server.admin("/api/v1/workers").await.json()[0]["restarts"], 1);
}

#[tokio::test]
async fn the_count_of_replaced_workers_does_not_begin_anew_with_signaling() {
    let mut server = Server::start().await;
    server.worker().die();
    server.worker().revive();
    server.kill();
    server.launch();
    server.until_ready().await;
    assert_eq!(server.admin("/api/v1/workers").await.json()[0]["restarts"], 1);
    let metrics = server.admin("/metrics").await;
    assert!(metrics.text().contains("chappe_worker_restarts_total{worker=\"0\"} 1"), "{}", metrics.text());
}

#[tokio::test]
async fn a_worker_that_was_replaced_at_once_is_noticed_by_its_boot() {
    let server = Server::start().await;
    let mut page = Page::join(&server, "demo").await;
    let session = page.publish("cam").await;
    server.worker().die();
    server.worker().revive();
    assert_eq!(page.event("session_lost").await["session"], session.as_str());
    server.until_ready().await;
    page.publish("cam").await;
}

#[tokio::test]
async fn a_control_connection_that_breaks_costs_nothing() {
    let server = Server::start().await;
    let mut page = Page::join(&server, "demo").await;
    let session = page.publish("cam").await;
    server.worker().hang_up();
    server.worker().until("back", |state| state.accepted == 2 && state.connections == 1).await;
    let stats = page.ask(json!({"type": "stats", "session": session})).await;
    assert_eq!(stats["type"], "stats", "nothing was lost in between: {stats}");
    assert_eq!(server.worker().sessions(), 1);
}

#[tokio::test]
async fn one_worker_dies_and_the_rooms_of_the_other_go_on() {
    let server = Server::with_workers(2, 1000).await;
    let mut room = 0;
    while server.workers.iter().any(|worker| worker.sessions() == 0) {
        server.publish(&format!("room{room}/cam?listed=1")).await;
        room += 1;
    }
    let survivors = server.workers[1].sessions();
    server.workers[0].die();
    server
        .until("only its rooms", "/api/rooms", |response| response.json().as_array().unwrap().len() == survivors)
        .await;
    assert_eq!(server.get("/readyz").await.status, 200);
    server.publish("new/cam").await;
    assert_eq!(server.workers[1].sessions(), survivors + 1);
}

#[tokio::test]
async fn notes_that_are_not_ours_are_closed_and_not_fatal() {
    let mut server = Server::start().await;
    let (good, bad) = (server.publish("demo/cam").await, server.publish("demo/other").await);
    server.kill();
    let bad = bad.parse().unwrap();
    server.worker().with(|state| state.sessions.get_mut(&bad).unwrap().spec.note = "{\"from\":\"the future\"}".into());
    server.launch();
    server.until_ready().await;
    server.worker().until("closed", |state| !state.sessions.contains_key(&bad)).await;
    assert_eq!(server.admin("/api/v1/streams").await.json()[0]["session"], good.as_str());
}
