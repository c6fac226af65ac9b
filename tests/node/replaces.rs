//! What happens when a process of a node dies.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::running::{Running, eventually, kill};

/// Kills worker 0 and returns the process id of its successor.
fn replace_worker(node: &Running) -> u32 {
    let old = eventually("a worker", || node.worker(0));
    kill(old, Signal::KILL);
    eventually("a replacement", || node.worker(0).filter(|&pid| pid != old))
}

#[test]
fn a_killed_worker_is_replaced_at_once_and_nobody_else_is_touched() {
    let node = Running::start(&["--workers", "2"]);
    let before = node.state();
    let new = replace_worker(&node);
    let after = node.state();
    assert_eq!(after["workers"][0]["restarts"], 1);
    assert_eq!(after["workers"][0]["media_port"], before["workers"][0]["media_port"]);
    assert_eq!((&after["workers"][1], &after["signaling"]), (&before["workers"][1], &before["signaling"]));
    assert!(node.log().contains("was killed by signal 9 (SIGKILL)"), "{}", node.log());
    eventually("the admin API shows the new process", || {
        (node.admin("/api/v1/workers")[0]["pid"] == new).then_some(())
    });
}

#[test]
fn killed_signaling_is_back_and_no_connection_is_refused_meanwhile() {
    let node = Running::start(&["--workers", "1"]);
    assert_eq!(node.http("/healthz").0, 200);
    let old = node.signaling().unwrap();
    let worker = node.worker(0);
    kill(old, Signal::KILL);
    // The supervisor holds the listener: this connection waits in its queue for the next process.
    assert_eq!(node.http("/healthz").0, 200);
    assert_ne!(eventually("the new process id", || node.signaling().filter(|&pid| pid != old)), old);
    assert_eq!(node.worker(0), worker);
}

#[test]
fn a_worker_that_keeps_dying_does_not_keep_the_machine_busy() {
    let node = Running::start(&["--workers", "1"]);
    let start = Instant::now();
    for _ in 0..5 {
        replace_worker(&node);
    }
    // At once, then 100, 200, 400 and 800 ms.
    assert!(start.elapsed() >= Duration::from_millis(1500), "{:?}", start.elapsed());
    assert_eq!(node.state()["workers"][0]["restarts"], 5);
}
