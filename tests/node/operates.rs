//! The operator's commands against a real node: what they print, what they change, how they end.

use std::collections::BTreeMap;
use std::process::{Command, Output};

use serde_json::Value;

use crate::running::{Dir, Running, bare_chappe, eventually};

/// `chappe ARGS…` of somebody who works beside the node: its temporary directory is theirs, too.
pub fn operator(dir: &Dir, args: &[&str]) -> Command {
    let mut command = bare_chappe(dir);
    command.args(args);
    command
}

pub fn run(dir: &Dir, args: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = operator(dir, args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// What a command that works prints.
pub fn printed(node: &Running, args: &[&str]) -> String {
    let (code, stdout, stderr) = run(&node.dir, args);
    assert_eq!(code, 0, "{args:?}: {stdout}{stderr}");
    stdout
}

pub fn serving(node: &Running, workers: usize) -> Vec<Value> {
    eventually("all workers serve", || {
        let listed: Value = serde_json::from_str(&printed(node, &["ls", "--json"])).unwrap();
        let listed = listed.as_array().unwrap().clone();
        let serve = listed.iter().filter(|worker| worker["state"] == "serving").count();
        (listed.len() == workers && serve == workers).then_some(listed)
    })
}

#[test]
fn ls_lists_each_worker_of_the_node_that_runs_here() {
    let node = Running::start(&["--workers", "2", "--node", "here"]);
    let listed = serving(&node, 2);
    assert_eq!(listed[1]["id"], "here/1");
    let table = printed(&node, &["ls"]);
    for expected in ["node", "uptime", "↺", "Mbit/s out", "serving", &node.worker(0).unwrap().to_string()] {
        assert!(table.contains(expected), "{expected}: {table}");
    }
    assert!(!table.contains('\u{1b}'), "no colour where nobody looks: {table}");
    let output = operator(&node.dir, &["ls"]).env("COLUMNS", "60").output().unwrap();
    let narrow = String::from_utf8(output.stdout).unwrap();
    assert!(narrow.lines().all(|line| line.chars().count() <= 60), "{narrow}");
    assert!(narrow.contains("sessions") && !narrow.contains("memory"), "{narrow}");
    let output = operator(&node.dir, &["doctor"]).env("COLUMNS", "50").output().unwrap();
    let narrow = String::from_utf8(output.stdout).unwrap();
    let mut table = narrow.lines().filter(|line| line.starts_with(['│', '┌', '╞', '└']));
    assert!(table.all(|line| line.chars().count() <= 50), "{narrow}");
}

#[test]
fn rooms_and_streams_say_so_when_there_are_none() {
    let node = Running::start(&["--workers", "1"]);
    assert!(printed(&node, &["rooms"]).starts_with("no rooms"));
    assert!(printed(&node, &["streams"]).starts_with("no streams"));
    assert_eq!(printed(&node, &["rooms", "--json"]), "[]\n");
}

#[test]
fn a_node_is_found_by_url_by_state_file_and_by_itself() {
    let node = Running::start(&["--workers", "1"]);
    let url = format!("http://{}", node.state()["admin"].as_str().unwrap());
    let state_file = node.dir.state_file();
    let elsewhere = Dir::new_beside("elsewhere");
    for args in [["ls", "--admin", &url], ["ls", "--state-file", state_file.to_str().unwrap()]] {
        assert_eq!(run(&elsewhere, &args).0, 0, "{args:?}");
    }
    assert_eq!(run(&node.dir, &["ls"]).0, 0);
}

#[test]
fn who_cannot_be_reached_ends_with_3_and_a_remedy_in_one_line() {
    let dir = Dir::new();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (code, stdout, stderr) = run(&dir, &["ls", "--admin", &nobody.to_string()]);
    assert_eq!((code, stdout.as_str()), (3, ""));
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains(&nobody.to_string()) && stderr.contains("--admin URL"), "{stderr}");
}

#[test]
fn who_asks_the_wrong_listener_or_in_the_wrong_way_is_told_so() {
    let node = Running::start(&["--workers", "1"]);
    serving(&node, 1);
    let address = |listener: &str| node.state()[listener].as_str().unwrap().to_owned();
    let (code, _, told) = run(&node.dir, &["ls", "--admin", &address("http")]);
    assert!(code == 1 && told.contains("is it the admin listener of a node?"), "{told}");
    let (code, _, told) = run(&node.dir, &["ls", "--admin", &format!("https://{}", address("admin"))]);
    assert!(code == 3 && told.contains("does not speak TLS: name it with http://"), "{told}");
}

#[test]
fn every_command_has_help_with_an_example() {
    let dir = Dir::new();
    let help = run(&dir, &["--help"]).1;
    let operating = help.split("Operate nodes that run").nth(1).unwrap();
    let named: Vec<&str> = operating.split(|c: char| !c.is_ascii_alphabetic()).collect();
    let commands = ["ls", "top", "rooms", "streams", "session", "kick", "doctor", "logs", "scale", "reload", "drain"];
    let others = ["mute", "restart", "load", "keys", "token", "completions", "config"];
    for command in commands.into_iter().chain(others) {
        let (code, stdout, _) = run(&dir, &[command, "--help"]);
        assert_eq!(code, 0);
        assert!(stdout.contains("Example") && stdout.contains(&format!("chappe {command}")), "{stdout}");
        assert!(named.contains(&command), "{command} is in the help of the program");
    }
}

#[test]
fn an_empty_node_drains_and_ends_in_order() {
    let mut node = Running::start(&["--workers", "1", "--node", "here"]);
    serving(&node, 1);
    let text = printed(&node, &["drain", "--deadline", "30s"]);
    assert_eq!(text, "here is drained and has ended\n");
    assert_eq!(node.wait().code(), Some(0));
}

#[test]
fn a_worker_is_replaced_on_request() {
    let node = Running::start(&["--workers", "2", "--node", "here"]);
    serving(&node, 2);
    let (before, neighbour) = (node.worker(1).unwrap(), node.worker(0));
    let text = printed(&node, &["restart", "--worker", "1"]);
    let after = node.worker(1).unwrap();
    assert_eq!(text, format!("here/1 is replaced: pid {after} instead of {before}\n"));
    assert_eq!(node.worker(0), neighbour);
    let (code, _, stderr) = run(&node.dir, &["restart", "--worker", "7"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("there is no worker here/7"), "{stderr}");
}

#[test]
fn completions_know_the_commands_of_both_kinds() {
    let dir = Dir::new();
    for shell in ["bash", "zsh", "fish"] {
        let (code, script, _) = run(&dir, &["completions", shell]);
        assert_eq!(code, 0);
        for expected in ["streams", "signaling", "media-port", "deadline"] {
            assert!(script.contains(expected), "{shell}: {expected}");
        }
    }
}

#[test]
fn completions_offer_the_flags_that_a_command_takes_and_no_others() {
    let dir = Dir::new();
    let script = run(&dir, &["completions", "bash"]).1;
    for (command, takes, refuses) in [("ls", "--admin-ca", "--media-port"), ("sfu", "--media-port", "--json")] {
        let (_, offered) = script.split_once(&format!("chappe__subcmd__{command})\n")).unwrap();
        let offered: Vec<&str> = offered.lines().next().unwrap().split([' ', '"']).collect();
        assert!(offered.contains(&takes) && !offered.contains(&refuses), "{command}: {offered:?}");
    }
}

#[test]
fn a_node_starts_with_the_settings_that_config_prints() {
    let dir = Dir::new();
    let (code, text, _) = run(&dir, &["config"]);
    assert_eq!(code, 0);
    let text = text.replace("# workers = \"max\"", "workers = 1");
    assert!(text.contains("\nworkers = 1\n"), "{text}");
    std::fs::write(dir.path("chappe.toml"), text).unwrap();
    let file = dir.path("chappe.toml").to_str().unwrap().to_owned();
    let command = crate::running::chappe(&dir, &["--config", &file]);
    assert_eq!(Running::start_in(dir, command).workers(), 1);
}

#[test]
fn settings_are_told_as_json_too() {
    let settings: Vec<Value> = serde_json::from_str(&run(&Dir::new(), &["config", "--json"]).1).unwrap();
    let setting = |key: &str| settings.iter().find(|setting| setting["key"] == key).unwrap();
    let media_port = setting("media-port");
    assert_eq!((&media_port["default"], &media_port["variable"]), (&"7000".into(), &"CHAPPE_MEDIA_PORT".into()));
    assert!(setting("region")["default"].is_null());
    assert!(setting("room-metrics")["meaning"].as_str().unwrap().contains("0 (none) to 200"), "{settings:?}");
}

#[test]
fn doctor_looks_at_node_and_machine_and_ends_with_1_where_something_fails() {
    let node = Running::start(&["--workers", "1"]);
    serving(&node, 1);
    let port = node.state()["admin"].as_str().unwrap().rsplit_once(':').unwrap().1.to_owned();
    // Also where the listener has a name.
    for command in [&["doctor", "--json"][..], &["doctor", "--json", "--admin", &format!("http://localhost:{port}")]] {
        let findings = findings(&printed(&node, command));
        let examined =
            ["admin listener", "workers", "media ports, UDP", "media ports, TCP", "pages", "UDP GSO and GRO"];
        for what in examined {
            assert_eq!(findings[what], "ok", "{what}: {findings:?}");
        }
        assert_eq!(findings["public address"], "warn", "nobody else reaches it: {findings:?}");
    }
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (code, stdout, stderr) = run(&node.dir, &["doctor", "--admin", &nobody.to_string()]);
    assert_eq!(code, 1);
    assert!(stdout.contains("start a node with `chappe`"), "{stdout}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

/// The verdicts of `doctor --json`.
fn findings(json: &str) -> BTreeMap<String, String> {
    let findings: Vec<Value> = serde_json::from_str(json).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    findings.iter().map(|finding| (text(&finding["what"]), text(&finding["verdict"]))).collect()
}

#[test]
fn doctor_warns_where_a_process_may_open_few_files() {
    let dir = Dir::new();
    let doctor = operator(&dir, &["doctor", "--json", "--admin", "127.0.0.1:9"]);
    let limited = |files: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -n {files} && exec \"$@\""), "sh"]).arg(doctor.get_program());
        let output = shell.args(doctor.get_args()).output().unwrap();
        findings(&String::from_utf8(output.stdout).unwrap())["open files"].clone()
    };
    assert_eq!(limited("1000"), "warn");
}

