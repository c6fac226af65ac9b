//! Owns the rate at which packets arrive while they queue: what the line carries, also of a burst that is too short for the
//! windows of [`super::acknowledged`]. Draws no conclusion from it.
//!
//! Our own. libwebrtc lowers its rate to 0.85 of what arrived in windows of 150 ms, which are as long as its encoder sends
//! at that rate. A forwarder goes over to a layer of five times the rate with a key frame: half of the window that sees
//! the queue is from before.

use std::time::Duration;

use crate::bitrate::Bitrate;
use crate::estimator::ReceiverTime;

/// Packets in a row that waited for the line, in the order of their arrival.
#[derive(Debug, Clone, Default)]
pub(crate) struct BusyRate {
    run: Option<Run>,
}

#[derive(Debug, Clone, Copy)]
struct Run {
    began: ReceiverTime,
    last: ReceiverTime,
    /// Without the first packet: what came between the two moments.
    bytes: f64,
    packets: u32,
}

impl BusyRate {
    /// A packet that waited for so long.
    #[inline]
    pub fn handle(&mut self, queued: Duration, arrival: ReceiverTime, bytes: u32) {
        if queued < WAITED {
            self.run = None;
            return;
        }
        let Some(run) = &mut self.run else {
            self.run = Some(Run { began: arrival, last: arrival, bytes: 0.0, packets: 0 });
            return;
        };
        let elapsed = arrival.millis_after(run.last);
        if elapsed < 0.0 {
            return;
        }
        (run.last, run.packets) = (arrival, run.packets + 1);
        run.bytes += f64::from(bytes);
        let length = arrival.millis_after(run.began);
        if length > LENGTH_MAX_MS {
            // What is older than half of it counts no more; the line may have changed.
            run.bytes /= 2.0;
            run.began = ReceiverTime::from_micros(arrival.as_micros() - (length * 500.0) as i64);
        }
    }

    /// None while no queue was seen for long enough.
    pub fn rate(&self) -> Option<Bitrate> {
        let run = self.run?;
        let length = run.last.millis_after(run.began);
        (length >= LENGTH_MIN_MS && run.packets >= PACKETS_MIN).then(|| Bitrate::of_kbps(run.bytes * 8.0 / length))
    }
}

/// A packet that waits less may have found the line empty: Wi-Fi and clocks alone make as much.
pub(crate) const WAITED: Duration = Duration::from_millis(30);
/// Packets that a radio held back come faster than the line carries, but not for so long.
const LENGTH_MIN_MS: f64 = 40.0;
const PACKETS_MIN: u32 = 5;
const LENGTH_MAX_MS: f64 = 300.0;

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets of 1250 bytes each so many milliseconds, all of which waited for so long.
    fn rate(queued_ms: u64, apart_ms: i64, packets: i64) -> Option<u64> {
        let mut busy = BusyRate::default();
        for at in 0..packets {
            let arrival = ReceiverTime::from_micros(at * apart_ms * 1_000);
            busy.handle(Duration::from_millis(queued_ms), arrival, 1_250);
        }
        busy.rate().map(|rate| rate.bps() / 1_000)
    }

    #[test]
    fn what_queues_arrives_at_the_rate_of_the_line() {
        assert_eq!(rate(30, 5, 12), Some(2_000));
        assert_eq!(rate(30, 10, 500), Some(1_000));
        assert_eq!(rate(30, 5, 4), None, "too short");
        assert_eq!(rate(5, 5, 100), None, "no queue");
    }

    #[test]
    fn a_line_that_changes_is_known_soon() {
        let mut busy = BusyRate::default();
        let mut at = 0;
        for apart_ms in [5; 200].into_iter().chain([20; 40]) {
            at += apart_ms * 1_000;
            busy.handle(Duration::from_millis(30), ReceiverTime::from_micros(at), 1_250);
        }
        let rate = busy.rate().expect("a queue").kbps();
        assert!((500.0..650.0).contains(&rate), "{rate}");
    }
}
