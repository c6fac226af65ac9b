//! How a node ends, and that nothing of it stays.

use rustix::process::Signal;

use crate::running::{Dir, Running, chappe, eventually, is_alive};

fn gone(pids: &[u32]) {
    eventually("all processes gone", || pids.iter().all(|&pid| !is_alive(pid)).then_some(()));
}

#[test]
fn ctrl_c_and_sigterm_end_it_with_exit_code_0_and_leave_nothing() {
    for signal in [Signal::INT, Signal::TERM] {
        let mut node = Running::start(&["--workers", "2"]);
        assert_eq!(node.http("/healthz").0, 200);
        let children = node.children();
        assert_eq!(children.len(), 3);
        node.signal(signal);
        let status = node.wait();
        assert_eq!(status.code(), Some(0), "{signal:?}: {}", node.log());
        assert!(children.iter().all(|&pid| !is_alive(pid)), "children outlive the parent");
        assert_eq!(node.dir.runtime_dirs(), Vec::<std::path::PathBuf>::new());
        assert!(!node.dir.state_file().exists());
    }
}

#[test]
fn a_killed_parent_takes_its_children_along() {
    let mut node = Running::start(&["--workers", "2"]);
    assert_eq!(node.http("/healthz").0, 200);
    let children = node.children();
    node.signal(Signal::KILL);
    node.wait();
    gone(&children);
}

#[test]
fn the_next_start_removes_what_a_killed_parent_left() {
    let mut first = Running::start(&["--workers", "1"]);
    first.signal(Signal::KILL);
    first.wait();
    let left = first.dir.runtime_dirs();
    assert_eq!(left.len(), 1);
    let dir = std::mem::replace(&mut first.dir, Dir::new_beside("spare"));
    std::fs::remove_file(dir.state_file()).unwrap();
    let command = chappe(&dir, &["--workers", "1"]);
    let second = Running::start_in(dir, command);
    assert!(!left[0].exists());
    assert_eq!(second.dir.runtime_dirs().len(), 1);
}

#[test]
fn a_parent_killed_while_its_children_start_leaves_no_orphan() {
    for _ in 0..5 {
        let mut node = Running::start(&["--workers", "2"]);
        let children = node.children();
        node.signal(Signal::KILL);
        node.wait();
        gone(&children);
    }
}
