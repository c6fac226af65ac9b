//! Holds what `make test` relies on: a suite that hangs is ended within its limit, with all that it started, and has
//! failed; and so is the whole, with the suite that it is at.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/within.sh")
}

fn within(minutes: &str, command: &str) -> Output {
    Command::new(script()).args([minutes, "a suite", "sh", "-c", command]).output().expect("bash runs it")
}

/// A suite with a limit of its own within that of the whole.
fn within_the_whole(whole: &str, suite: &str, command: &str) -> Output {
    let mut nested = Command::new(script());
    nested.args([whole, "the whole"]).arg(script()).args([suite, "a suite", "sh", "-c", command]);
    nested.output().expect("bash runs it")
}

/// A run of what never ends, with the limit that was reached, once the shell has said what it started. Twice the time
/// each time until then, on however busy a machine.
fn ended_by_limit(run: impl Fn(&str, &str) -> Output) -> (String, Output) {
    let limits = (0..).map(|round| 0.005 * f64::from(1 << round)).map(|minutes| minutes.to_string());
    let mut runs = limits.map(|limit| {
        let output = run(&limit, "sleep 3600 & echo $!; wait");
        (limit, output)
    });
    runs.find(|(_, output)| !output.stdout.is_empty()).expect("it goes on until then")
}

/// It was told to end; one that has ended and was not waited for yet is there as a zombie.
fn wait_for_end_of_started(output: &Output) {
    let started = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let state = || std::fs::read_to_string(format!("/proc/{started}/stat")).unwrap_or_default();
    while !(state().is_empty() || state().contains(") Z ")) {
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_suite_that_hangs_is_ended_with_what_it_started_and_has_failed() {
    let (limit, output) = ended_by_limit(within);
    assert_eq!(output.status.code(), Some(1));
    let said = said(&output);
    assert!(said.contains(&format!("a suite: ended after {limit} minutes, its limit")), "{said}");
    wait_for_end_of_started(&output);
}

#[test]
fn a_suite_that_reaches_its_limit_is_named_and_not_the_whole_that_it_is_part_of() {
    let (limit, output) = ended_by_limit(|limit, command| within_the_whole("60", limit, command));
    assert_eq!(output.status.code(), Some(1));
    let said = said(&output);
    assert!(said.contains(&format!("a suite: ended after {limit} minutes, its limit")), "{said}");
    assert!(!said.contains("the whole:"), "{said}");
    wait_for_end_of_started(&output);
}

#[test]
fn the_whole_that_reaches_its_limit_ends_the_suite_that_has_time_left_with_what_it_started() {
    let (limit, output) = ended_by_limit(|limit, command| within_the_whole(limit, "60", command));
    assert_eq!(output.status.code(), Some(1));
    let said = said(&output);
    assert!(said.contains(&format!("the whole: ended after {limit} minutes, its limit")), "{said}");
    assert!(!said.contains("a suite:"), "{said}");
    wait_for_end_of_started(&output);
}

#[test]
fn what_ends_by_itself_says_how() {
    for status in [0, 3] {
        for output in [within("1", &format!("exit {status}")), within_the_whole("1", "1", &format!("exit {status}"))] {
            assert_eq!((output.status.code(), output.stderr.len()), (Some(status), 0));
        }
    }
}
