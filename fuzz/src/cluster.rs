//! Owns the target of what other nodes say to this one: presence, streams, audiences, notices and requests, read as the
//! inbox reads them and taken on by a whole service with one worker, which does what it is told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chappe_engine::Embedded;
use chappe_sfu_api::Boot;
use chappe_signaling_service::harness::{W0, hello, node_with_outbox, obey, publish};
use chappe_signaling_service::{NodeRequest, Service, part_of};
use serde_json::from_slice;
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::input::Script;

pub(crate) fn run(bytes: &[u8]) {
    heard(bytes);
}

/// How many messages of an input were understood.
fn heard(bytes: &[u8]) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(talk(bytes))
}

async fn talk(bytes: &[u8]) -> usize {
    let (service, mut queues, mut outbox) = node_with_outbox("n1", 1, 1, &Embedded::new());
    let _told = obey(queues.remove(0));
    service.handle_engine_up(Instant::now());
    service.handle_worker_agreed(W0, hello(W0, Boot(1)), Vec::new());
    publish(&service, None, None).await;
    let mut script = Script::new(bytes);
    let mut understood = 0;
    for _ in 0..MESSAGES_MAX {
        if script.is_over() {
            break;
        }
        let kind = script.u8() % 6;
        let is_understood = kind == 5 || hear(&service, kind, script.bytes()).await;
        understood += usize::from(is_understood);
        service.handle_cluster_tick(Instant::now());
        yield_now().await;
        while let Ok(said) = outbox.try_recv() {
            drop(format!("{said:?}"));
        }
    }
    let _ = service.own_state(&service.state());
    understood
}

async fn hear(service: &Arc<Service>, kind: u8, bytes: &[u8]) -> bool {
    match kind {
        0 => from_slice(bytes).map(|state| service.handle_presence(state)).is_ok(),
        1 => from_slice(bytes).map(|delta| service.handle_stream_delta(delta)).is_ok(),
        2 => from_slice(bytes).map(|report| service.handle_audience(report)).is_ok(),
        3 => from_slice(bytes).map(|notice| service.handle_notice(notice)).is_ok(),
        _ => {
            let _ = part_of(bytes);
            let Ok(request) = from_slice::<NodeRequest>(bytes) else { return false };
            // Some wait for what does not come here. The first look has shown what they do at once.
            let _ = timeout(Duration::ZERO, service.answer_node(request)).await;
            true
        }
    }
}

const MESSAGES_MAX: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hunt::corpus;

    /// Or changes of it would never come past the parser.
    #[test]
    fn every_message_of_the_corpus_is_understood() {
        for input in corpus(&crate::target("cluster").expect("a target")).expect("a corpus") {
            let mut script = Script::new(&input);
            let mut messages = 0;
            while !script.is_over() {
                if script.u8() % 6 != 5 {
                    script.bytes();
                }
                messages += 1;
            }
            assert_eq!(heard(&input), messages, "{}", String::from_utf8_lossy(&input));
        }
    }
}
