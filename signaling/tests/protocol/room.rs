//! Pages in a room: publishing, watching, and what they are told of each other.

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::offer;
use crate::page::Page;
use crate::server::Server;

#[tokio::test]
async fn a_page_is_welcomed_with_what_is_live() {
    let server = Server::start().await;
    let session = server.publish("demo/cam").await;
    server.publish("other/cam").await;
    let page = Page::join(&server, "demo").await;
    let welcome = &page.welcome;
    assert_eq!((&welcome["room"], &welcome["resumed"]), (&json!("demo"), &json!(false)));
    assert_eq!((&welcome["sessions"], &welcome["ice_servers"]), (&json!([]), &json!([])));
    assert!(welcome["member"].as_str().unwrap().len() >= 16 && welcome["resume"].as_str().unwrap().len() >= 32);
    assert_eq!(welcome["incomplete"], json!(null), "a node without a cluster knows all there is");
    let streams = welcome["streams"].as_array().unwrap();
    assert_eq!(streams.len(), 1);
    let stream = &streams[0];
    assert_eq!((&stream["stream"], &stream["publisher"], &stream["name"]), (&json!("cam"), &json!(null), &json!(null)));
    assert!(stream["since_ms"].as_u64().is_some_and(|ms| ms > 1_600_000_000_000));
    let track = &stream["tracks"][1];
    assert_eq!(*track, json!({"mid": "1", "kind": "video", "codec": "vp8", "active": false, "muted": false}));
    drop(session);
}

#[tokio::test]
async fn everyone_hears_of_a_stream_that_comes_changes_and_goes() {
    let server = Server::start().await;
    let mut watching = Page::join(&server, "demo").await;
    let mut elsewhere = Page::join(&server, "other").await;
    let mut publishing = Page::join(&server, "demo").await;
    let session = publishing.publish("cam").await;
    let added = watching.event("stream_added").await;
    assert_eq!(added["stream"]["publisher"], publishing.welcome["member"]);
    assert_eq!(added["stream"]["name"], "Ada");
    server.worker().connect(session.parse().unwrap());
    watching.event("stream_changed").await;
    assert_eq!(watching.event("stream_changed").await["stream"]["tracks"][1]["active"], true);
    let done = publishing.ask(json!({"type": "mute", "session": session, "mid": "1", "muted": true})).await;
    assert_eq!(done["type"], "done");
    assert_eq!(watching.event("stream_changed").await["stream"]["tracks"][1]["muted"], true);
    let done = publishing.ask(json!({"type": "unpublish", "session": session})).await;
    assert_eq!(done["type"], "done");
    assert_eq!(watching.event("stream_removed").await["stream"], "cam");
    // The other room heard nothing: the reply is the next thing that comes.
    assert_eq!(elsewhere.ask(json!({"type": "ping"})).await["type"], "pong");
}

#[tokio::test]
async fn who_watches_without_being_a_member_is_counted_for_every_page_of_the_room() {
    let server = Server::start().await;
    let mut page = Page::join(&server, "demo").await;
    assert_eq!(page.welcome["players"], 0);
    server.publish("demo/cam").await;
    let player = server.watch("demo/cam").await;
    server.worker().connect(player.parse().unwrap());
    assert_eq!(page.event("players").await["players"], 1);
    let other = Page::join(&server, "demo").await;
    assert_eq!(other.welcome["players"], 1, "also for who comes later");
    assert_eq!(server.admin("/api/v1/rooms").await.json()[0]["players"], 1);
    server.worker().expire(player.parse().unwrap());
    assert_eq!(page.event("players").await["players"], 0);
}

#[tokio::test]
async fn a_player_is_counted_from_when_it_is_connected_also_after_signaling_died() {
    let mut server = Server::start().await;
    server.publish("demo/cam").await;
    let (connected, _never) = (server.watch("demo/cam").await, server.watch("demo/cam").await);
    server.worker().connect(connected.parse().unwrap());
    server.until_connected(&connected).await;
    server.kill();
    server.launch();
    server.until_ready().await;
    assert_eq!(Page::join(&server, "demo").await.welcome["players"], 1);
}

