use chappe_sfu_api::{Boot, Fingerprint, Hello, LoadReport, WorkerIndex};

use super::choose_worker;
use crate::workers::{WorkerState, WorkerView};

fn worker(index: u16, sessions: u32, cpu: f64) -> WorkerView {
    let mut view = WorkerView::new(WorkerIndex(index));
    view.state = WorkerState::Serving;
    view.hello = Some(Hello {
        version: 1,
        worker: WorkerIndex(index),
        boot: Boot(1),
        pid: 1,
        media_port: 7000 + index,
        fingerprint: Fingerprint { hash: "sha-256".into(), value: "AA".into() },
        draining: false,
        sessions_max: 100,
        restarts: 0,
    });
    view.load = LoadReport { sessions, cpu, ..LoadReport::default() };
    view
}

/// Draws the given positions in order.
fn drawing(mut positions: Vec<usize>) -> impl FnMut(usize) -> usize {
    move |bound| if positions.is_empty() { 0 } else { positions.remove(0).min(bound - 1) }
}

#[test]
fn a_room_stays_on_its_worker_however_busy_that_is() {
    let workers = [worker(0, 99, 0.9), worker(1, 0, 0.0)];
    assert_eq!(choose_worker(&workers, Some(WorkerIndex(0)), &mut drawing(vec![1, 1])), Some(WorkerIndex(0)));
}

#[test]
fn a_full_worker_takes_nobody_even_if_others_are_free() {
    let workers = [worker(0, 100, 0.1), worker(1, 0, 0.0)];
    assert_eq!(choose_worker(&workers, Some(WorkerIndex(0)), &mut drawing(vec![])), None);
}

#[test]
fn a_new_room_goes_to_the_less_loaded_of_the_two_drawn() {
    let workers = [worker(0, 10, 0.5), worker(1, 10, 0.2), worker(2, 0, 0.0)];
    assert_eq!(choose_worker(&workers, None, &mut drawing(vec![0, 1])), Some(WorkerIndex(1)));
    assert_eq!(choose_worker(&workers, None, &mut drawing(vec![1, 0])), Some(WorkerIndex(1)));
    assert_eq!(choose_worker(&workers, None, &mut drawing(vec![0, 2])), Some(WorkerIndex(2)));
}

#[test]
fn sessions_opened_since_the_last_report_count_at_once() {
    let mut workers = [worker(0, 0, 0.0), worker(1, 0, 0.0)];
    workers[0].opened_since_report = 5;
    assert_eq!(choose_worker(&workers, None, &mut drawing(vec![0, 1])), Some(WorkerIndex(1)));
    workers[1].opened_since_report = 6;
    assert_eq!(choose_worker(&workers, None, &mut drawing(vec![0, 1])), Some(WorkerIndex(0)));
    workers[0].opened_since_report = 100;
    assert_eq!(choose_worker(&workers, Some(WorkerIndex(0)), &mut drawing(vec![])), None);
}

#[test]
fn workers_that_drain_or_are_not_there_are_not_drawn() {
    let mut workers = [worker(0, 0, 0.0), worker(1, 50, 0.9), worker(2, 0, 0.0)];
    workers[0].state = WorkerState::Draining;
    workers[2].state = WorkerState::Lost;
    assert_eq!(choose_worker(&workers, None, &mut drawing(vec![0, 0])), Some(WorkerIndex(1)));
    workers[1].state = WorkerState::Connecting;
    assert_eq!(choose_worker(&workers, None, &mut drawing(vec![0, 0])), None);
}
