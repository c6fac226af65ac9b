//! Owns what the tests of the worker share: the process, a control connection, a media client.

// What goes wrong here is a failed test.
#![allow(clippy::panic)]

pub mod client;
pub mod control;
pub mod media;
pub mod process;

use std::time::{Duration, Instant};

/// How long anything that ought to happen may take.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Repeats `step` until it says that it is done.
pub fn until(what: &str, mut step: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !step() {
        assert!(Instant::now() < end, "{what} within {LIMIT:?}");
    }
}
