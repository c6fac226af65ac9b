//! Holds what `make test` relies on: a suite that hangs is ended within its limit, with all that it started, and has
//! failed.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

/// Looks at a process that was told to end, on however busy a machine.
const LOOKS_MAX: usize = 3_000;

fn within(minutes: &str, command: &str) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/within.sh");
    Command::new(script).args([minutes, "a suite", "sh", "-c", command]).output().expect("bash runs it")
}

#[test]
fn a_suite_that_hangs_is_ended_with_what_it_started_and_has_failed() {
    // Three seconds: a shell on a busy machine has said by then what it started.
    let output = within("0.05", "sleep 3600 & echo $!; wait");
    assert_eq!(output.status.code(), Some(124));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("a suite: ended after 0.05 minutes, its limit"), "{said}");
    let started = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert!(!started.is_empty());
    // It was told to end; one that has ended and was not waited for yet is there as a zombie.
    let state = || std::fs::read_to_string(format!("/proc/{started}/stat")).unwrap_or_default();
    let has_ended = |_| {
        std::thread::sleep(Duration::from_millis(10));
        state().is_empty() || state().contains(") Z ")
    };
    assert!((0..LOOKS_MAX).any(has_ended), "it lives on: {}", state());
}

#[test]
fn what_ends_by_itself_says_how() {
    for status in [0, 3] {
        let output = within("1", &format!("exit {status}"));
        assert_eq!((output.status.code(), output.stderr.len()), (Some(status), 0));
    }
}
