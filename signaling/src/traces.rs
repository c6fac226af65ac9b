//! Owns telling a collector of the steps of joins (OTLP/HTTP, JSON). Never holds anything up: while the collector is slow or
//! gone the queue fills, and what finds it full is dropped and counted.

mod collector;

pub use collector::{Collector, check_collector, key_values};

use std::time::Duration;

use chappe_signaling_traces::{EndedSpan, Resource, SpanFate, Tracer, to_otlp};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::{info, warn};

use collector::CollectorAnswer;

/// Who is told of the steps of joins, and as what.
#[derive(Debug, Clone)]
pub struct Traces {
    pub collector: Collector,
    pub service: String,
    /// Other attributes of this node.
    pub attributes: Vec<(String, String)>,
}

/// For as long as the process lives.
pub async fn tell_collector(
    collector: Collector,
    resource: Resource,
    tracer: Tracer,
    mut ended: mpsc::Receiver<EndedSpan>,
) {
    let mut was_reached = true;
    let mut batch = Vec::new();
    while ended.recv_many(&mut batch, BATCH_SPANS_MAX).await > 0 {
        if batch.len() < BATCH_SPANS_MAX {
            // The others of the same join come soon.
            sleep(GATHER).await;
            while batch.len() < BATCH_SPANS_MAX
                && let Ok(span) = ended.try_recv()
            {
                batch.push(span);
            }
        }
        let body = to_otlp(&resource, &batch);
        let told = tell(&collector, body).await;
        let is_reached = told.is_ok();
        match told {
            Ok(fate) => tracer.count(fate, batch.len() as u64),
            Err(why) => {
                tracer.count(SpanFate::Dropped, batch.len() as u64);
                if was_reached {
                    warn!(collector = collector.shown(), why, "traces are lost until the collector takes them");
                }
            }
        }
        if is_reached && !was_reached {
            info!(collector = collector.shown(), "the collector takes traces again");
        }
        was_reached = is_reached;
        batch.clear();
    }
}

/// Some attempts with growing pauses, where another one may lead to something else. Meanwhile the queue fills.
async fn tell(collector: &Collector, body: Vec<u8>) -> Result<SpanFate, String> {
    let mut pause = PAUSE_FIRST;
    let mut last = String::new();
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            sleep(pause).await;
            pause *= 2;
        }
        match collector.tell(&body).await {
            CollectorAnswer::Taken => return Ok(SpanFate::Sent),
            CollectorAnswer::Refused(why) => {
                warn!(collector = collector.shown(), why, "the collector refuses traces");
                return Ok(SpanFate::Refused);
            }
            CollectorAnswer::Later(why) => last = why,
        }
    }
    Err(last)
}

/// Spans that wait; at some 0.5 kB each.
pub const QUEUE_SPANS_MAX: usize = 4_096;
const BATCH_SPANS_MAX: usize = 512;
const GATHER: Duration = Duration::from_secs(1);
const ATTEMPTS: u32 = 4;
const PAUSE_FIRST: Duration = Duration::from_secs(1);
