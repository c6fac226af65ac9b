//! Pages that lose their connection and come back.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::offer::publisher;
use crate::page::Page;
use crate::server::Server;

#[tokio::test]
async fn a_page_that_comes_back_goes_on_with_its_sessions() {
    let server = Server::start().await;
    let mut page = Page::join(&server, "demo").await;
    let (kept, dropped) = (page.publish("cam").await, page.publish("screen").await);
    let (member, resume) = (page.welcome["member"].clone(), page.welcome["resume"].clone());
    drop(page);
    let foreign = server.watch("demo/cam").await;
    let named = [kept.as_str(), foreign.as_str(), "nonsense"];
    let back = Page::resume(&server, "demo", &resume, &named).await;
    assert_eq!((&back.welcome["resumed"], &back.welcome["member"]), (&json!(true), &member));
    assert_eq!(back.welcome["sessions"], json!([kept]), "its own that live, not those of others");
    // The peer connection of the one it did not name is gone.
    let dropped = dropped.parse().unwrap();
    server.worker().until("closed", |state| !state.sessions.contains_key(&dropped)).await;
}

#[tokio::test]
async fn a_secret_that_is_unknown_or_of_another_room_makes_a_new_member() {
    let server = Server::start().await;
    let page = Page::join(&server, "demo").await;
    for (room, resume) in
        [("other", page.welcome["resume"].clone()), ("demo", json!("0".repeat(32))), ("demo", json!("short"))]
    {
        let new = Page::resume(&server, room, &resume, &[]).await;
        assert_eq!(new.welcome["resumed"], false, "{room} {resume}");
        assert_ne!(new.welcome["member"], page.welcome["member"]);
        assert_ne!(new.welcome["resume"], page.welcome["resume"]);
    }
}

#[tokio::test]
async fn a_newer_connection_ends_the_older_one() {
    let server = Server::start().await;
    let mut old = Page::join(&server, "demo").await;
    let session = old.publish("cam").await;
    let mut new = Page::resume(&server, "demo", &old.welcome["resume"], &[&session]).await;
    assert_eq!(new.welcome["resumed"], true);
    assert!(old.ends().await);
    // The end of the old connection is not the end of the member.
    assert_eq!(new.ask(json!({"type": "stats", "session": session})).await["type"], "stats");
    let room = server.admin("/api/v1/rooms/demo").await.json();
    assert_eq!((&room["members"], &room["member_list"][0]["connected"]), (&json!(1), &json!(true)));
}

#[tokio::test]
async fn a_page_that_is_closed_is_gone_at_once_however_its_browser_closes_the_connection() {
    let server = Server::start().await;
    let mut other = Page::join(&server, "demo").await;
    let normal = Some(CloseFrame { code: CloseCode::Normal, reason: "".into() });
    let away = Some(CloseFrame { code: CloseCode::Away, reason: "".into() });
    // Firefox closes with 1001, and what is between may pass on nothing of it.
    for (leaving, close) in [(false, Some(normal)), (true, Some(away)), (true, Some(None)), (true, None)] {
        let mut page = Page::join(&server, "demo").await;
        let (member, session) = (page.welcome["member"].clone(), page.publish("cam").await.parse().unwrap());
        if leaving {
            assert_eq!(page.ask(json!({"type": "leaving"})).await["type"], "done");
        }
        match close.clone() {
            Some(frame) => page.send_frame(Message::Close(frame)).await,
            None => drop(page),
        }
        assert_eq!(other.event("left").await["member"], member, "{close:?}");
        server.worker().until("closed", |state| !state.sessions.contains_key(&session)).await;
    }
}

#[tokio::test]
async fn a_connection_that_a_proxy_ends_is_a_lost_one_also_when_the_page_was_asked_whether_to_stay() {
    let server = Server::start().await;
    for asked in [false, true] {
        let mut page = Page::join(&server, "demo").await;
        let session = page.publish("cam").await;
        let (member, resume) = (page.welcome["member"].clone(), page.welcome["resume"].clone());
        if asked {
            page.ask(json!({"type": "leaving"})).await;
            page.ask(json!({"type": "ping"})).await;
        }
        let restarts = CloseFrame { code: CloseCode::Away, reason: "restarting".into() };
        page.send_frame(Message::Close(Some(restarts))).await;
        assert!(page.ends().await);
        let mut back = Page::resume(&server, "demo", &resume, &[&session]).await;
        assert_eq!((&back.welcome["resumed"], &back.welcome["member"]), (&json!(true), &member), "asked: {asked}");
        assert_eq!(back.welcome["sessions"], json!([session]));
        back.ask(json!({"type": "unpublish", "session": session})).await;
    }
}

/// The bits that are not the same in all of these numbers.
fn varying(numbers: &[u128]) -> u32 {
    let ever = numbers.iter().fold(0, |all, number| all | number);
    let always = numbers.iter().fold(u128::MAX, |all, number| all & number);
    (ever & !always).count_ones()
}

#[tokio::test]
async fn ids_and_secrets_have_128_bits_and_an_id_that_others_see_proves_nothing() {
    let server = Server::start().await;
    let hex = |text: &Value| {
        let text = text.as_str().unwrap();
        assert_eq!(text.len(), 32, "{text}");
        u128::from_str_radix(text, 16).unwrap()
    };
    let (mut members, mut secrets, mut sessions) = (Vec::new(), Vec::new(), Vec::new());
    let mut pages = Vec::new();
    // That one bit of 128 is the same in all of them by chance happens once in 10^15 runs.
    for number in 0..60 {
        let mut page = Page::join(&server, "demo").await;
        let session = page.publish(&format!("cam{number}")).await;
        assert_eq!(session.len(), 40);
        sessions.push(u128::from_str_radix(&session[8..], 16).unwrap());
        members.push(hex(&page.welcome["member"]));
        secrets.push(hex(&page.welcome["resume"]));
        pages.push((page, session));
    }
    assert_eq!([&members, &secrets, &sessions].map(|numbers| varying(numbers)), [128; 3]);

    let (first, session) = &mut pages[0];
    let shown = first.welcome["member"].clone();
    let mut other = Page::resume(&server, "demo", &shown, &[session]).await;
    let welcome = &other.welcome;
    assert_eq!((&welcome["resumed"], &welcome["sessions"]), (&json!(false), &json!([])));
    assert_ne!(welcome["member"], shown);
    for request in [
        json!({"type": "stats", "session": session}),
        json!({"type": "mute", "session": session, "mid": "0", "muted": true}),
        json!({"type": "publish", "stream": "cam0", "instead_of": shown, "sdp": publisher("vp8")}),
    ] {
        assert_eq!(other.ask(request.clone()).await["type"], "error", "{request}");
    }
    other.ask(json!({"type": "unpublish", "session": session})).await;
    assert_eq!(first.ask(json!({"type": "stats", "session": session})).await["type"], "stats", "it lives");
}
