//! Owns the knowledge that somebody else fills the line, a greedy flow for one, and what may be claimed of it. Changes no
//! rate.
//!
//! Our own, because a controller that goes by delay gives way to BBR until hardly anything is left: its queue stands, and each
//! of its bursts is overuse. Flows of our kind empty the queue again and again; Copa tells the others by that, too (Arun and
//! Balakrishnan, NSDI 2018, section 3.3).
//!
//! ```text
//!   Off ──the queue was not short for 4 s, and less of us made it no shorter──► On ──short for 1 s──► Off
//! ```

use std::time::Duration;

use crate::bitrate::Bitrate;
use crate::probe::measure::ProbeResult;
use crate::time::Time;

#[derive(Debug, Clone, Default)]
pub(crate) struct Contest {
    is_on: bool,
    /// Less of us made the queue no shorter, as far as was known last.
    was_others: bool,
    stands_since: Option<Time>,
    short_since: Option<Time>,
    /// The most that the line carried lately before others came, and when.
    capacity: Option<(Bitrate, Time)>,
    /// What may be claimed of the line.
    share: Option<Bitrate>,
}

impl Contest {
    /// Whether what we leave would be taken by somebody else.
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// A shorter queue is borne, where one is. `is_others`: sending less did not make it shorter. Then one of any length is,
    /// by a flow that has less than it may claim.
    pub fn borne(&self, is_others: bool, acknowledged: Option<Bitrate>) -> Option<Duration> {
        let has_less = self.share.zip(acknowledged).is_some_and(|(share, rate)| rate < share);
        self.is_on.then_some(if is_others && has_less { Duration::MAX } else { BORNE })
    }

    /// Whether a probe beside others tells something.
    pub fn may_probe(&self, queue: Duration, is_others: bool, acknowledged: Option<Bitrate>) -> bool {
        let may_have_less = self.share.zip(acknowledged).is_none_or(|(share, rate)| rate < share);
        self.is_on && (queue < BORNE || is_others && may_have_less)
    }

    /// So much of the line was measured.
    pub fn handle_capacity(&mut self, now: Time, rate: Bitrate) {
        let is_more = self.capacity.is_none_or(|(most, at)| rate >= most || now.since(at) >= KEPT_FOR);
        if !self.is_on && is_more {
            self.capacity = Some((rate, now));
        }
    }

    /// After each feedback. Gives what is claimed when it begins, and when less of us was tried again for nothing.
    pub fn handle_queue(&mut self, now: Time, queue: Duration, is_others: bool) -> Option<Bitrate> {
        let was_on = self.is_on;
        let is_tried = is_others && !std::mem::replace(&mut self.was_others, is_others);
        self.look(now, queue, is_others);
        if !self.is_on || (was_on && !is_tried) {
            return None;
        }
        let known = self.capacity.filter(|(_, at)| was_on || now.since(*at) < KEPT_FOR);
        self.share = known.map(|(capacity, _)| capacity.scaled(CLAIM)).or(self.share);
        self.share
    }

    fn look(&mut self, now: Time, queue: Duration, is_others: bool) {
        if queue < SHORT {
            let since = *self.short_since.get_or_insert(now);
            self.stands_since = None;
            self.is_on &= now.since(since) < ENDS_AFTER;
        } else {
            let since = *self.stands_since.get_or_insert(now);
            self.short_since = None;
            self.is_on |= is_others && now.since(since) >= STANDS_FOR;
        }
    }

    /// What is believed of a probe that came as fast as it was sent: that of others' queue is as fast, and not ours.
    pub fn bound(&self, probed: Bitrate, acknowledged: Option<Bitrate>) -> Bitrate {
        match (self.is_on, self.share, acknowledged) {
            (true, Some(share), _) => probed.min(share),
            (true, None, Some(usual)) => probed.min(usual.scaled(UNKNOWN)),
            _ => probed,
        }
    }

