//! Owns what Ctrl-C does to a command that waits: it ends the waiting in order, so that the command can say what goes on
//! without it. A second one ends the program at once, as ever.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::failure::Failure;

/// From now on the first Ctrl-C only becomes known. Where that can't be had it ends the program.
pub fn watch() {
    CAME.get_or_init(|| {
        let came = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            let _ = flag::register_conditional_default(signal, Arc::clone(&came))
                .and_then(|_| flag::register(signal, Arc::clone(&came)));
        }
        came
    });
}

pub fn came() -> bool {
    CAME.get().is_some_and(|came| came.load(Ordering::Relaxed))
}

/// An error once it came. `goes_on` says what does, and how that is seen or taken back.
pub fn check(goes_on: impl FnOnce() -> String) -> Result<(), Failure> {
    match came() {
        true => Err(Failure::Interrupted(goes_on())),
        false => Ok(()),
    }
}

/// A signal is of the whole process.
static CAME: OnceLock<Arc<AtomicBool>> = OnceLock::new();
