//! A receiver outside is told of what happens, signed, again when it fails, and the same is on the admin listener.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use rustix::process::Signal;

use crate::operates::serving;
use crate::running::{Dir, Running, chappe, kill};

struct Request {
    head: Vec<String>,
    body: String,
}

impl Request {
    /// Takes the next request, and answers it.
    fn take(listener: &TcpListener, status: &str) -> Request {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let head: Vec<String> =
            reader.by_ref().lines().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
        let mut request = Request { head, body: String::new() };
        let mut body = vec![0; request.header("content-length").parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        request.body = String::from_utf8(body).unwrap();
        write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").unwrap();
        request
    }

    fn header(&self, name: &str) -> String {
        let is_it = |line: &&String| line.to_lowercase().starts_with(&format!("{name}: "));
        self.head.iter().find(is_it).unwrap().split_once(": ").unwrap().1.to_owned()
    }
}

const SECRETS: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\nwhsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";

#[test]
fn a_dead_worker_is_told_to_a_receiver_until_it_has_it_and_to_who_listens() {
    let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hooks?a=1", receiver.local_addr().unwrap());
    let dir = Dir::new();
    let file = dir.path("secrets");
    std::fs::write(&file, SECRETS).unwrap();
    let command = chappe(
        &dir,
        &["--workers", "1", "--node", "here", "--webhook", &url, "--webhook-secrets", file.to_str().unwrap()],
    );
    let node = Running::start_in(dir, command);
    serving(&node, 1);
    let admin = node.state()["admin"].as_str().unwrap().to_owned();
    let mut listening = TcpStream::connect(&admin).unwrap();
    write!(listening, "GET /api/v1/events HTTP/1.1\r\nhost: {admin}\r\n\r\n").unwrap();
    let mut lines = BufReader::new(listening).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.is_empty()), "the head of an answer");
    kill(node.worker(0).unwrap(), Signal::KILL);

    let first = Request::take(&receiver, "500 Internal Server Error");
    assert_eq!(first.head[0], "POST /hooks?a=1 HTTP/1.1");
    let body: serde_json::Value = serde_json::from_str(&first.body).unwrap();
    assert_eq!((&body["type"], &body["data"]["worker"]), (&"worker_died".into(), &0.into()));
    assert_eq!(body["data"]["node"], "here");
    let second = Request::take(&receiver, "204 No Content");
    assert_eq!((second.header("webhook-id"), &second.body), (first.header("webhook-id"), &first.body));
    let signatures = second.header("webhook-signature");
    let expected = chappe_signaling_events::Secrets::parse(SECRETS).unwrap().sign(
        &second.header("webhook-id"),
        second.header("webhook-timestamp").parse().unwrap(),
        &second.body,
    );
    assert_eq!(signatures, expected);
    assert_eq!(signatures.split(' ').count(), 2, "one by each secret");
    assert!(lines.any(|line| line == "event: worker_died"), "the same for who listens");
}

#[test]
fn webhooks_that_nobody_could_check_are_refused() {
    let dir = Dir::new();
    let cases: [(&[&str], &str); 3] = [
        (&["--webhook", "https://example.org/hooks"], "--webhook-secrets FILE"),
        (&["--webhook", "example.org"], "https://example.org/hooks"),
        (&["--webhook-secrets", "/nowhere/secrets"], "/nowhere/secrets: No such file"),
    ];
    for (args, expected) in cases {
        let output = chappe(&dir, args).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
        assert!(text.contains(expected) && text.lines().count() == 1, "{args:?}: {text}");
    }
}
