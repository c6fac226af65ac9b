//! Pages that lose their connection and come back.

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

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
async fn a_page_that_is_closed_is_gone_at_once_also_where_the_browser_closes_its_connection() {
    let server = Server::start().await;
    let mut other = Page::join(&server, "demo").await;
    for code in [CloseCode::Normal, CloseCode::Away] {
        let mut page = Page::join(&server, "demo").await;
        let session = page.publish("cam").await.parse().unwrap();
        page.send_frame(Message::Close(Some(CloseFrame { code, reason: "".into() }))).await;
        assert_eq!(other.event("left").await["member"], page.welcome["member"], "{code}");
        server.worker().until("closed", |state| !state.sessions.contains_key(&session)).await;
    }
}
