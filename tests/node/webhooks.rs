//! A receiver outside is told of what happens, signed, again when it fails, and the same is on the admin listener.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::Signal;

use crate::operates::{printed, serving};
use crate::running::{Dir, Running, chappe, eventually, is_alive, kill};

struct Request {
    head: Vec<String>,
    body: String,
}

impl Request {
    /// Takes the next request, and answers it.
    fn take(listener: &TcpListener, status: &str) -> Request {
        Request::read(listener.accept().unwrap().0, status)
    }

    fn read(mut stream: TcpStream, status: &str) -> Request {
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

/// Closes whatever connects while it is down; tells what it was told when it is not.
fn receiver(is_down: &Arc<AtomicBool>) -> (String, mpsc::Receiver<Request>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hooks", listener.local_addr().unwrap());
    let (requests, told) = mpsc::channel();
    let is_down = Arc::clone(is_down);
    std::thread::spawn(move || {
        loop {
            let (stream, _) = listener.accept().unwrap();
            if !is_down.load(Ordering::SeqCst) && requests.send(Request::read(stream, "204 No Content")).is_err() {
                return;
            }
        }
    });
    (url, told)
}

const OFFER: &str = include_str!("../../signaling/sdp/tests/data/chromium-whip.sdp");
/// Of a publisher of sound and picture that comes and goes.
const OF_A_PUBLISHER: [&str; 6] =
    ["room_started", "track_published", "track_published", "track_unpublished", "track_unpublished", "room_finished"];

/// A publisher comes and goes, and what is told of it is written down: the `times`-th one.
fn come_and_go(node: &Running, times: usize) {
    let (status, answer) = node.whip("demo/cam", OFFER);
    assert_eq!(status, 201, "{answer}");
    let session = answer.lines().find_map(|line| line.strip_prefix("location: ")).unwrap().trim().to_owned();
    assert_eq!(node.ask("DELETE", &session, "").0, 200);
    eventually("the journal", || (journal(node)?.matches("\"room_finished\"").count() == times).then_some(()));
}

/// What waits for the receiver of a node.
fn journal(node: &Running) -> Option<String> {
    let folders = fs::read_dir(node.dir.path("state/chappe/webhooks")).into_iter().flatten();
    let mut files = folders.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap());
    let is_it = |name: &str| name.starts_with("webhook-") && !name.ends_with(".part");
    let file = files.find_map(|file| Some(file.unwrap()).filter(|file| is_it(&file.file_name().to_string_lossy())));
    fs::read_to_string(file?.path()).ok()
}

#[test]
fn what_a_receiver_could_not_be_told_the_next_signaling_process_tells_in_its_order() {
    let is_down = Arc::new(AtomicBool::new(true));
    let (url, told) = receiver(&is_down);
    let dir = Dir::new();
    let (secrets, settings) = (dir.path("secrets"), dir.path("chappe.toml"));
    fs::write(&secrets, SECRETS).unwrap();
    fs::write(&settings, "per-address = 100\n").unwrap();
    let files = ["--webhook-secrets", secrets.to_str().unwrap(), "--config", settings.to_str().unwrap()];
    let mut command = chappe(&dir, &["--workers", "1", "--webhook", &url]);
    command.args(files);
    let node = Running::start_in(dir, command);
    serving(&node, 1);

    come_and_go(&node, 1);
    assert!(printed(&node, &["reload"]).ends_with("is reloaded\n"));
    assert!(node.log().contains("events wait for a receiver"), "{}", node.log());
    come_and_go(&node, 2);
    let signaling = node.signaling();
    kill(signaling.unwrap(), Signal::KILL);
    eventually("another signaling process", || {
        (node.signaling().is_some() && node.signaling() != signaling).then_some(())
    });
    eventually("a node that is ready", || (node.http("/readyz").0 == 200).then_some(()));
    come_and_go(&node, 3);
    is_down.store(false, Ordering::SeqCst);
    fs::write(&settings, "per-address = 101\n").unwrap();
    node.signal(Signal::HUP);

    let expected = [OF_A_PUBLISHER; 3].concat();
    let mut of_room: Vec<(String, String)> = Vec::new();
    while of_room.len() < expected.len() {
        let request = told.recv_timeout(Duration::from_secs(40)).expect("all of them come");
        let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
        // One that was told when its process ended may come twice.
        let id = request.header("webhook-id");
        if body["data"]["room"] == "demo" && of_room.last().is_none_or(|(last, _)| *last != id) {
            of_room.push((id, body["type"].as_str().unwrap().to_owned()));
        }
    }
    let kinds: Vec<&str> = of_room.iter().map(|(_, kind)| kind.as_str()).collect();
    assert_eq!(kinds, expected);
}

/// A node with this receiver, under a name of its own.
fn start_with(url: &str, dir: Dir, state_home: &Path) -> Running {
    let secrets = dir.path("secrets");
    fs::write(&secrets, SECRETS).unwrap();
    let mut command = chappe(&dir, &["--workers", "1", "--node", "here", "--webhook", url, "--webhook-secrets"]);
    command.arg(secrets).env("XDG_STATE_HOME", state_home);
    let node = Running::start_in(dir, command);
    serving(&node, 1);
    node
}

#[test]
fn what_waits_for_a_receiver_outlives_the_whole_node() {
    let is_down = Arc::new(AtomicBool::new(true));
    let (url, told) = receiver(&is_down);
    let dir = Dir::new();
    let state_home = dir.path("state");
    let mut node = start_with(&url, dir, &state_home);
    come_and_go(&node, 1);
    let waiting: Vec<String> = journal(&node)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["queued"].take())
        .filter(|event| event["room"] == "demo")
        .map(|event| event["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(waiting.len(), OF_A_PUBLISHER.len());
    let children = node.children();
    kill(node.signaling().unwrap(), Signal::KILL);
    node.signal(Signal::KILL);
    node.wait();
    eventually("the end of all processes", || (!children.iter().any(|pid| is_alive(*pid))).then_some(()));
    is_down.store(false, Ordering::SeqCst);

    let node = start_with(&url, node.into_dir(), &state_home);
    let mut ids: Vec<String> = Vec::new();
    while ids.len() < waiting.len() {
        let request = told.recv_timeout(Duration::from_secs(40)).expect("all of them come");
        let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
        ids.extend(Some(request.header("webhook-id")).filter(|_| body["data"]["room"] == "demo"));
    }
    assert_eq!(ids, waiting, "as what they were, in their order: {}", node.log());
}

#[test]
fn a_second_node_of_a_name_says_that_it_keeps_what_waits_for_its_own_life_only() {
    let (url, _told) = receiver(&Arc::new(AtomicBool::new(true)));
    let dir = Dir::new();
    let state_home = dir.path("state");
    let first = start_with(&url, dir, &state_home);
    come_and_go(&first, 1);
    let second = start_with(&url, Dir::new_beside("second"), &state_home);
    eventually("what the second one says", || {
        second.log().contains("what waits for receivers is lost at the end of this node").then_some(())
    });
    assert!(second.log().contains("another node of this name has the folder"), "{}", second.log());
    assert!(!first.log().contains("is lost at the end"), "{}", first.log());
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
    let counted = |outcome: &str| format!("chappe_webhook_events_total{{outcome=\"{outcome}\"}}");
    let expected = [("delivered", 1), ("failed", 1), ("given_up", 0), ("dropped", 0)];
    let mut expected: Vec<String> =
        expected.iter().map(|(outcome, count)| format!("{} {count}", counted(outcome))).collect();
    expected.push("chappe_webhook_events_waiting 0".to_owned());
    eventually("figures of webhooks", || {
        let metrics = node.metrics();
        expected.iter().all(|line| metrics.lines().any(|told| told == line)).then_some(())
    });
    assert!(lines.any(|line| line == "event: worker_died"), "the same for who listens");
}

#[test]
fn webhooks_that_nobody_could_check_are_refused() {
    let dir = Dir::new();
    let (secrets, file) = (dir.path("secrets"), dir.path("file"));
    fs::write(&secrets, SECRETS).unwrap();
    fs::write(&file, "").unwrap();
    let (secrets, file) = (secrets.to_str().unwrap(), file.to_str().unwrap());
    let cases: [(&[&str], &str); 6] = [
        (&["--webhook", "https://example.org/hooks"], "--webhook-secrets FILE"),
        (&["--webhook", "example.org"], "https://example.org/hooks"),
        (&["--webhook-secrets", "/nowhere/secrets"], "/nowhere/secrets: No such file"),
        (
            &["--webhook", "https://ada:hidden@example.org/", "--webhook-secrets", secrets],
            "a secret may stand in its path",
        ),
        (&["--webhook", "ftp://ada:hidden@"], "https://example.org/hooks"),
        (&["--webhook-secrets", secrets, "--webhook-state", file], "--webhook-state"),
    ];
    for (args, expected) in cases {
        let output = chappe(&dir, args).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{args:?}: {text}");
        assert!(!text.contains("hidden"), "a secret is not for the log: {text}");
        assert!(text.contains(expected) && text.lines().count() == 1, "{args:?}: {text}");
    }
}