    /// What may be claimed after a probe that came more slowly than it was sent. In a queue that serves who comes first a flow
    /// that has `usual` of `capacity` and probes with `sent` gets `arrived` = `capacity` · `sent` / (`sent` + `capacity` −
    /// `usual`) of it (the fluid model of TOPP: Melander, Björkman, Gunningberg, 2000): that tells the capacity where it is not
    /// known from before, of which no more than a share is claimed.
    pub fn claim(&mut self, probed: &ProbeResult, usual: Bitrate) -> Option<Bitrate> {
        let (sent, arrived, usual) = (probed.sent.kbps(), probed.arrived.kbps(), usual.kbps());
        if !self.is_on || sent <= arrived {
            return None;
        }
        let capacity = arrived * (sent - usual) / (sent - arrived);
        let capacity = self.capacity.map_or(Bitrate::of_kbps(capacity), |(known, _)| known);
        let share = capacity.scaled(CLAIM);
        self.share = Some(share);
        Some(share.min(probed.rate))
    }
}

/// BBR keeps a round trip's worth or two, and a quarter more now and then: 60 to 115 ms at 40 ms (Linux 6).
pub(crate) const BORNE: Duration = Duration::from_millis(130);
const SHORT: Duration = Duration::from_millis(25);
const STANDS_FOR: Duration = Duration::from_secs(4);
/// BBR looks for an empty queue for 200 ms at a time.
const ENDS_AFTER: Duration = Duration::from_secs(1);
/// A capacity that was measured before is believed for so long.
const KEPT_FOR: Duration = Duration::from_secs(60);
/// Where none is known, so many times what arrives.
const UNKNOWN: f64 = 2.0;
/// An equal share beside two others.
const CLAIM: f64 = 1.0 / 3.0;

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether it is on after feedback each 100 ms that saw queues of so many milliseconds, each for so many seconds.
    fn is_on_after(is_others: bool, queues: &[(u64, u64)]) -> bool {
        let mut contest = Contest::default();
        let each = queues.iter().flat_map(|(ms, seconds)| std::iter::repeat_n(*ms, *seconds as usize * 10));
        for (at, ms) in each.enumerate() {
            contest.handle_queue(Time::from_millis(100 * at as u64), Duration::from_millis(ms), is_others);
        }
        contest.is_on()
    }

    #[test]
    fn a_queue_that_stands_is_somebody_elses_until_it_is_gone_for_a_while() {
        assert!(!is_on_after(true, &[(5, 10), (45, 3)]));
        assert!(is_on_after(true, &[(5, 10), (45, 5)]));
        assert!(!is_on_after(false, &[(5, 10), (45, 5)]), "less of us was not tried");
        assert!(is_on_after(true, &[(45, 5), (5, 1), (45, 1)]), "an empty queue that is looked for");
        assert!(!is_on_after(true, &[(45, 5), (5, 2)]));
        assert!(!is_on_after(true, &[(45, 2), (5, 1), (45, 2), (5, 1), (45, 2)]), "flows of our kind");
    }

    /// What may be claimed of 4 Mbit/s by one that has so much of it and probes with twice that.
    fn claim(usual: u64) -> f64 {
        let mut contest = Contest { is_on: true, ..Contest::default() };
        let (usual, capacity) = (usual as f64, 4000.0);
        let sent = 2.0 * usual;
        let arrived = capacity * sent / (sent + capacity - usual);
        let [sent, arrived, usual] = [sent, arrived, usual].map(Bitrate::of_kbps);
        let probed = ProbeResult { cluster: 1, rate: arrived.scaled(0.95), is_saturated: true, sent, arrived };
        contest.claim(&probed, usual).expect("a claim").kbps()
    }

    #[test]
    fn a_probe_beside_others_claims_what_it_got_but_no_more_than_a_third() {
        assert_eq!(claim(400).round(), 691.0);
        assert_eq!(claim(2000).round(), 1333.0);
    }

    #[test]
    fn a_third_of_what_the_line_carried_is_claimed_when_others_come() {
        let mut contest = Contest::default();
        contest.handle_capacity(Time::default(), Bitrate::from_kbps(4200));
        contest.handle_capacity(Time::from_millis(900), Bitrate::from_kbps(600));
        let claims = (0..60).filter_map(|at| {
            contest.handle_queue(Time::from_millis(1000 + 100 * at), Duration::from_millis(80), at >= 30)
        });
        assert_eq!(claims.collect::<Vec<_>>(), [Bitrate::from_kbps(1400)]);
        assert_eq!(contest.bound(Bitrate::from_kbps(2600), None), Bitrate::from_kbps(1400));
    }
}
