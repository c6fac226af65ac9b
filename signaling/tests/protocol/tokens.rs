//! Tokens at every front door: what each permits, how long it lasts, and that nobody goes on with another's session.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chappe_signaling::{Auth, Config};
use chappe_signaling_access::{ApiKey, Minted, mint, render_key};
use serde_json::json;

use crate::http::{PATIENCE, Response, request};
use crate::offer;
use crate::page::Page;
use crate::server::{Server, session_of};

/// Of the environment.
pub fn key() -> ApiKey {
    ApiKey::from_random([1; 6], [2; 32])
}

pub fn with_tokens(config: &mut Config) {
    config.auth = Auth::Jwt;
    config.keys.environment = vec![key()];
}

pub fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Everything in the room `demo`, for a minute.
pub fn all() -> Minted {
    let (room, expires_s) = ("demo".to_owned(), now_s() + 60);
    Minted { room, publish: true, subscribe: true, data: true, expires_s, ..Minted::default() }
}

pub fn of(identity: &str) -> String {
    mint(&key(), Minted { identity: Some(identity.to_owned()), ..all() }).unwrap()
}

pub async fn ask(server: &Server, method: &str, path: &str, token: &str, body: &str) -> Response {
    let bearer = format!("Bearer {token}");
    let kind = if method == "PATCH" { "application/trickle-ice-sdpfrag" } else { "application/sdp" };
    let mut headers = vec![("content-type", kind), ("if-match", "*")];
    if !token.is_empty() {
        headers.push(("authorization", bearer.as_str()));
    }
    request(server.public, method, path, &headers, body.to_owned()).await
}

pub async fn hello(server: &Server, room: &str, token: &str) -> Page {
    let mut page = Page::connect(server).await;
    page.welcome = page.ask(json!({"type": "hello", "version": 1, "room": room, "token": token})).await;
    page
}

