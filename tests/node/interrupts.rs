//! Ctrl-C while a command waits: it ends in order, and says what goes on without it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use crate::operates::{operator, printed, serving};
use crate::running::{Running, eventually, kill};
use crate::sessions::Audience;

/// Ctrl-C when this stands on standard error: the exit code, what was printed, and all of standard error.
fn interrupted(mut command: Command, at: &str) -> (Option<i32>, String, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut errors, mut told) = (BufReader::new(child.stderr.take().unwrap()), String::new());
    while !told.contains(at) {
        assert!(errors.read_line(&mut told).unwrap() > 0, "it ended before it said {at:?}: {told}");
    }
    kill(child.id(), Signal::INT);
    errors.read_to_string(&mut told).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap(), told)
}

#[test]
fn a_load_that_is_stopped_tells_what_it_saw_and_leaves_no_session() {
    let node = Running::start(&["--workers", "1", "--public-ip", "127.0.0.1"]);
    serving(&node, 1);
    let url = format!("http://{}", node.state()["http"].as_str().unwrap());
    let plan = ["load", &url, "--viewers", "1", "--profile", "audio", "--duration", "1h", "--json"];
    let (code, printed_text, told) = interrupted(operator(&node.dir, &plan), "1 of 1 viewers watch");
    assert_eq!(code, Some(130), "{told}");
    assert!(told.lines().last().unwrap().contains("stopped by Ctrl-C"), "{told}");
    let seen: Value = serde_json::from_str(&printed_text).unwrap();
    assert_eq!((&seen["stopped"], &seen["watched"]), (&true.into(), &1.into()), "{seen}");
    eventually("the end of all sessions", || {
        (printed(&node, &["session", "--list", "--json"]) == "[]\n").then_some(())
    });
}

#[test]
fn a_drain_and_a_reload_that_nobody_waits_for_any_more_say_what_goes_on() {
    let node = Running::start(&["--workers", "1", "--node", "here", "--public-ip", "127.0.0.1"]);
    serving(&node, 1);
    let _audience = Audience::of(&node);
    let drain = operator(&node.dir, &["drain", "--deadline", "10m"]);
    let (code, _, told) = interrupted(drain, "sessions left");
    assert!(code == Some(130) && told.contains("`chappe drain here --cancel` takes it back"), "{code:?}: {told}");
    assert_eq!(printed(&node, &["drain", "here", "--cancel"]), "here takes sessions again\n");
    let reload = operator(&node.dir, &["reload", "--deadline", "10m"]);
    let (code, _, told) = interrupted(reload, "sessions left");
    assert!(code == Some(130) && told.contains("here is reloaded no further"), "{code:?}: {told}");
    // The worker that took the place of the only one meanwhile.
    eventually("one worker, as before", || (node.workers() == 1).then_some(()));
}