#[test]
fn a_session_that_is_not_there_is_neither_shown_nor_ended() {
    let node = Running::start(&["--workers", "1"]);
    serving(&node, 1);
    assert!(printed(&node, &["session", "--list"]).starts_with("no sessions"));
    for command in ["session", "mute", "kick"] {
        let (code, _, stderr) = run(&node.dir, &[command, &"0".repeat(32)]);
        assert_eq!((code, stderr.as_str()), (1, "chappe: there is no such session now\n"));
        assert_eq!(run(&node.dir, &[command, "../nodes"]).0, 2);
        assert_eq!(run(&node.dir, &[command]).0, 2);
    }
}

#[test]
fn only_lines_of_the_time_that_was_asked_for_are_printed() {
    let node = Running::start(&["--workers", "1"]);
    serving(&node, 1);
    let all = printed(&node, &["logs", "--since", "1h"]);
    assert!(all.contains("worker started"), "{all}");
    let (code, _, trouble) = run(&node.dir, &["logs", "--worker", "9"]);
    assert!(code == 1 && trouble.contains("keeps no lines of worker-9"), "{trouble}");
    // To the second: until the one in which the last line was written is over.
    let is_past = || printed(&node, &["logs", "--since", "0s"]).is_empty();
    assert!((0..1000).any(|_| is_past()), "{}", printed(&node, &["logs", "--since", "0s"]));
}