#[tokio::test]
async fn slots_show_what_is_live_and_follow_what_changes() {
    let server = Server::start().await;
    let mut page = Page::join(&server, "demo").await;
    let answer = page.watch("cam").await;
    assert_eq!(answer["slots"][0], json!({"mid": "0", "stream": "cam", "track": "audio", "state": "waiting"}));
    let viewer = answer["session"].as_str().unwrap().to_owned();
    let publisher = server.publish("demo/cam").await;
    for _ in 0..2 {
        let changed = page.event("slot_changed").await;
        assert_eq!((&changed["session"], &changed["slot"]["state"]), (&json!(viewer), &json!("live")));
    }
    let track = server.worker().session(&publisher).spec.media.receive[1].track;
    let id = viewer.parse().unwrap();
    server.worker().until("attached", |state| state.sessions[&id].spec.media.send[1].source == Some(track)).await;
    server.worker().expire(publisher.parse().unwrap());
    assert_eq!(page.event("slot_changed").await["slot"]["state"], "waiting");
    // The next publisher sends what this page can't decode.
    page.event("slot_changed").await;
    server.post("/whip/demo/cam", &offer::publisher("vp9")).await;
    let states = [page.event("slot_changed").await, page.event("slot_changed").await];
    let video = states.iter().find(|state| state["slot"]["track"] == "video").unwrap();
    assert_eq!(video["slot"]["state"], "unsupported");
    assert!(video["slot"]["message"].as_str().unwrap().contains("VP9"), "{video}");
}

#[tokio::test]
async fn a_new_offer_goes_on_in_the_same_session() {
    let server = Server::start().await;
    server.publish("demo/cam").await;
    server.publish("demo/screen").await;
    let mut page = Page::join(&server, "demo").await;
    let answer = page.watch("cam").await;
    let session = answer["session"].as_str().unwrap().to_owned();
    let before = server.worker().session(&session).spec;
    let sdp = offer::offer("recvonly", &[("audio", "opus"), ("video", "vp8"), ("video", "vp8")], 1);
    let slots = json!([
        {"mid": "0", "stream": "cam", "track": "audio"},
        {"mid": "1", "stream": "cam", "track": "video"},
        {"mid": "2", "stream": "screen", "track": "1"},
    ]);
    let again = page.ask(json!({"type": "watch", "session": session, "sdp": sdp, "slots": slots})).await;
    assert_eq!((&again["type"], &again["session"]), (&json!("answer"), &json!(session)), "{again}");
    let id = session.parse().unwrap();
    server.worker().until("three", |state| state.sessions[&id].spec.media.send.len() == 3).await;
    let after = server.worker().session(&session).spec;
    assert_eq!(after.media.send[..2], before.media.send[..], "what was there goes on as it was");
    assert_eq!(after.local_ice, before.local_ice);
    // Other ICE credentials are an ICE restart.
    let sdp = offer::offer("recvonly", &[("audio", "opus"), ("video", "vp8"), ("video", "vp8")], 2);
    page.ask(json!({"type": "watch", "session": session, "sdp": sdp, "slots": slots})).await;
    let restarted = server.worker().session(&session).spec;
    assert_ne!(restarted.local_ice, before.local_ice);
    assert_eq!(restarted.remote_ice.ufrag, "ufrag0002");
}

#[tokio::test]
async fn a_publisher_adds_a_track_and_its_viewers_get_it() {
    let server = Server::start().await;
    let mut page = Page::join(&server, "demo").await;
    let sdp = offer::offer("sendonly", &[("audio", "opus")], 1);
    let answer = page.ask(json!({"type": "publish", "stream": "cam", "sdp": sdp})).await;
    let session = answer["session"].as_str().unwrap().to_owned();
    let viewer = server.watch("demo/cam").await.parse().unwrap();
    let first = server.worker().session(&session).spec.media.receive[0].track;
    let sdp = offer::offer("sendonly", &[("audio", "opus"), ("video", "vp8")], 1);
    let again = page.ask(json!({"type": "publish", "stream": "cam", "session": session, "sdp": sdp})).await;
    assert_eq!(again["session"], session.as_str(), "{again}");
    server.worker().until("video", |state| state.sessions[&viewer].spec.media.send[1].source.is_some()).await;
    let spec = server.worker().session(&session).spec;
    assert_eq!(spec.media.receive[0].track, first, "the audio track is the same");
    let viewer = server.worker().session(&viewer.to_string()).spec;
    assert_eq!(viewer.media.send[1].source, Some(spec.media.receive[1].track));
}

