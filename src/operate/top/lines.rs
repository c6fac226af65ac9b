//! `chappe top --json`: what the workers are at each turn, an object on a line, for programs and without a terminal.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::operate::admin::Admin;
use crate::output;

/// Until it is ended, or nobody reads. A node that can't be reached at first is a failure; one that is not there any more
/// is told of and asked again.
pub fn print(admin: &Admin, interval: Duration) -> Result<(), Failure> {
    let mut answer: Result<Value, Failure> = Ok(admin.get(WORKERS)?);
    loop {
        let (asked, at_ms) = (Instant::now(), unix_ms());
        output::line(match answer {
            Ok(workers) => json!({ "at_ms": at_ms, "workers": workers }),
            Err(failure) => json!({ "at_ms": at_ms, "error": failure.to_string() }),
        })?;
        std::thread::sleep(interval.saturating_sub(asked.elapsed()));
        answer = admin.get(WORKERS);
    }
}

fn unix_ms() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}

const WORKERS: &str = "/api/v1/workers";
