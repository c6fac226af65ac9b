//! Listeners to the events: what they are told of clients opens nothing, and one that reads too slowly is told how many
//! it missed, and gets all others in their order.

use chappe_signaling::AdminAuth;
use chappe_signaling_access::{Minted, mint};
use chappe_signaling_rooms::SessionAlias;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;

use crate::http::request;
use crate::offer;
use crate::server::{Server, session_of};
use crate::tokens::{ask, key, now_s, of, with_tokens};

/// Of each publisher: its room begins and ends, and each of its tracks comes and goes.
const TRACKS: usize = 24;
const EVENTS_OF_EACH: usize = 2 + 2 * TRACKS;
/// More events than sockets and the queue of a listener hold together.
const PUBLISHERS: usize = 1_200;

async fn listen(server: &Server) -> Lines<BufReader<TcpStream>> {
    listen_with(server, "").await
}

/// With a header line more.
async fn listen_with(server: &Server, header: &str) -> Lines<BufReader<TcpStream>> {
    let mut socket = TcpStream::connect(server.admin).await.unwrap();
    let head = format!("GET /api/v1/events HTTP/1.1\r\nhost: {}\r\n{header}\r\n", server.admin);
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut lines = BufReader::new(socket).lines();
    while !lines.next_line().await.unwrap().unwrap().is_empty() {}
    lines
}

/// The body of the next event of a kind.
async fn next_of(lines: &mut Lines<BufReader<TcpStream>>, kind: &str) -> String {
    let mut found = false;
    loop {
        let line = lines.next_line().await.unwrap().expect("it is told");
        match line.split_once(": ") {
            Some(("event", told)) => found = told == kind,
            Some(("data", told)) if found => return told.to_owned(),
            _ => {}
        }
    }
}

#[tokio::test]
async fn what_is_told_of_a_plain_client_names_it_for_operators_and_opens_its_session_to_nobody() {
    let server = Server::start().await;
    let mut lines = listen(&server).await;
    let session = server.go_live("demo/cam").await;
    let told = next_of(&mut lines, "participant_joined").await;
    let alias = SessionAlias::of(session.parse().unwrap()).to_string();
    assert!(!told.contains(&session[8..]), "{told}");
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["data"]["participant"]["id"], alias.as_str(), "{told}");

    request(server.public, "DELETE", &format!("/session/{alias}"), &[], "").await;
    let path = format!("/api/v1/sessions/{alias}");
    assert_eq!(server.admin(&path).await.json()["id"], session.as_str(), "who is told of it does not end it");
    let json = [("content-type", "application/json")];
    let muted = request(server.admin, "POST", &format!("{path}/mute"), &json, r#"{"muted": true}"#).await;
    assert_eq!((muted.status, &muted.json()["tracks"][0]["moderated"]), (200, &Value::Bool(true)));
    assert_eq!(request(server.admin, "DELETE", &path, &json, "").await.status, 204);
    server.until_gone(&session).await;
    let left: Value = serde_json::from_str(&next_of(&mut lines, "participant_left").await).unwrap();
    assert_eq!(left["data"]["participant"]["id"], alias.as_str(), "{left}");
}

#[tokio::test]
async fn a_listener_whose_token_is_over_is_told_so_and_then_nothing_more() {
    let server = Server::configured(|config| {
        with_tokens(config);
        config.admin_auth = AdminAuth::Key;
    })
    .await;
    let token = mint(&key(), Minted { operate: true, expires_s: now_s() + 3, ..Minted::default() }).unwrap();
    let mut lines = listen_with(&server, &format!("authorization: Bearer {token}\r\n")).await;
    ask(&server, "POST", "/whip/demo/cam", &of("ada"), &offer::publisher("vp8")).await;
    next_of(&mut lines, "track_published").await;
    let told: Value = serde_json::from_str(&next_of(&mut lines, "ended").await).unwrap();
    assert_eq!(told["error"], "token_expired", "{told}");
    // The end of the body, as chunks have it.
    while lines.next_line().await.unwrap().expect("the body is ended") != "0" {}
}

#[tokio::test]
async fn a_listener_that_lags_is_told_how_much_it_missed() {
    let server = Server::start().await;
    let mut lines = listen(&server).await;
    let many = offer::offer("sendonly", &[("video", "vp8"); TRACKS], 1);
    for _ in 0..PUBLISHERS {
        let session = session_of(&server.post("/whip/demo/cam", &many).await);
        let gone = request(server.public, "DELETE", &format!("/session/{session}"), &[], "").await;
        assert_eq!(gone.status, 200, "nobody waits for the listener");
    }
    let (mut next, mut missed, mut gaps) = (1, 0, 0);
    let (mut id, mut kind) = (String::new(), String::new());
    while next <= PUBLISHERS * EVENTS_OF_EACH {
        let line = lines.next_line().await.unwrap().expect("it is told to the end");
        match line.split_once(": ") {
            Some(("id", told)) => told.clone_into(&mut id),
            Some(("event", told)) => told.clone_into(&mut kind),
            Some(("data", told)) if kind == "events_dropped" => {
                let told: Value = serde_json::from_str(told).unwrap();
                missed = usize::try_from(told["data"]["dropped"].as_u64().unwrap()).unwrap();
                assert!(missed > 0);
                gaps += 1;
                next += missed;
            }
            Some(("data", _)) => {
                let number: usize = id.rsplit('-').next().unwrap().parse().unwrap();
                assert_eq!(number, next, "none is missing but those that were said to be, {missed} of them");
                next += 1;
            }
            _ => {}
        }
    }
    assert!(gaps > 0, "it lagged");
}
