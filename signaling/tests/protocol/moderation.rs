//! Operators mute what somebody publishes: who is told, what the worker is told, and what the publisher can do about it.

use serde_json::{Value, json};

use crate::http::{Response, request};
use crate::offer;
use crate::page::Page;
use crate::server::Server;

async fn mute(server: &Server, session: &str, body: &Value) -> Response {
    let path = format!("/api/v1/sessions/{session}/mute");
    request(server.admin, "POST", &path, &[("content-type", "application/json")], body.to_string()).await
}

fn muted(server: &Server, session: &str) -> Vec<bool> {
    server.worker().session(session).spec.media.receive.iter().map(|line| line.muted).collect()
}

#[tokio::test]
async fn an_operator_mutes_a_track_everybody_is_told_and_the_publisher_cannot_take_it_back() {
    let server = Server::start().await;
    let mut watching = Page::join(&server, "demo").await;
    let mut publishing = Page::join(&server, "demo").await;
    let session = publishing.publish("cam").await;

    let told = mute(&server, &session, &json!({"muted": true, "kind": "audio"})).await;
    let sound = json!({"mid": "0", "kind": "audio", "muted": true, "moderated": true});
    let picture = json!({"mid": "1", "kind": "video", "muted": false, "moderated": false});
    assert_eq!((told.status, told.json()), (200, json!({"id": session, "tracks": [sound, picture]})));
    assert_eq!(muted(&server, &session), [true, false], "the worker has it when it is answered");
    for page in [&mut watching, &mut publishing] {
        let stream = page.event("stream_changed").await["stream"].clone();
        assert_eq!((&stream["tracks"][0]["muted"], &stream["tracks"][0]["moderated"]), (&json!(true), &json!(true)));
        assert_eq!((&stream["tracks"][1]["muted"], &stream["tracks"][1]["moderated"]), (&json!(false), &Value::Null));
    }
    let own = json!({"type": "mute", "session": session, "mid": "0", "muted": false});
    let refused = publishing.ask(own.clone()).await;
    assert_eq!((&refused["type"], &refused["error"]), (&json!("error"), &json!("moderated")), "{refused}");
    let offer = json!({"type": "publish", "stream": "cam", "session": session, "sdp": offer::publisher("vp8")});
    assert_eq!(publishing.ask(offer).await["type"], "answer");
    assert_eq!(muted(&server, &session), [true, false], "nor by a new offer");

    let undone = mute(&server, &session, &json!({"muted": false})).await;
    assert_eq!(undone.json()["tracks"][0], json!({"mid": "0", "kind": "audio", "muted": false, "moderated": false}));
    assert_eq!(muted(&server, &session), [false, false]);
    assert_eq!(publishing.ask(own).await["type"], "done");
}

#[tokio::test]
async fn what_was_muted_is_muted_when_signaling_has_died() {
    let mut server = Server::start().await;
    let session = server.publish("demo/cam").await;
    mute(&server, &session, &json!({"muted": true, "mid": "1"})).await;
    server.kill();
    server.launch();
    server.until_ready().await;
    let tracks = server.admin("/api/v1/streams").await.json()[0]["tracks"].clone();
    let of = |at: usize| (tracks[at]["muted"].clone(), tracks[at]["moderated"].clone());
    assert_eq!([of(0), of(1)], [(json!(false), json!(false)), (json!(true), json!(true))]);
    assert_eq!(muted(&server, &session), [false, true]);
    let undone = mute(&server, &session, &json!({"muted": false, "kind": "video"})).await;
    assert_eq!(undone.json()["tracks"][1]["moderated"], false);
}

#[tokio::test]
async fn what_cannot_be_muted_is_refused_with_a_reason() {
    let server = Server::start().await;
    let session = server.publish("demo/cam").await;
    let viewer = server.watch("demo/cam").await;
    let nobody = "0".repeat(40);
    let all = json!({"muted": true});
    for (session, body, status, code, reason) in [
        (session.as_str(), json!({"muted": true, "track": 1}), 400, "bad_request", "unknown field `track`"),
        (&session, json!({"kind": "audio"}), 400, "bad_request", "missing field `muted`"),
        (&session, json!({"muted": true, "kind": "text"}), 400, "bad_request", "`audio` or `video`"),
        (&session, json!({"muted": true, "mid": "9"}), 404, "not_found", "no track with the mid `9`"),
        (&session, json!({"muted": true, "mid": "0", "kind": "video"}), 404, "not_found", "no video with the mid `0`"),
        (&viewer, all.clone(), 409, "conflict", "publishes nothing"),
        (&nobody, all.clone(), 404, "not_found", "no such session"),
        ("nonsense", all, 404, "not_found", "no such session"),
    ] {
        let refused = mute(&server, session, &body).await;
        let told = refused.json();
        assert_eq!((refused.status, told["error"].as_str().unwrap()), (status, code), "{body} {told}");
        assert!(told["message"].as_str().unwrap().contains(reason), "{body} {told}");
    }
    assert_eq!(muted(&server, &session), [false, false]);
}

#[tokio::test]
async fn a_publisher_whose_worker_died_is_muted_when_it_is_back() {
    let server = Server::start().await;
    let mut page = Page::join(&server, "demo").await;
    let session = page.publish("cam").await;
    let plain = server.publish("demo/plain").await;
    mute(&server, &session, &json!({"muted": true, "kind": "audio"})).await;
    mute(&server, &plain, &json!({"muted": true, "kind": "video"})).await;
    server.worker().die();
    page.event("session_lost").await;
    server.worker().revive();
    server.until_ready().await;
    let session = page.publish("cam").await;
    let plain = server.publish("demo/plain").await;
    assert_eq!((muted(&server, &session), muted(&server, &plain)), (vec![true, false], vec![false, true]));
    let streams = server.admin("/api/v1/streams").await.json();
    let of = |at: usize| [0, 1].map(|track| streams[at]["tracks"][track]["moderated"] == true);
    assert_eq!([of(0), of(1)], [[true, false], [false, true]]);
    let undone = mute(&server, &session, &json!({"muted": false})).await;
    assert_eq!(undone.json()["tracks"][0]["moderated"], false);
    assert_eq!(muted(&server, &session), [false, false]);
}
