//! An issuer that answers well, badly, much, late or not at all. Time is the runtime's own: it goes on when all wait.

use chappe_engine::Embedded;
use chappe_signaling_service::harness::node;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

const KEY: &str =
    r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"KID","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

/// What is answered to each request in turn, the last one again and again; None: nothing.
async fn issuer(answers: Vec<Option<String>>) -> Uri {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut held = Vec::new();
        for place in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 2048]).await;
            match answers.get(place).or(answers.last()).unwrap() {
                Some(answer) => drop(stream.write_all(answer.as_bytes()).await),
                None => held.push(stream),
            }
        }
    });
    format!("http://{address}/jwks.json").parse().unwrap()
}

fn ok(body: &str) -> Option<String> {
    let length = body.len();
    Some(format!("HTTP/1.1 200 OK\r\ncache-control: public, max-age=60\r\ncontent-length: {length}\r\n\r\n{body}"))
}

fn with_id(id: &str) -> Option<String> {
    ok(&KEY.replace("KID", id))
}

#[tokio::test(start_paused = true)]
async fn keys_are_told_when_they_are_others_and_stay_through_all_that_goes_wrong() {
    let large = ok(&" ".repeat(JWKS_BYTES_MAX + 1));
    let wrong = Some("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n".to_owned());
    let at = issuer(vec![with_id("a"), with_id("a"), wrong, large, ok("no JSON"), None, with_id("b")]).await;
    let service = node("n1", 1, &Embedded::new());
    let (told, mut keys) = mpsc::channel(1);
    tokio::spawn(follow_issuer(Arc::clone(&service), "id".to_owned(), at, told));
    assert_eq!(keys.recv().await.unwrap().name, "id");
    assert_eq!(keys.recv().await.unwrap().name, "id");
    let counted = service.issuer_fetches.counts();
    assert_eq!(counted, [("id".to_owned(), "failed", 4), ("id".to_owned(), "ok", 3)]);
}

#[test]
fn an_issuer_says_for_how_long_within_bounds() {
    let said = |value: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, value.parse().unwrap());
        good_for(&headers).as_secs()
    };
    assert_eq!(good_for(&HeaderMap::new()).as_secs(), 300);
    assert_eq!(
        [said("max-age=120"), said("no-store"), said("public,max-age=0"), said("max-age=x")],
        [120, 300, 30, 300]
    );
    assert_eq!(said("max-age=9999999"), 3_600);
}

#[test]
fn pauses_grow_and_end_growing() {
    assert_eq!([1, 2, 3, 9, u32::MAX].map(|failures| pause_after(failures).as_secs()), [5, 10, 20, 300, 300]);
}
