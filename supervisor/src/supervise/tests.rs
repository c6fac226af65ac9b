//! The loop with real processes: shells in the place of workers.

use super::*;
use crate::shown::Shown;
use chappe_supervisor_api::ProcessState;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};

const A: ProcessName = ProcessName::Signaling;
const B: ProcessName = ProcessName::Worker(0);

/// A child that runs `script` in a shell; `$2` is its count of restarts.
fn shell(name: ProcessName, script: &str) -> ChildSpec {
    let args = ["-c", script, "sh"].map(Into::into).to_vec();
    ChildSpec { name, program: PathBuf::from("/bin/sh"), args, fds: Vec::new(), media_port: None }
}

/// A supervisor whose log lines come out of the returned channel.
fn supervise(specs: Vec<ChildSpec>) -> (Supervisor, mpsc::Receiver<String>) {
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        use std::io::BufRead;
        for line in std::io::BufReader::new(std::fs::File::from(reader)).lines() {
            if sender.send(line.unwrap()).is_err() {
                break;
            }
        }
    });
    let signals = Signals::catch().unwrap();
    let supervisor =
        Supervisor::start(specs, signals, Outlet::new(writer, LogFormat::Text, Shown::All), LogFormat::Text).unwrap();
    (supervisor, lines)
}

/// Turns until `done`; fails after a time that no healthy run needs.
fn turn_until(supervisor: &mut Supervisor, what: &str, done: impl Fn(&Supervisor) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done(supervisor) {
        assert!(Instant::now() < deadline, "not within 20 s: {what}");
        supervisor.turn_within(Some(Duration::from_millis(100))).unwrap();
    }
}

fn turn_to_the_end(supervisor: &mut Supervisor) -> Ended {
    loop {
        if let Some(ended) = supervisor.turn().unwrap() {
            return ended;
        }
    }
}

/// The next log line; turns while it is on its way.
fn next_line(supervisor: &mut Supervisor, lines: &mpsc::Receiver<String>) -> String {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Ok(line) = lines.try_recv() {
            return line;
        }
        assert!(Instant::now() < deadline, "no line within 20 s");
        supervisor.turn_within(Some(Duration::from_millis(10))).unwrap();
    }
}

/// Time as this machine gives it: turns of a timer in a thread of the test. A machine that stalls takes turns away as it
/// takes time away from the supervisor, so a limit in turns holds on a busy machine and on an idle one.
struct Turns {
    taken: Arc<AtomicU32>,
    _ends: mpsc::Sender<()>,
}

