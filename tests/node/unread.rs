//! Where nobody reads: a command whose pipe is closed ends in silence, one that can't write says so, what it was to change
//! is changed all the same, and a node goes on.

use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use chappe_signaling_tls::make_development_certificate;
use rustix::process::Signal;

use crate::operates::{operator, printed, run, serving};
use crate::running::{Dir, Running, chappe, eventually, kill};
use crate::sessions::{Audience, session};

/// The end of a pipe whose reader is gone, as after `chappe … | head -1`.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// A disk without space.
fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

/// Exit code, and what stands on standard error.
fn into(stdout: Stdio, mut command: Command) -> (i32, String) {
    let Output { status, stderr, .. } = command.stdout(stdout).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stderr).unwrap())
}

/// A line that is typed, with `DIR` for the folder.
fn typed(dir: &Dir, line: &str) -> Command {
    let folder = dir.path("").to_str().unwrap().trim_end_matches('/').to_owned();
    let words: Vec<String> = line.split(' ').map(|word| word.replace("DIR", &folder)).collect();
    operator(dir, &words.iter().map(String::as_str).collect::<Vec<_>>())
}

fn ends_in_silence_and_tells_of_a_full_disk(dir: &Dir, line: &str) {
    assert_eq!(into(closed(), typed(dir, line)), (0, String::new()), "{line}: nobody reads");
    let (code, told) = into(full(), typed(dir, line));
    let expected = "chappe: standard output can't be written: No space left on device (os error 28)\n";
    assert_eq!((code, told.as_str()), (1, expected), "{line}: the disk is full");
}

const OF_NO_NODE: [&str; 12] = [
    "--help",
    "--version",
    "help",
    "help ls",
    "top --help",
    "config",
    "config --json",
    "completions bash",
    "keys add --keys DIR/keys",
    "keys list --keys DIR/keys --json",
    "token --keys DIR/keys --room a --watch",
    "token --keys DIR/keys --room a --watch --json",
];

const OF_A_NODE: [&str; 14] = [
    "ls",
    "ls --json",
    "rooms",
    "rooms --json",
    "streams",
    "streams --json",
    "session --list",
    "session --list --json",
    "doctor",
    "doctor --json",
    "logs",
    "logs --json",
    "logs -f",
    "top --json",
];

#[test]
fn commands_that_ask_no_node_end_where_nobody_reads() {
    let dir = Dir::new();
    assert_eq!(run(&dir, &["keys", "add", "--keys", dir.path("keys").to_str().unwrap()]).0, 0);
    for line in OF_NO_NODE {
        ends_in_silence_and_tells_of_a_full_disk(&dir, line);
    }
    let mut token = typed(&dir, "token --keys DIR/keys --room a --watch").output().unwrap().stdout;
    token.truncate(token.trim_ascii_end().len());
    let inspect = format!("token --inspect {}", String::from_utf8(token).unwrap());
    ends_in_silence_and_tells_of_a_full_disk(&dir, &inspect);
    // Two were added and told to nobody, and are told by the file.
    let listed = run(&dir, &["keys", "list", "--keys", dir.path("keys").to_str().unwrap()]).1;
    assert_eq!(listed.lines().count(), 3, "{listed}");
}

#[test]
fn commands_that_ask_a_node_end_where_nobody_reads() {
    let node = Running::start(&["--workers", "1", "--public-ip", "127.0.0.1"]);
    serving(&node, 1);
    for line in OF_A_NODE {
        ends_in_silence_and_tells_of_a_full_disk(&node.dir, line);
    }
    let _audience = Audience::of(&node);
    let id = |kind: &str| session(&node, kind).unwrap()["id"].as_str().unwrap().to_owned();
    let (viewer, publisher) = (id("whep"), id("whip"));
    for line in [format!("session {viewer}"), format!("session {viewer} --json"), format!("mute {publisher}")] {
        ends_in_silence_and_tells_of_a_full_disk(&node.dir, &line);
    }
    assert_eq!(into(closed(), typed(&node.dir, &format!("kick {viewer}"))), (0, String::new()));
    assert_eq!(run(&node.dir, &["session", &viewer]).2, "chappe: there is no such session now\n");
}

