//! Every way through the states, and that nothing is due twice.

use super::*;
use std::time::Duration;

#[derive(Debug, Clone, Copy)]
enum Event {
    Started,
    NotStarted,
    Died,
    Leave,
    Stay,
    Restart,
}

struct Times {
    start: Instant,
    later: Instant,
    latest: Instant,
}

fn times() -> Times {
    let start = Instant::now();
    let after = |seconds| start + Duration::from_secs(seconds);
    Times { start, later: after(10), latest: after(20) }
}

fn state(name: &str, times: &Times) -> State<()> {
    let ending = |next, then| State::Ending { process: (), since: times.start, next, then };
    match name {
        "starting" => State::Starting,
        "up" => State::Up { process: (), since: times.start },
        "backing off" => State::BackingOff { until: times.later },
        "leaving" => ending(Step::Ask { at: times.later, kill_at: times.latest }, Then::Leave),
        "asked" => ending(Step::Kill { at: times.latest }, Then::Leave),
        "killed" => ending(Step::Killed, Then::Leave),
        "restarting" => ending(Step::Ask { at: times.later, kill_at: times.latest }, Then::Replace),
        _ => State::Gone,
    }
}

#[test]
fn every_state_knows_where_each_event_leads() {
    // Started, not started, died, leave, stay, restart.
    let table = [
        ("starting", ["up", "backing off", "backing off", "gone", "starting", "starting"]),
        ("up", ["up", "backing off", "backing off", "leaving", "up", "restarting"]),
        ("backing off", ["up", "backing off", "backing off", "gone", "backing off", "backing off"]),
        ("leaving", ["up", "backing off", "gone", "leaving", "up", "leaving"]),
        ("asked", ["up", "backing off", "gone", "asked", "asked", "asked"]),
        ("killed", ["up", "backing off", "gone", "killed", "killed", "killed"]),
        ("restarting", ["up", "backing off", "backing off", "leaving", "restarting", "restarting"]),
        ("gone", ["up", "backing off", "gone", "gone", "gone", "gone"]),
    ];
    let times = times();
    let events = [Event::Started, Event::NotStarted, Event::Died, Event::Leave, Event::Stay, Event::Restart];
    for (from, row) in table {
        for (event, to) in events.into_iter().zip(row) {
            let mut place = state(from, &times);
            let taken = match event {
                Event::Started => {
                    place.handle_started((), times.start);
                    None
                }
                Event::NotStarted => {
                    place.handle_not_started(times.later);
                    None
                }
                Event::Died => {
                    place.handle_death(times.later);
                    None
                }
                Event::Leave => {
                    place.leave(times.later, times.latest);
                    None
                }
                Event::Stay => Some(place.stay()),
                Event::Restart => Some(place.restart(times.later, times.latest)),
            };
            assert_eq!(place, state(to, &times), "{from}, {event:?}");
            let goes_on = !matches!(to, "leaving" | "asked" | "killed" | "gone");
            assert!(taken.is_none_or(|taken| taken == goes_on), "{from}, {event:?}");
        }
    }
}

#[test]
fn who_leaves_is_asked_once_and_then_killed_once() {
    let times = times();
    let mut place = state("leaving", &times);
    assert_eq!(place.take_due(times.start), None);
    assert_eq!(place.take_due(times.later), Some(Due::Ask));
    assert_eq!(place.take_due(times.later), None);
    assert_eq!(place.take_due(times.latest), Some(Due::Kill));
    assert_eq!(place.take_due(times.latest), None);
    assert_eq!(place.wakeup(times.latest), None);
}

#[test]
fn a_start_stays_due_until_it_was_tried() {
    let times = times();
    let mut place = state("backing off", &times);
    assert_eq!(place.take_due(times.start), None);
    assert_eq!(place.take_due(times.later), Some(Due::Start));
    assert_eq!(place.take_due(times.later), Some(Due::Start));
    place.handle_started((), times.later);
    assert_eq!(place.take_due(times.latest), None);
}

#[test]
fn an_earlier_end_wins() {
    let times = times();
    let mut place = state("leaving", &times);
    place.leave(times.start, times.later);
    assert_eq!(place.take_due(times.start), Some(Due::Ask));
    assert_eq!(place.take_due(times.later), Some(Due::Kill));
}

#[test]
fn a_restart_is_asked_at_once() {
    let times = times();
    let mut place = state("up", &times);
    assert!(place.restart(times.start, times.later));
    assert_eq!(place.take_due(times.start), Some(Due::Ask));
}