#[tokio::test]
async fn without_a_token_there_is_nothing_but_the_pages() {
    let server = Server::configured(with_tokens).await;
    let publisher = offer::publisher("vp8");
    for (method, path) in [
        ("POST", "/whip/demo/cam"),
        ("POST", "/whep/demo/cam?wait=1"),
        ("PATCH", "/session/100000001"),
        ("DELETE", "/session/100000001"),
        ("GET", "/api/rooms"),
    ] {
        let refused = ask(&server, method, path, "", &publisher).await;
        assert_eq!((refused.status, refused.error().as_str()), (401, "unauthorized"), "{method} {path}");
        assert_eq!(refused.header("www-authenticate"), "Bearer");
    }
    assert_eq!(hello(&server, "demo", "").await.welcome["error"], "unauthorized");
    assert_eq!(ask(&server, "OPTIONS", "/whip/demo/cam", "", "").await.status, 204, "browsers ask without one");
    for path in ["/", "/watch/demo", "/healthz", "/readyz"] {
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
    let metrics = server.admin("/metrics").await;
    let line = "chappe_access_refusals_total{reason=\"missing\"} 6";
    assert!(metrics.text().contains(line), "{}", metrics.text());
}

#[tokio::test]
async fn a_forbidden_room_looks_the_same_whether_it_is_there_or_not() {
    let server = Server::configured(with_tokens).await;
    let both = mint(&key(), Minted { room: "secret".into(), ..all() }).unwrap();
    let published = ask(&server, "POST", "/whip/secret/cam", &both, &offer::publisher("vp8")).await;
    assert_eq!(published.status, 201);
    let token = of("ada");
    for (path, sdp) in [("whep", offer::viewer("vp8")), ("whip", offer::publisher("vp8"))] {
        let there = ask(&server, "POST", &format!("/{path}/secret/cam"), &token, &sdp).await;
        let absent = ask(&server, "POST", &format!("/{path}/absent/cam"), &token, &sdp).await;
        assert_eq!((there.status, there.text()), (absent.status, absent.text()));
        assert_eq!((there.status, there.error().as_str()), (403, "forbidden"));
    }
    let mut there = hello(&server, "secret", &token).await.welcome;
    let mut absent = hello(&server, "absent", &token).await.welcome;
    assert_eq!(there.as_object_mut().unwrap(), absent.as_object_mut().unwrap());
}

#[tokio::test]
async fn only_what_is_permitted_may_be_sent_and_said() {
    let server = Server::configured(with_tokens).await;
    let audio = mint(&key(), Minted { sources: vec!["microphone".into()], ..all() }).unwrap();
    let refused = ask(&server, "POST", "/whip/demo/cam", &audio, &offer::publisher("vp8")).await;
    assert_eq!((refused.status, refused.error().as_str()), (403, "forbidden"));
    let mute = mint(&key(), Minted { data: false, ..all() }).unwrap();
    let mut page = hello(&server, "demo", &mute).await;
    assert_eq!(page.ask(json!({"type": "say", "text": "hello"})).await["error"], "forbidden");
    assert_eq!(page.ask(json!({"type": "typing", "typing": true})).await["error"], "forbidden");
    let hidden = mint(&key(), Minted { hidden: true, name: Some("Bob".into()), ..all() }).unwrap();
    let unseen = hello(&server, "demo", &hidden).await;
    let here = unseen.welcome["here"].as_array().unwrap();
    assert!(here.iter().all(|person| person["member"] != unseen.welcome["member"]), "{here:?}");
}

#[tokio::test]
async fn the_name_in_a_token_is_the_one_that_is_shown() {
    let server = Server::configured(with_tokens).await;
    let token = mint(&key(), Minted { name: Some("Grace".into()), ..all() }).unwrap();
    let mut page = Page::connect(&server).await;
    let hello = json!({"type": "hello", "version": 1, "room": "demo", "name": "Ada", "token": token});
    let welcome = page.ask(hello).await;
    assert_eq!(welcome["here"][0]["name"], "Grace", "{welcome}");
}

#[tokio::test]
async fn what_a_token_says_of_its_holder_is_told_to_the_others_and_to_operators() {
    let mut server = Server::configured(with_tokens).await;
    let seat = r#"{"seat":4}"#;
    let minted = |identity: &str| Minted { identity: Some(identity.into()), metadata: Some(seat.to_owned()), ..all() };
    let token = mint(&key(), Minted { name: Some("Grace".into()), ..minted("grace") }).unwrap();
    let mut other = hello(&server, "demo", &of("ada")).await;
    let page = hello(&server, "demo", &token).await;
    let member = page.welcome["member"].clone();
    let person = json!({"member": member, "name": "Grace", "metadata": seat});
    assert_eq!(other.event("joined").await["person"], person);
    assert!(page.welcome["here"].as_array().unwrap().contains(&person), "{}", page.welcome);
    let room = server.admin("/api/v1/rooms/demo").await.json();
    let told = room["member_list"].as_array().unwrap().iter().find(|told| told["id"] == member).unwrap();
    assert_eq!((&told["name"], &told["metadata"]), (&json!("Grace"), &json!(seat)));

    // A WHIP client is called by its token alone, also for the next signaling process.
    let token = mint(&key(), Minted { name: Some("Camera".into()), ..minted("camera") }).unwrap();
    let session = session_of(&ask(&server, "POST", "/whip/demo/cam", &token, &offer::publisher("vp8")).await);
    drop((page, other));
    for _ in 0..2 {
        let told = server.admin(&format!("/api/v1/sessions/{session}")).await.json();
        assert_eq!((&told["name"], &told["metadata"]), (&json!("Camera"), &json!(seat)));
        server.kill();
        server.launch();
        server.until_ready().await;
    }
    // What is too long means nothing in part.
    let long = mint(&key(), Minted { metadata: Some("x".repeat(1_025)), ..minted("long") }).unwrap();
    let page = hello(&server, "demo", &long).await;
    assert_eq!(page.welcome["here"], json!([{"member": page.welcome["member"]}]));
}

#[tokio::test]
async fn a_session_is_nothing_in_the_hands_of_another_token() {
    let server = Server::configured(with_tokens).await;
    let (ada, bob) = (of("ada"), of("bob"));
    let published = ask(&server, "POST", "/whip/demo/cam", &ada, &offer::publisher("vp8")).await;
    let session = session_of(&published);
    let url = format!("/session/{session}");
    let fragment = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdef0123456789\r\n";
    for method in ["PATCH", "DELETE"] {
        let refused = ask(&server, method, &url, &bob, fragment).await;
        assert_eq!((refused.status, refused.error().as_str()), (404, "no_such_session"), "{method}");
    }
    assert_eq!(server.admin(&format!("/api/v1/sessions/{session}")).await.status, 200, "it lives");
    // Nor does it prove the name.
    server.worker().connect(session.parse().unwrap());
    server.until_connected(&session).await;
    let offer = offer::publisher("vp8");
    for (query, token, status) in
        [("", &ada, 409), ("", &bob, 409), ("?takeover=1", &bob, 409), (&format!("?instead_of={url}"), &bob, 409)]
    {
        let response = ask(&server, "POST", &format!("/whip/demo/cam{query}"), token, &offer).await;
        assert_eq!(response.status, status, "{query}");
    }
    // A new token of the same holder is as good as the first.
    assert_eq!(ask(&server, "PATCH", &url, &of("ada"), fragment).await.status, 200);
    let taken = ask(&server, "POST", "/whip/demo/cam?takeover=1", &of("ada"), &offer).await;
    assert_eq!(taken.status, 201);
    server.until_gone(&session).await;
    let admin = mint(&key(), Minted { admin: true, ..all() }).unwrap();
    assert_eq!(ask(&server, "POST", "/whip/demo/cam?takeover=1", &admin, &offer).await.status, 201);
}

#[tokio::test]
async fn a_page_is_not_taken_up_by_another_token() {
    let server = Server::configured(with_tokens).await;
    let mut page = hello(&server, "demo", &of("ada")).await;
    let session = page.publish("cam").await;
    let resume = page.welcome["resume"].clone();
    drop(page);
    let again = json!({"type": "hello", "version": 1, "room": "demo", "resume": resume, "sessions": [session]});
    let with = |token: String| {
        let mut hello = again.clone();
        hello["token"] = token.into();
        hello
    };
    let stranger = Page::connect(&server).await.ask(with(of("bob"))).await;
    assert_eq!((&stranger["resumed"], &stranger["sessions"]), (&json!(false), &json!([])));
    let owner = Page::connect(&server).await.ask(with(of("ada"))).await;
    assert_eq!((&owner["resumed"], &owner["sessions"]), (&json!(true), &json!([session])));
}

#[tokio::test]
async fn all_ends_with_the_token_unless_it_is_renewed() {
    let server = Server::configured(with_tokens).await;
    let short = |identity: &str| {
        mint(&key(), Minted { identity: Some(identity.into()), expires_s: now_s() + 2, ..all() }).unwrap()
    };
    let offer = offer::publisher("vp8");
    let whip = session_of(&ask(&server, "POST", "/whip/demo/whip", &short("w"), &offer).await);
    let mut renewed = hello(&server, "demo", &short("ada")).await;
    let kept = renewed.publish("kept").await;
    let mut ending = hello(&server, "demo", &short("bob")).await;
    let lost = ending.publish("lost").await;
    let refused = renewed.ask(json!({"type": "renew", "token": of("bob")})).await;
    assert_eq!(refused["error"], "unauthorized", "it is somebody else's");
    assert_eq!(renewed.ask(json!({"type": "renew", "token": of("ada")})).await["type"], "done");
    assert_eq!(ending.event("error").await["error"], "token_expired");
    assert_eq!(ending.closed().await.0, 4401);
    server.until_gone(&whip).await;
    server.until_gone(&lost).await;
    assert_eq!(server.admin(&format!("/api/v1/sessions/{kept}")).await.status, 200);
    assert_eq!(renewed.ask(json!({"type": "ping"})).await["type"], "pong");
}

#[tokio::test]
async fn the_end_of_a_token_is_remembered_by_the_next_signaling_process() {
    let mut server = Server::configured(with_tokens).await;
    let short = mint(&key(), Minted { expires_s: now_s() + 3, ..all() }).unwrap();
    let session = session_of(&ask(&server, "POST", "/whip/demo/cam", &short, &offer::publisher("vp8")).await);
    server.kill();
    server.launch();
    server.until_ready().await;
    assert_eq!(server.admin(&format!("/api/v1/sessions/{session}")).await.status, 200);
    let other = ask(&server, "DELETE", &format!("/session/{session}"), &of("bob"), "").await;
    assert_eq!(other.status, 404);
    server.until_gone(&session).await;
}

#[tokio::test]
async fn keys_of_a_file_come_and_go_while_the_process_runs() {
    let path = std::env::temp_dir().join(format!("chappe-keys-{}", std::process::id()));
    let write = |keys: &[ApiKey]| {
        let beside: PathBuf = path.with_extension("new");
        let mut file = std::fs::File::create(&beside).unwrap();
        file.set_permissions(std::fs::Permissions::from_mode(0o600)).unwrap();
        keys.iter().for_each(|key| file.write_all(render_key(key).as_bytes()).unwrap());
        std::fs::rename(&beside, &path).unwrap();
    };
    let (first, second) = (ApiKey::from_random([3; 6], [4; 32]), ApiKey::from_random([5; 6], [6; 32]));
    write(std::slice::from_ref(&first));
    let server = Server::configured(|config| {
        config.auth = Auth::Jwt;
        let name = format!("chappe-keys-{}", std::process::id());
        config.keys.file = Some(std::env::temp_dir().join(name));
    })
    .await;
    let (by_first, by_second) = (mint(&first, all()).unwrap(), mint(&second, all()).unwrap());
    let list = async |token: &str| ask(&server, "GET", "/api/rooms", token, "").await.status;
    assert_eq!((list(&by_first).await, list(&by_second).await), (200, 401));
    let session = session_of(&ask(&server, "POST", "/whip/demo/cam", &by_first, &offer::publisher("vp8")).await);
    let mut page = hello(&server, "demo", &by_first).await;
    write(&[first, second.clone()]);
    let until = async |token: &str, status: u16| {
        let asking = async {
            while list(token).await != status {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, asking).await.expect("the file is read again");
    };
    until(&by_second, 200).await;
    assert_eq!(list(&by_first).await, 200);
    assert_eq!(page.ask(json!({"type": "ping"})).await["type"], "pong");
    // What was begun with a key that is gone ends with it.
    write(&[second]);
    until(&by_first, 401).await;
    server.until_gone(&session).await;
    assert_eq!(page.closed().await.0, 4401);
    let _ = std::fs::remove_file(&path);
}
