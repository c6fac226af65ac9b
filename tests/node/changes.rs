//! A node that changes while it runs: more workers, fewer, other processes, and its log told to who asks.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::operates::{operator, printed, run, serving};
use crate::running::{self, Running, eventually, is_alive};

#[test]
fn a_node_scales_up_and_down_while_it_runs() {
    let node = Running::start(&["--workers", "1", "--node", "here"]);
    serving(&node, 1);
    let (first, signaling) = (node.worker(0), node.signaling());
    assert_eq!(printed(&node, &["scale", "3"]), "here has workers: 3 (had 1)\n");
    let ports: Vec<u64> = serving(&node, 3).iter().map(|worker| worker["media_port"].as_u64().unwrap()).collect();
    let added = [node.worker(1).unwrap(), node.worker(2).unwrap()];
    assert_eq!(printed(&node, &["scale", "1"]), "here has workers: 1 (had 3)\n");
    assert_eq!((node.worker(0), node.signaling(), node.workers()), (first, signaling, 1));
    assert!(added.iter().all(|&pid| !is_alive(pid)));
    for port in &ports[1..] {
        let port = u16::try_from(*port).unwrap();
        std::net::UdpSocket::bind(("0.0.0.0", port)).expect("the port of a worker that left is free");
    }
    assert_eq!(printed(&node, &["scale", "2"]), "here has workers: 2 (had 1)\n");
    serving(&node, 2);
}

#[test]
fn what_a_command_has_done_is_told_as_an_object_on_a_line_where_that_is_asked_for() {
    let node = Running::start(&["--workers", "1", "--node", "here"]);
    serving(&node, 1);
    let told = |args: &[&str]| -> Vec<Value> {
        printed(&node, args).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    assert_eq!(told(&["scale", "2", "--json"]), [json!({"node": "here", "workers": 2, "before": 1})]);
    let before: Vec<Option<u32>> = (0..2).map(|index| node.worker(index)).collect();
    let replaced = told(&["restart", "--worker", "1", "--json"]);
    let successor = node.worker(1);
    assert_eq!(replaced, [json!({"worker": "here/1", "pid": successor, "before": before[1]})]);
    let reloaded = told(&["reload", "--json"]);
    let expected = [
        json!({"worker": "here/0", "pid": node.worker(0), "before": before[0]}),
        json!({"worker": "here/1", "pid": node.worker(1), "before": successor}),
        json!({"node": "here", "reloaded": true}),
    ];
    assert_eq!(reloaded, expected);
    let lines = told(&["logs", "--worker", "supervisor", "--json"]);
    assert!(!lines.is_empty() && lines.iter().all(|line| line["process"] == "supervisor" && line["line"].is_string()));
    assert_eq!(told(&["drain", "--json"]), [json!({"node": "here", "state": "ended"})]);
}

#[test]
fn a_new_signaling_process_finds_the_workers_that_were_added() {
    let node = Running::start(&["--workers", "1"]);
    serving(&node, 1);
    printed(&node, &["scale", "2"]);
    let old = node.signaling().unwrap();
    crate::running::kill(old, rustix::process::Signal::KILL);
    serving(&node, 2);
    assert_ne!(node.signaling(), Some(old));
}

#[test]
fn an_added_worker_that_dies_is_replaced_like_any_other() {
    let node = Running::start(&["--workers", "1"]);
    serving(&node, 1);
    printed(&node, &["scale", "2"]);
    let old = node.worker(1).unwrap();
    crate::running::kill(old, rustix::process::Signal::KILL);
    crate::running::eventually("a replacement", || node.worker(1).filter(|&pid| pid != old));
    crate::running::eventually("it serves", || (serving(&node, 2)[1]["restarts"] == 1).then_some(()));
}

#[test]
fn a_scale_that_cannot_be_is_refused_with_the_reason() {
    let node = Running::start(&["--workers", "1"]);
    serving(&node, 1);
    for (wanted, expected) in [("0", "from 1 to 256"), ("257", "from 1 to 256")] {
        let (code, _, stderr) = run(&node.dir, &["scale", wanted]);
        assert_eq!(code, 2);
        assert!(stderr.contains(expected), "{stderr}");
    }
    let alone = Running::start(&["signaling"]);
    let (code, _, stderr) = run(&alone.dir, &["scale", "1"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("started without workers"), "{stderr}");
}

#[test]
fn the_log_of_each_process_is_told_and_followed() {
    let node = Running::start(&["--workers", "2"]);
    serving(&node, 2);
    let all = printed(&node, &["logs"]);
    for source in ["supervisor", "signaling", "worker-0", "worker-1"] {
        assert!(all.lines().any(|line| line.starts_with(source) && line.contains(" | ")), "{source}: {all}");
    }
    let one = printed(&node, &["logs", "--worker", "1", "-n", "1"]);
    assert_eq!(one.lines().count(), 1, "{one}");
    assert!(one.starts_with("worker-1 "), "{one}");
    let mut following = operator(&node.dir, &["logs", "--worker", "supervisor", "-n", "0", "-f"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // It follows before the first line can come only if it is there by then; so lines are made until one comes.
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    let (sender, came) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(lines.next()));
    let line = loop {
        printed(&node, &["restart", "--worker", "0"]);
        if let Ok(line) = came.try_recv() {
            break line.unwrap().unwrap();
        }
    };
    assert!(line.starts_with("supervisor | ") && line.contains("worker-0"), "{line}");
    following.kill().unwrap();
    following.wait().unwrap();
}

#[test]
fn reload_replaces_every_process_with_the_program_that_is_named() {
    let node = Running::start(&["--workers", "2", "--node", "here"]);
    serving(&node, 2);
    let before = node.children();
    let copy = node.dir.path("chappe-next");
    std::fs::copy(env!("CARGO_BIN_EXE_chappe"), &copy).unwrap();
    let text = printed(&node, &["reload", "--binary", copy.to_str().unwrap()]);
    assert!(text.ends_with("here is reloaded\n"), "{text}");
    // The last process may answer before the supervisor has written its pid down.
    let after = eventually("the new processes in the state file", || {
        let after = node.children();
        (after.len() == 3 && after.iter().all(|pid| !before.contains(pid))).then_some(after)
    });
    for pid in after {
        assert_eq!(std::fs::read_link(format!("/proc/{pid}/exe")).unwrap(), copy);
    }
}

/// It has no keys, and whoever reaches it would run what he likes.
#[test]
fn the_admin_listener_starts_no_program_for_anybody() {
    let node = Running::start(&["--workers", "1", "--node", "here"]);
    let admin = node.state()["admin"].as_str().unwrap().to_owned();
    assert_eq!(running::get(&admin, "/api/v1/nodes/here/scale").0, 405, "there is such a change");
    assert_eq!(running::get(&admin, "/api/v1/nodes/here/program").0, 404);
}

#[test]
fn a_single_worker_is_reloaded_too_and_a_program_that_is_none_of_ours_is_refused() {
    let node = Running::start(&["--workers", "1", "--node", "here"]);
    serving(&node, 1);
    let before = node.children();
    printed(&node, &["reload"]);
    assert_eq!(node.workers(), 1);
    assert!(node.children().iter().all(|pid| !before.contains(pid)));
    let (code, _, stderr) = run(&node.dir, &["reload", "--binary", "/bin/true"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("no Chappe"), "{stderr}");
}
