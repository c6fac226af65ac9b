//! Holds what `make test` relies on: a suite that hangs is ended within its limit, with all that it started, and has
//! failed.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

fn within(minutes: &str, command: &str) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/within.sh");
    Command::new(script).args([minutes, "a suite", "sh", "-c", command]).output().expect("bash runs it")
}

#[test]
fn a_suite_that_hangs_is_ended_with_what_it_started_and_has_failed() {
    // Twice the time each time, until the shell has said what it started, on however busy a machine.
    let limits = (0..).map(|round| 0.005 * f64::from(1 << round)).map(|minutes| minutes.to_string());
    let (limit, output, started) = limits
        .map(|limit| {
            let output = within(&limit, "sleep 3600 & echo $!; wait");
            let started = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            (limit, output, started)
        })
        .find(|(_, _, started)| !started.is_empty())
        .expect("it goes on until then");
    assert_eq!(output.status.code(), Some(124));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(&format!("a suite: ended after {limit} minutes, its limit")), "{said}");
    // It was told to end; one that has ended and was not waited for yet is there as a zombie.
    let state = || std::fs::read_to_string(format!("/proc/{started}/stat")).unwrap_or_default();
    while !(state().is_empty() || state().contains(") Z ")) {
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn what_ends_by_itself_says_how() {
    for status in [0, 3] {
        let output = within("1", &format!("exit {status}"));
        assert_eq!((output.status.code(), output.stderr.len()), (Some(status), 0));
    }
}
