//! Owns time as a test is given it: turns of a timer in the test's own runtime. A machine that stalls takes turns away
//! as it takes time away from the engine, so a limit in turns holds on a busy machine and on an idle one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

pub struct Turns {
    taken: Arc<AtomicU32>,
    counting: JoinHandle<()>,
}

impl Turns {
    pub fn begin() -> Turns {
        let taken = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&taken);
        let counting = tokio::spawn(async move {
            let mut timer = interval(TURN);
            timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
            timer.tick().await;
            loop {
                timer.tick().await;
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        Turns { taken, counting }
    }

    /// What has passed on a machine that never stalls: never more than the clock says.
    pub fn passed(&self) -> Duration {
        TURN * self.taken.load(Ordering::Relaxed)
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        self.counting.abort();
    }
}

const TURN: Duration = Duration::from_millis(5);
