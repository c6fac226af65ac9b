//! The log in a file: whose lines are in it, when it becomes another one, what becomes of the node where it can't be.

use std::fs;
use std::path::PathBuf;

use rustix::process::Signal;

use crate::operates::{run, serving};
use crate::running::{Dir, Running, chappe, eventually};

/// A node on `desk` that logs into `logs/node.log`.
fn started(args: &[&str], before: &str) -> (Running, PathBuf) {
    let dir = Dir::new();
    fs::create_dir(dir.path("logs")).unwrap();
    let file = dir.path("logs").join("node.log");
    if !before.is_empty() {
        fs::write(&file, before).unwrap();
    }
    let settings = ["--workers", "1", "--node", "desk", "--log-file", file.to_str().unwrap()];
    let command = chappe(&dir, &[&settings[..], args].concat());
    let node = Running::start_in(dir, command);
    serving(&node, 1);
    (node, file)
}

fn read(file: &PathBuf) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

fn numbered(file: &std::path::Path, number: u16) -> PathBuf {
    file.with_file_name(format!("{}.{number}", file.file_name().unwrap().to_str().unwrap()))
}

#[test]
fn every_process_writes_into_the_file_and_the_last_line_is_there() {
    let (mut node, file) = started(&[], "");
    node.signal(Signal::TERM);
    assert!(node.wait().success());
    let log = read(&file);
    for (process, says) in
        [("worker-0", "worker started"), ("signaling", "signaling starts"), ("supervisor", "stopping")]
    {
        let is_it = |line: &str| line.starts_with(&format!("desk/{process} 20")) && line.contains(says);
        assert!(log.lines().any(is_it), "{process}: {log}");
    }
    assert!(log.ends_with('\n') && node.log().contains("worker started"), "standard error has it, too");
}

#[test]
fn a_json_log_file_names_node_and_process_as_fields() {
    let (node, file) = started(&["--log", "json"], "");
    let log = eventually("both children's lines", || {
        let log = read(&file);
        (log.contains("\"worker-0\"") && log.contains("\"signaling\"")).then_some(log)
    });
    for line in log[..=log.rfind('\n').unwrap()].lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(value["node"] == "desk" && value["process"].is_string() && value["fields"].is_object(), "{line}");
    }
    drop(node);
}

/// From its first command to its last: who looks into the log for a session finds all that is said of it.
#[test]
fn each_line_about_a_session_has_its_id() {
    let (node, file) = started(&["--public-ip", "127.0.0.1"], "");
    let url = format!("http://{}", node.state()["http"].as_str().unwrap());
    let (code, _, trouble) =
        run(&node.dir, &["load", &url, "--viewers", "1", "--profile", "audio", "--duration", "1s"]);
    assert_eq!(code, 0, "{trouble}");
    let log = eventually("both sessions have closed", || {
        let log = read(&file);
        (log.matches("session closed").count() == 2).then_some(log)
    });
    let mut ids: Vec<&str> = Vec::new();
    for line in log.lines() {
        let id = line.split_once("session=").map(|(_, rest)| rest.split([' ', '}']).next().unwrap_or_default());
        let is_of_one = line.contains(" session ") || line.contains("whip{") || line.contains("whep{");
        assert_eq!(id.is_some(), is_of_one, "{line}");
        ids.extend(id.filter(|id| !ids.contains(id)));
    }
    assert_eq!(ids.len(), 2, "{log}");
    for id in ids {
        let of_it: Vec<&str> = log.lines().filter(|line| line.contains(id)).collect();
        for (process, says) in [
            ("desk/signaling ", "session opens"),
            ("desk/worker-0 ", "session opened"),
            ("desk/worker-0 ", "state=Connected"),
            ("desk/worker-0 ", "session closed"),
        ] {
            let is_it = |line: &&&str| line.starts_with(process) && line.contains(says);
            assert_eq!(of_it.iter().filter(is_it).count(), 1, "{process}{says}: {of_it:?}");
        }
    }
}

#[test]
fn a_full_file_makes_room_for_another_one() {
    let before = "x".repeat(64 << 10) + "\n";
    let (node, file) = started(&["--log-file-size", "64k", "--log-files", "2"], &before);
    eventually("a new file", || read(&file).contains("worker started").then_some(()));
    assert_eq!(read(&numbered(&file, 1)), before);
    assert!(!read(&file).contains("xxx") && !numbered(&file, 2).exists());
    drop(node);
}

#[test]
fn a_file_that_was_moved_away_is_made_anew_at_a_hangup() {
    let (node, file) = started(&[], "");
    eventually("its lines", || read(&file).contains("worker started").then_some(()));
    let moved = file.with_file_name("moved");
    fs::rename(&file, &moved).unwrap();
    node.signal(Signal::HUP);
    eventually("a new file", || read(&file).contains("settings are read again").then_some(()));
    assert!(!read(&file).contains("worker started") && !read(&moved).contains("settings are read again"));
}

#[test]
fn a_file_that_can_not_be_written_is_said_and_the_node_goes_on() {
    let (node, file) = started(&[], "");
    let (children, dir) = (node.children(), file.parent().unwrap());
    fs::rename(dir, dir.with_file_name("gone")).unwrap();
    node.signal(Signal::HUP);
    eventually("a warning", || node.log().contains("the log file can't be written").then_some(()));
    fs::create_dir(dir).unwrap();
    node.signal(Signal::HUP);
    eventually("the file is back", || node.log().contains("the log file is written again").then_some(()));
    eventually("with lines", || read(&file).contains("settings are read again").then_some(()));
    assert_eq!(node.log().matches("the log file can't be written").count(), 1);
    assert_eq!(node.children(), children);
}

#[test]
fn another_file_is_taken_up_while_the_node_runs() {
    let dir = Dir::new();
    let (first, next, settings) = (dir.path("first.log"), dir.path("next.log"), dir.path("chappe.toml"));
    fs::write(&settings, format!("log-file = {first:?}\n")).unwrap();
    let command = chappe(&dir, &["--workers", "1", "--config", settings.to_str().unwrap()]);
    let node = Running::start_in(dir, command);
    serving(&node, 1);
    let signaling = node.signaling();
    fs::write(&settings, format!("log-file = {next:?}\nlog-files = 3\n")).unwrap();
    node.signal(Signal::HUP);
    eventually("it says so there", || {
        read(&next).contains("settings are taken up settings=\"log-file, log-files\"").then_some(())
    });
    fs::write(&settings, "").unwrap();
    node.signal(Signal::HUP);
    eventually("it says so", || node.log().contains("settings=\"log-file\"").then_some(()));
    assert_eq!(node.signaling(), signaling, "it concerns nobody else");
    assert!(read(&first).contains("worker started") && !read(&first).contains("taken up"));
}

#[test]
fn a_file_that_can_not_be_opened_is_refused_before_anything_starts() {
    let dir = Dir::new();
    for (args, expected) in [
        (["--log-file", "/nowhere/chappe.log"], "--log-file /nowhere/chappe.log can't be written: No such file"),
        (["--log-file", "/dev/null"], "--log-file /dev/null: it is no file"),
        (["--log-file", "/"], "--log-file / can't be written: Is a directory"),
        (["--log-file-size", "10"], "wants a size from 64k to 1000G"),
        (["--log-files", "0"], "a number from 1 to 1000"),
    ] {
        let (code, _, error) = run(&dir, &args);
        assert_eq!((code, error.lines().count()), (2, 1), "{args:?}: {error}");
        assert!(error.contains(expected), "{args:?}: {error}");
    }
}