#[tokio::test]
async fn a_page_may_not_touch_what_is_not_its_own() {
    let server = Server::start().await;
    let mut owner = Page::join(&server, "demo").await;
    let session = owner.publish("cam").await;
    server.worker().connect(session.parse().unwrap());
    server.until_connected(&session).await;
    let mut other = Page::join(&server, "demo").await;
    let requests = [
        json!({"type": "unpublish", "session": session}),
        json!({"type": "unwatch", "session": session}),
        json!({"type": "mute", "session": session, "mid": "0", "muted": true}),
        json!({"type": "stats", "session": session}),
        json!({"type": "publish", "stream": "cam", "session": session, "sdp": offer::publisher("vp8")}),
        json!({"type": "watch", "session": session, "sdp": offer::viewer("vp8"), "slots": []}),
    ];
    for request in requests {
        let reply = other.ask(request.clone()).await;
        assert_eq!(reply["error"], "no_such_session", "{request}");
    }
    let taken = other.ask(json!({"type": "publish", "stream": "cam", "sdp": offer::publisher("vp8")})).await;
    assert_eq!(taken["error"], "stream_exists");
    assert_eq!(owner.ask(json!({"type": "stats", "session": session})).await["stats"]["state"], "connected");
}

#[tokio::test]
async fn a_page_publishes_its_own_stream_again_without_asking() {
    let server = Server::start().await;
    let mut page = Page::join(&server, "demo").await;
    let first = page.publish("cam").await;
    let second = page.publish("cam").await;
    assert_ne!(first, second);
    let first = first.parse().unwrap();
    server.worker().until("the first ended", |state| !state.sessions.contains_key(&first)).await;
}

#[tokio::test]
async fn bad_messages_get_an_error_and_the_connection_goes_on() {
    let server = Server::start().await;
    let mut page = Page::connect(&server).await;
    for (text, id) in
        [("not json", None), ("[]", None), ("{\"type\":\"hello\"}", None), ("{\"type\":\"hello\",\"id\":-1}", None)]
    {
        page.send(text).await;
        let error = page.read().await;
        assert_eq!((error["error"].as_str(), error["id"].as_u64()), (Some("bad_message"), id), "{text}");
    }
    assert_eq!(page.ask(json!({"type": "stats", "session": "0".repeat(40)})).await["error"], "not_joined");
    assert_eq!(page.ask(json!({"type": "hello", "version": 2, "room": "demo"})).await["error"], "unsupported_version");
    assert_eq!(page.ask(json!({"type": "hello", "version": 1, "room": "no room"})).await["error"], "bad_name");
    assert_eq!(page.ask(json!({"type": "hello", "version": 1})).await["error"], "bad_message");
    assert_eq!(page.ask(json!({"type": "hello", "version": 1, "room": "demo"})).await["type"], "welcome");
    assert_eq!(page.ask(json!({"type": "hello", "version": 1, "room": "demo"})).await["error"], "bad_message");
    assert_eq!(page.ask(json!({"type": "dance"})).await["error"], "bad_message");
    assert_eq!(page.ask(json!({"type": "publish", "stream": "cam"})).await["error"], "bad_message");
    assert_eq!(page.ask(json!({"type": "publish", "stream": "cam", "sdp": "x"})).await["error"], "bad_sdp");
    assert_eq!(page.ask(json!({"type": "publish", "stream": "c m", "sdp": "x"})).await["error"], "bad_name");
    let pcmu = offer::offer("sendonly", &[("audio", "pcmu")], 1);
    assert_eq!(page.ask(json!({"type": "publish", "stream": "cam", "sdp": pcmu})).await["error"], "no_codec");
    let slots: Vec<_> = (0..33).map(|mid| json!({"mid": mid.to_string(), "stream": "s", "track": "video"})).collect();
    let many = page.ask(json!({"type": "watch", "sdp": offer::viewer("vp8"), "slots": slots})).await;
    assert_eq!(many["error"], "too_many");
    assert_eq!(page.ask(json!({"type": "ping"})).await["type"], "pong");
}

#[tokio::test]
async fn a_flood_is_refused_and_then_ended() {
    let server = Server::start().await;
    let mut page = Page::join(&server, "demo").await;
    // Far more than the server reads before it ends the connection: the rest must not cost the page the reason.
    for _ in 0..5_000 {
        page.send_frame(Message::text("{\"type\":\"ping\",\"id\":1}")).await;
    }
    let mut refused = 0;
    let reason = loop {
        match page.read_frame().await {
            Message::Text(text) if text.contains("too_many") => refused += 1,
            Message::Close(frame) => break frame.expect("a reason").reason,
            _ => {}
        }
    };
    assert_eq!(reason.as_str(), "too many messages");
    assert!(refused > 10, "{refused}");
    assert_eq!(Page::join(&server, "demo").await.welcome["type"], "welcome", "others are not disturbed");
}

#[tokio::test]
async fn a_frame_that_is_too_long_or_binary_ends_the_connection() {
    let server = Server::start().await;
    for frame in [Message::text("x".repeat(65 * 1024)), Message::binary(vec![1, 2, 3])] {
        let mut page = Page::join(&server, "demo").await;
        page.send_frame(frame).await;
        assert!(page.ends().await);
    }
}