impl Turns {
    fn begin() -> Turns {
        let (ends, ended) = mpsc::channel::<()>();
        let taken = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&taken);
        std::thread::spawn(move || {
            while ended.recv_timeout(TURN) == Err(mpsc::RecvTimeoutError::Timeout) {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        Turns { taken, _ends: ends }
    }

    /// Never more than the clock says.
    fn passed(&self) -> Duration {
        TURN * self.taken.load(Ordering::Relaxed)
    }
}

const TURN: Duration = Duration::from_millis(5);

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
}

fn raise(signal: Signal) {
    rustix::process::kill_process(rustix::process::getpid(), signal).unwrap();
}

#[test]
fn a_killed_child_is_replaced_and_its_neighbour_is_not_touched() {
    let (mut supervisor, _lines) = supervise(vec![shell(A, "exec sleep 600"), shell(B, "exec sleep 600")]);
    let before = supervisor.statuses();
    kill(before[0].pid.unwrap());
    turn_until(&mut supervisor, "a replacement", |s| {
        assert_ne!(s.statuses()[0].state, ProcessState::BackingOff, "the first death has no pause");
        s.statuses()[0].restarts == 1 && s.statuses()[0].pid.is_some_and(|pid| Some(pid) != before[0].pid)
    });
    let after = supervisor.statuses();
    assert_eq!((after[1].pid, after[1].restarts), (before[1].pid, before[1].restarts));
}

#[test]
fn a_child_that_keeps_dying_waits_ever_longer_between_its_lives() {
    let (mut supervisor, _lines) = supervise(vec![shell(A, "exit 3")]);
    let start = Instant::now();
    turn_until(&mut supervisor, "five deaths", |s| s.statuses()[0].restarts == 5);
    // 0 + 100 + 200 + 400 ms lie between the first death and the fifth.
    assert!(start.elapsed() >= Duration::from_millis(700), "{:?}", start.elapsed());
}

#[test]
fn a_replacement_is_told_how_many_there_were_before() {
    let (mut supervisor, lines) =
        supervise(vec![shell(A, r#"echo "restarts $2" >&2; [ "$2" = 2 ] && exec sleep 600"#)]);
    turn_until(&mut supervisor, "the third life", |s| s.statuses()[0].restarts == 2 && s.statuses()[0].pid.is_some());
    let seen = [(); 3].map(|()| next_line(&mut supervisor, &lines));
    assert_eq!(seen, ["restarts 0", "restarts 1", "restarts 2"]);
}

#[test]
fn what_a_child_says_last_is_not_lost() {
    let (mut supervisor, lines) = supervise(vec![shell(A, "echo last words >&2; printf 'no newline'; kill -9 $$")]);
    turn_until(&mut supervisor, "a death", |s| s.statuses()[0].restarts >= 1);
    drop(supervisor);
    let seen: Vec<String> = lines.iter().collect();
    assert!(seen.starts_with(&["last words".to_owned(), "no newline".to_owned()]), "{seen:?}");
}

#[test]
fn one_signal_ends_all_children_in_order() {
    let (mut supervisor, _lines) = supervise(vec![shell(A, "exec sleep 600"), shell(B, "exec sleep 600")]);
    let pids: Vec<u32> = supervisor.statuses().iter().filter_map(|view| view.pid).collect();
    raise(Signal::TERM);
    assert_eq!(turn_to_the_end(&mut supervisor), Ended::InOrder);
    for pid in pids {
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "{pid} lives");
    }
}

#[test]
fn the_first_child_is_gone_before_the_others_are_asked_to_stop() {
    let slow = "trap 'sleep 0.3; echo first >&2; exit 0' TERM; echo ready >&2; while :; do sleep 0.05; done";
    let quick = "trap 'echo second >&2; exit 0' TERM; echo ready >&2; while :; do sleep 0.05; done";
    let (mut supervisor, lines) = supervise(vec![shell(A, slow), shell(B, quick)]);
    assert_eq!([(); 2].map(|()| next_line(&mut supervisor, &lines)), ["ready", "ready"]);
    raise(Signal::TERM);
    assert_eq!(turn_to_the_end(&mut supervisor), Ended::InOrder);
    drop(supervisor);
    assert_eq!(lines.iter().collect::<Vec<_>>(), ["first", "second"]);
}

#[test]
fn a_first_child_that_refuses_does_not_keep_the_others_from_stopping() {
    let refuses = "trap '' TERM; echo ready >&2; while :; do sleep 1; done";
    let (mut supervisor, lines) = supervise(vec![shell(A, refuses), shell(B, "exec sleep 600")]);
    next_line(&mut supervisor, &lines);
    raise(Signal::TERM);
    turn_until(&mut supervisor, "the second gone", |s| s.statuses().len() == 1);
    assert_eq!(supervisor.statuses()[0].name, A, "the first has not been killed yet");
    assert_eq!(turn_to_the_end(&mut supervisor), Ended::InOrder);
}

#[test]
fn a_second_signal_does_not_wait_for_a_child_that_refuses() {
    let refuses = "trap '' TERM; echo ready >&2; while :; do sleep 1; done";
    let (mut supervisor, lines) = supervise(vec![shell(A, refuses)]);
    next_line(&mut supervisor, &lines);
    let turns = Turns::begin();
    raise(Signal::INT);
    turn_until(&mut supervisor, "the first signal taken", |s| s.phase != Phase::Running);
    raise(Signal::INT);
    assert_eq!(turn_to_the_end(&mut supervisor), Ended::AtOnce);
    assert!(turns.passed() < STOP_PATIENCE, "{:?}", turns.passed());
}

#[test]
fn a_child_that_refuses_to_stop_is_killed_after_five_seconds() {
    let refuses = "trap '' TERM; echo ready >&2; while :; do sleep 1; done";
    let (mut supervisor, lines) = supervise(vec![shell(A, refuses)]);
    next_line(&mut supervisor, &lines);
    let (start, turns) = (Instant::now(), Turns::begin());
    raise(Signal::TERM);
    assert_eq!(turn_to_the_end(&mut supervisor), Ended::InOrder);
    assert!(start.elapsed() >= STOP_PATIENCE, "{:?}", start.elapsed());
    assert!(turns.passed() < STOP_PATIENCE * 2, "{:?}", turns.passed());
}

#[test]
fn a_program_that_cannot_be_started_is_tried_again_with_pauses() {
    let mut spec = shell(A, "");
    spec.program = PathBuf::from("/nonexistent/program");
    // Since before the first attempt: this thread may stand still at any moment, and pauses go on meanwhile.
    let start = Instant::now();
    let (mut supervisor, _lines) = supervise(vec![spec]);
    for tries in 1..=2 {
        supervisor.turn().unwrap();
        assert!(start.elapsed() >= Duration::from_millis(400) * tries, "no busy loop: {:?}", start.elapsed());
    }
    assert_eq!(supervisor.statuses()[0].pid, None);
}

#[test]
fn a_child_has_the_sockets_it_is_given_and_no_other_of_ours() {
    let given = std::rc::Rc::new(std::os::fd::OwnedFd::from(std::fs::File::open("/dev/zero").unwrap()));
    let kept = std::fs::File::open("/dev/full").unwrap();
    let mut spec = shell(A, "ls -l /proc/self/fd >&2; exec sleep 600");
    spec.fds = vec![given];
    let (mut supervisor, lines) = supervise(vec![spec]);
    let mut seen = String::new();
    while !seen.contains("/proc/") {
        seen += &next_line(&mut supervisor, &lines);
    }
    assert!(seen.contains("/dev/zero"), "{seen}");
    assert!(!seen.contains("/dev/full"), "{seen}");
    drop(kept);
}

#[test]
fn a_process_that_leaves_is_waited_for_and_not_replaced() {
    let (mut supervisor, _lines) = supervise(vec![shell(A, "exec sleep 600"), shell(B, "sleep 0.3")]);
    supervisor.leave(B, Duration::from_secs(60));
    assert_eq!(supervisor.statuses()[1].state, ProcessState::Leaving);
    turn_until(&mut supervisor, "its place given up", |s| s.statuses().len() == 1);
    assert_eq!(supervisor.take_gone(), [B]);
}

#[test]
fn a_process_that_stays_too_long_is_ended_and_one_that_may_stay_is_not() {
    let (mut supervisor, _lines) = supervise(vec![shell(A, "exec sleep 600"), shell(B, "exec sleep 600")]);
    supervisor.leave(B, Duration::from_secs(60));
    assert!(supervisor.stay(B));
    assert_eq!(supervisor.statuses()[1].state, ProcessState::Up);
    supervisor.leave(B, Duration::ZERO);
    turn_until(&mut supervisor, "its place given up", |s| s.statuses().len() == 1);
    assert!(!supervisor.stay(B));
}

#[test]
fn a_place_that_is_added_gets_a_process() {
    let (mut supervisor, _lines) = supervise(vec![shell(A, "exec sleep 600")]);
    supervisor.add(shell(B, "exec sleep 600"));
    assert_eq!(supervisor.statuses()[1].state, ProcessState::Starting);
    turn_until(&mut supervisor, "its process", |s| s.statuses()[1].state == ProcessState::Up);
}

#[test]
fn a_restart_on_request_waits_for_no_pause() {
    let (mut supervisor, _lines) = supervise(vec![shell(A, "exec sleep 600")]);
    for restarts in 1..=4 {
        assert!(supervisor.restart(A));
        turn_until(&mut supervisor, "another process", |s| {
            let status = &s.statuses()[0];
            assert_ne!(status.state, ProcessState::BackingOff, "deaths would have pauses of 0, 100, 200 and 400 ms");
            status.restarts == restarts && status.state == ProcessState::Up
        });
    }
}
