//! One token that floods a door is refused there, and another one at the same address goes on.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::http::request;
use crate::page::Page;
use crate::refusals::counted;
use crate::server::Server;
use crate::tokens::{hello, of, with_tokens};

/// Behind a proxy on this machine.
const ADDRESS: &str = "203.0.113.7";

/// The same request again and again over one connection, without waiting for answers, until it is dropped.
struct Flood {
    /// Head of the first answer of status 429.
    refused: String,
    tasks: [JoinHandle<()>; 2],
}

impl Flood {
    async fn begin(server: &Server, method: &str, path: &str, token: &str) -> Flood {
        let (mut reader, mut writer) = TcpStream::connect(server.public).await.unwrap().into_split();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\nx-forwarded-for: {ADDRESS}\r\n\
             content-type: application/sdp\r\ncontent-length: 0\r\n\r\n",
            server.public
        );
        let writing = tokio::spawn(async move {
            let some = head.repeat(100);
            while writer.write_all(some.as_bytes()).await.is_ok() {}
        });
        let (told, refused) = oneshot::channel();
        let reading = tokio::spawn(async move {
            let (mut answers, mut some, mut told) = (String::new(), vec![0; 1 << 16], Some(told));
            while let Ok(count @ 1..) = reader.read(&mut some).await {
                if told.is_none() {
                    continue;
                }
                answers.push_str(std::str::from_utf8(&some[..count]).unwrap());
                let refused = answers.find("HTTP/1.1 429 ").map(|at| &answers[at..]);
                if let Some((head, _)) = refused.and_then(|refused| refused.split_once("\r\n\r\n")) {
                    told.take().into_iter().for_each(|told| drop(told.send(head.to_owned())));
                }
            }
        });
        let refused = refused.await.expect("it is refused before the connection ends");
        Flood { refused, tasks: [writing, reading] }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

#[tokio::test]
async fn a_token_that_floods_a_door_is_told_to_wait_and_another_one_at_its_address_goes_on() {
    let server = Server::configured(with_tokens).await;
    let (ada, bob) = (of("ada"), of("bob"));
    let session = format!("/session/{}", "0".repeat(40));
    for (method, path, reason) in [
        ("POST", "/whep/demo/cam", "join_rate"),
        ("PATCH", session.as_str(), "change_rate"),
        ("DELETE", session.as_str(), "change_rate"),
    ] {
        let flood = Flood::begin(&server, method, path, &ada).await;
        assert!(flood.refused.contains("\r\nretry-after: "), "{method}: {}", flood.refused);
        assert!(counted(&server, reason).await > 0, "{method}");
        let bearer = format!("Bearer {bob}");
        let headers = [("authorization", bearer.as_str()), ("x-forwarded-for", ADDRESS)];
        let other = request(server.public, method, path, &headers, "").await;
        assert_ne!(other.status, 429, "{method}: {}", other.text());
    }
    // A page that enters a room joins as well. A few are let in while the flood is not.
    let _flood = Flood::begin(&server, "POST", "/whep/demo/cam", &ada).await;
    let mut refused = Value::Null;
    for _ in 0..100 {
        refused = hello(&server, "demo", &ada).await.welcome;
        if refused["type"] == "error" {
            break;
        }
    }
    assert_eq!(refused["error"], "too_many", "{refused}");
    assert!(refused["retry_after_ms"].as_u64().is_some_and(|wait| wait > 0), "{refused}");
    assert_eq!(hello(&server, "demo", &bob).await.welcome["type"], "welcome");
}

#[tokio::test]
async fn a_token_with_many_pages_makes_no_more_sessions_than_one_may_and_another_one_goes_on() {
    let server = Server::configured(with_tokens).await;
    let (ada, bob) = (of("ada"), of("bob"));
    let publish = json!({"type": "publish", "stream": "cam", "sdp": "no offer"});
    let mut refused = Value::Null;
    // Each page may send a hundred messages at once.
    for _ in 0..200 {
        let mut page = hello(&server, "demo", &ada).await;
        for _ in 0..90 {
            let told = page.ask(publish.clone()).await;
            if told["error"] == "too_many" {
                refused = told;
            }
        }
        if !refused.is_null() {
            break;
        }
    }
    assert!(refused["message"].as_str().is_some_and(|message| message.contains("by one token")), "{refused}");
    assert!(refused["retry_after_ms"].as_u64().is_some_and(|wait| wait > 0), "{refused}");
    assert!(counted(&server, "change_rate").await > 0);
    let mut other = hello(&server, "demo", &bob).await;
    assert_eq!(other.ask(publish).await["error"], "bad_sdp");
}

#[tokio::test]
async fn an_audience_of_one_token_watches_a_new_stream_at_once() {
    let server = Server::configured(with_tokens).await;
    let audience = of("audience");
    let watch = json!({"type": "watch", "sdp": "no offer", "slots": []});
    // More than one token may publish or change; each page may send a hundred messages at once.
    for _ in 0..50 {
        let mut page = hello(&server, "demo", &audience).await;
        for _ in 0..90 {
            assert_eq!(page.ask(watch.clone()).await["error"], "bad_sdp");
        }
    }
    assert_eq!(counted(&server, "change_rate").await, 0);
}

async fn say(page: &mut Page) -> Value {
    page.ask(json!({"type": "say", "text": "hello"})).await
}

#[tokio::test]
async fn a_token_with_many_pages_says_no_more_than_one_may_and_another_one_goes_on() {
    let server = Server::configured(with_tokens).await;
    let (ada, bob) = (of("ada"), of("bob"));
    let mut refused = Value::Null;
    // Each page may say five messages at once.
    for _ in 0..100 {
        let mut page = hello(&server, "demo", &ada).await;
        for _ in 0..5 {
            let told = say(&mut page).await;
            if told["type"] == "error" {
                refused = told;
            }
        }
        if !refused.is_null() {
            break;
        }
    }
    assert_eq!(refused["error"], "too_many", "{refused}");
    assert!(refused["message"].as_str().unwrap().contains("by one token"), "{refused}");
    assert!(refused["retry_after_ms"].as_u64().is_some_and(|wait| wait > 0), "{refused}");
    assert!(counted(&server, "chat_rate").await > 0);
    let mut other = hello(&server, "demo", &bob).await;
    assert_eq!(say(&mut other).await["type"], "done");
}
