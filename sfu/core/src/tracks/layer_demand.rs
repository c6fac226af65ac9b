//! Owns what the publisher of one encoding is asked for: to send it, or not to as long as nobody watches. Never asks.

use std::time::{Duration, Instant};

/// Of an encoding whose publisher is ours.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LayerDemand {
    /// When somebody last watched it, or it did not come yet; `None` before the first look.
    wanted: Option<Instant>,
    state: DemandState,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum DemandState {
    #[default]
    On,
    /// Told so many times, as the encoding went on or came back unasked.
    Off { told: Instant, times: u8 },
    /// Watched again since then.
    Awaited { since: Instant, told: Instant },
}

impl LayerDemand {
    /// Looks whether it is `wanted` and whether it `flows`. True if the publisher is to be told.
    pub fn look(&mut self, wanted: bool, flows: bool, now: Instant) -> bool {
        let last = *self.wanted.get_or_insert(now);
        // What has just begun to come is to be measured first: that tells others what it would take to watch it.
        if wanted || (!flows && self.state == DemandState::On) {
            self.wanted = Some(now);
        }
        let is_unwanted = !wanted && now >= last + UNWANTED_FOR;
        let (state, is_told) = match self.state {
            DemandState::On if is_unwanted && flows => (DemandState::Off { told: now, times: 1 }, true),
            DemandState::Off { .. } if wanted => (DemandState::Awaited { since: now, told: now }, true),
            DemandState::Off { told, times } if flows && times < TELL_OFF_MAX && now >= told + TELL_OFF_INTERVAL => {
                (DemandState::Off { told: now, times: times + 1 }, true)
            }
            DemandState::Off { told, .. } if !flows => (DemandState::Off { told, times: 0 }, false),
            DemandState::Awaited { .. } if flows => (DemandState::On, false),
            DemandState::Awaited { since, .. } if now >= since + PATIENCE => (DemandState::On, true),
            DemandState::Awaited { since, told } if now >= told + TELL_ON_INTERVAL => {
                (DemandState::Awaited { since, told: now }, true)
            }
            state => (state, false),
        };
        self.state = state;
        is_told
    }

    /// Whether its publisher need not send it.
    pub fn is_unwatched(&self) -> bool {
        matches!(self.state, DemandState::Off { .. })
    }

    /// Whether it is not sent because nobody watches or watched it: it comes when it is asked for.
    pub fn is_off(&self) -> bool {
        self.state != DemandState::On
    }
}

/// Encodings that nobody watches for this long need not be sent.
const UNWANTED_FOR: Duration = Duration::from_secs(5);
/// An encoding that was asked for and does not come by then is one that the publisher can't send.
const PATIENCE: Duration = Duration::from_secs(3);
const TELL_ON_INTERVAL: Duration = Duration::from_secs(1);
const TELL_OFF_INTERVAL: Duration = Duration::from_secs(5);
/// Clients that are no pages can't be told: their encodings go on.
const TELL_OFF_MAX: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::start;

    #[test]
    fn the_states_follow_each_other() {
        let begin = start();
        let mut demand = LayerDemand::default();
        // Milliseconds, wanted, flows; whether the publisher is told, is unwatched, is off.
        let steps = [
            (0, true, true, false, false, false),
            (4_900, false, true, false, false, false),
            (5_000, false, true, true, true, true),
            (5_300, false, false, false, true, true),
            (60_000, true, false, true, false, true),
            (60_900, true, false, false, false, true),
            (61_000, true, false, true, false, true),
            (61_100, true, true, false, false, false),
            (66_100, false, true, true, true, true),
            (71_100, false, true, true, true, true),
            (76_100, false, true, true, true, true),
            (90_000, false, true, false, true, true),
            (92_000, true, false, true, false, true),
            (95_000, true, false, true, false, false),
            (99_000, false, false, false, false, false),
            (100_000, false, true, false, false, false),
            (103_900, false, true, false, false, false),
            (104_000, false, true, true, true, true),
            (104_200, false, false, false, true, true),
            (109_000, false, true, true, true, true),
            (114_000, false, true, true, true, true),
            (119_000, false, true, true, true, true),
            (124_000, false, true, false, true, true),
        ];
        for (ms, wanted, flows, is_told, is_unwatched, is_off) in steps {
            let now = begin + Duration::from_millis(ms);
            assert_eq!(demand.look(wanted, flows, now), is_told, "{ms}");
            assert_eq!((demand.is_unwatched(), demand.is_off()), (is_unwatched, is_off), "{ms}");
        }
    }
}