#[test]
fn who_waits_for_more_lines_ends_when_its_reader_does() {
    let node = Running::start(&["--workers", "1"]);
    serving(&node, 1);
    let mut following = typed(&node.dir, "logs --worker signaling -f").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap());
    assert_ne!(lines.read_line(&mut String::new()).unwrap(), 0);
    drop(lines);
    let status = eventually("the end of what nobody reads", || following.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}

#[test]
fn what_a_command_changes_is_changed_where_nobody_reads() {
    let mut node = Running::start(&["--workers", "2", "--node", "here"]);
    serving(&node, 2);
    let unread = |line: &str| {
        let status = typed(&node.dir, line).stdout(closed()).stderr(closed()).status().unwrap();
        assert_eq!(status.code(), Some(0), "{line}");
    };
    unread("restart --worker 0");
    unread("scale 1");
    serving(&node, 1);
    let processes = || [node.worker(0).unwrap(), node.signaling().unwrap()];
    let are_others = |before: [u32; 2], after: [u32; 2]| before.iter().all(|pid| !after.contains(pid));
    let before = processes();
    unread("reload");
    let between = processes();
    assert!(are_others(before, between), "{before:?}, {between:?}");
    let (code, told) = into(full(), typed(&node.dir, "reload"));
    let last = told.lines().last().unwrap_or_default();
    assert!(code == 1 && last.starts_with("chappe: standard output can't be written: No space left"), "{told}");
    let after = processes();
    assert!(are_others(between, after), "{between:?}, {after:?}");
    unread("drain");
    assert_eq!(node.wait().code(), Some(0));
}

#[test]
fn load_runs_to_its_end_where_nobody_reads() {
    let node = Running::start(&["--workers", "1", "--public-ip", "127.0.0.1"]);
    serving(&node, 1);
    let url = node.state()["http"].as_str().unwrap().to_owned();
    let line = format!("load http://{url} --viewers 1 --profile audio --duration 1s");
    let status = typed(&node.dir, &line).stdout(closed()).stderr(closed()).status().unwrap();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn mistakes_have_their_exit_code_where_nobody_reads_them() {
    let dir = Dir::new();
    for (line, code) in [("lss", 2), ("ls --jsn", 2), ("--htp x", 2), ("ls --admin 127.0.0.1:1", 3)] {
        let status = typed(&dir, line).stdout(closed()).stderr(closed()).status().unwrap();
        assert_eq!(status.code(), Some(code), "{line}");
    }
}

/// With a certificate that is too old, of which it warns when it starts and whenever settings are read.
#[test]
fn a_node_goes_on_where_nobody_reads() {
    let dir = Dir::new();
    let long_ago = UNIX_EPOCH + Duration::from_secs(946_684_800);
    let hosts = ["localhost".to_owned()];
    let files = make_development_certificate(&dir.path("certificate"), &hosts, long_ago).unwrap().files;
    let (certificate, key) = (files.certificate.to_str().unwrap(), files.key.to_str().unwrap());
    let mut command = chappe(&dir, &["--workers", "1", "--tls-cert", certificate, "--tls-key", key]);
    command.stdout(closed()).stderr(closed());
    let node = Running::start_with_its_streams(dir, command);
    serving(&node, 1);
    node.signal(Signal::HUP);
    eventually("settings that are read again", || {
        printed(&node, &["logs", "--worker", "supervisor"]).contains("the settings are read again").then_some(())
    });
    let before = node.worker(0).unwrap();
    kill(before, Signal::KILL);
    eventually("the next worker", || node.worker(0).filter(|pid| *pid != before));
    serving(&node, 1);
}
