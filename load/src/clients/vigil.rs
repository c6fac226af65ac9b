//! Owns the judgement that a session is dead: the server was asked, and does not answer. Never asks it.

use std::time::{Duration, Instant};

#[derive(Debug, Clone, Copy)]
pub struct Vigil {
    next_probe: Instant,
    /// Since the server was last heard.
    probes: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    Fine,
    /// The server is to be asked now.
    Ask,
    Dead,
}

impl Vigil {
    pub fn new(now: Instant) -> Vigil {
        Vigil { next_probe: now, probes: 0 }
    }

    /// What waits in the socket has been read. A client that stood still for a while asks first, like one that was not
    /// heard: nobody else is to blame for its pause.
    pub fn look(&mut self, now: Instant, last_heard: Instant) -> Liveness {
        let unheard = now.saturating_duration_since(last_heard);
        if unheard <= PROBE_AFTER {
            self.probes = 0;
            return Liveness::Fine;
        }
        if self.next_probe > now {
            return Liveness::Fine;
        }
        if self.probes >= PROBES_MAX && unheard > DEAD_AFTER {
            return Liveness::Dead;
        }
        self.probes += 1;
        self.next_probe = now + PROBE_PERIOD;
        Liveness::Ask
    }
}

/// Unheard for this long, a client asks whether the server is there.
const PROBE_AFTER: Duration = Duration::from_millis(250);
/// Between two such questions, and after the last of them.
const PROBE_PERIOD: Duration = Duration::from_millis(100);
/// Unheard for this long in spite of all of them, the session is dead.
const DEAD_AFTER: Duration = Duration::from_millis(550);
const PROBES_MAX: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Looks each 10 ms until the verdict; the questions before it, and when it fell.
    fn watch(vigil: &mut Vigil, from: Instant, last_heard: Instant) -> (usize, Duration) {
        let mut asked = 0;
        for turn in 0..1_000 {
            let now = from + ms(10) * turn;
            match vigil.look(now, last_heard) {
                Liveness::Fine => {}
                Liveness::Ask => asked += 1,
                Liveness::Dead => return (asked, now - last_heard),
            }
        }
        panic!("it is never given up");
    }

    #[test]
    fn a_server_that_is_gone_is_given_up_after_three_questions() {
        let start = Instant::now();
        assert_eq!(watch(&mut Vigil::new(start), start, start), (3, ms(560)));
    }

    #[test]
    fn a_client_that_stood_still_asks_before_it_judges() {
        let (start, mut vigil) = (Instant::now(), Vigil::new(Instant::now()));
        let woken = start + ms(2_000);
        assert_eq!(vigil.look(woken, start), Liveness::Ask);
        // The answer comes.
        assert_eq!(vigil.look(woken + ms(30), woken + ms(20)), Liveness::Fine);
        assert_eq!(watch(&mut vigil, woken + ms(30), woken + ms(20)).0, 3, "and counts from there");
    }
}
