//! Owns the target of what a worker says to signaling: its hello, the sessions that it has, with the notes that signaling
//! left there, and what happens to them, taken on by a whole service.

use std::time::Instant;

use chappe_engine::Embedded;
use chappe_sfu_api::{Boot, Event, Hello, PROTOCOL_VERSION, SessionSnapshot};
use chappe_signaling_service::harness::{W0, node_with_workers, obey};
use serde_json::from_slice;
use tokio::task::yield_now;

pub(crate) fn run(bytes: &[u8]) {
    heard(bytes);
}

/// How many lines of an input were understood, and how many sessions there are in the end.
fn heard(bytes: &[u8]) -> (usize, usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(talk(bytes))
}

async fn talk(bytes: &[u8]) -> (usize, usize) {
    let (service, mut queues) = node_with_workers("n1", 1, 1, &Embedded::new());
    let _told = obey(queues.remove(0));
    service.handle_engine_up(Instant::now());
    let (mut understood, mut last) = (0, None::<Boot>);
    // Of a connection on which they are not in agreement yet.
    let mut begun: Option<(Hello, Vec<SessionSnapshot>)> = None;
    for line in bytes.split(|byte| *byte == b'\n').take(LINES_MAX) {
        let Ok(event) = from_slice::<Event>(line) else { continue };
        understood += 1;
        match (event, &mut begun) {
            (Event::Hello(hello), _) => begun = Some((hello, Vec::new())).filter(|(hello, _)| speaks_as_we_do(hello)),
            (Event::Session(snapshot), Some((_, snapshots))) => snapshots.push(*snapshot),
            (Event::Done { .. }, Some(_)) => {
                let Some((hello, snapshots)) = begun.take() else { continue };
                if last.is_some_and(|last| last != hello.boot) {
                    service.handle_worker_lost(W0);
                }
                last = Some(hello.boot);
                service.handle_worker_agreed(W0, hello, snapshots);
            }
            (event, _) => service.handle_worker_event(W0, event),
        }
        service.handle_cluster_tick(Instant::now());
        yield_now().await;
    }
    let state = service.state();
    let told = serde_json::to_vec(&service.own_state(&state)).expect("what other nodes are told");
    assert!(told.len() < NATS_BYTES_MAX);
    for session in state.registry.sessions() {
        assert!(session.note.to_text().is_ok(), "a note that does not fit any more");
    }
    (understood, state.registry.session_count())
}

fn speaks_as_we_do(hello: &Hello) -> bool {
    hello.version == PROTOCOL_VERSION
}

const LINES_MAX: usize = 64;
const NATS_BYTES_MAX: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hunt::corpus;

    /// Or changes of it would never come past the parser.
    #[test]
    fn every_line_of_the_corpus_is_understood_and_its_sessions_are_taken_up() {
        for input in corpus(&crate::target("events").expect("a target")).expect("a corpus") {
            let lines = || input.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            let sessions = lines().filter(|line| line.starts_with(br#"{"type":"session""#)).count();
            assert_eq!(heard(&input), (lines().count(), sessions), "{}", String::from_utf8_lossy(&input));
        }
    }
}
