//! Owns what came of a load test, summed over everybody. Never judges a server; it judges the test itself.

use std::time::Duration;

use serde_json::{Value, json};

use super::settings::Settings;
use crate::clients;
use crate::measure::Sample;

/// The thread that drives the clients, over the whole time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Driver {
    /// Share of a core.
    pub cpu: f64,
    /// Share of the time in which it was ready to run and other programs had its core.
    pub waited: f64,
    /// The longest turn in which all sockets were read once.
    pub longest_turn: Duration,
}

#[derive(Debug, Clone)]
pub struct TrialReport {
    pub publishers: usize,
    pub viewers: usize,
    /// Viewers that had a packet.
    pub watched: usize,
    pub sent: u64,
    pub received: u64,
    pub missing: u64,
    pub duplicates: u64,
    pub reordered: u64,
    /// Packets that did not open.
    pub broken: u64,
    /// Sessions of publishers and viewers after their first one.
    pub rejoins: u64,
    /// Times without a packet longer than [`crate::tally::STANDSTILL`], the longest of all, and the longest from one
    /// session of a viewer to its next.
    pub standstills: u64,
    pub longest_gap: Duration,
    pub longest_failover: Duration,
    pub connect_ms: Sample,
    pub first_packet_ms: Sample,
    pub latency_ms: Sample,
    pub last_error: Option<String>,
    pub driver: Driver,
    /// What says that the test was too slow, and not the server. Empty: nothing does.
    pub doubts: Vec<String>,
}

impl TrialReport {
    pub(super) fn new(settings: &Settings, groups: Vec<clients::ClientsReport>, driver: Driver) -> TrialReport {
        let publishers = settings.rooms * settings.publishers;
        let viewers: Vec<_> = groups.iter().flat_map(|group| &group.viewers).collect();
        let sum = |of: fn(&clients::ViewerReport) -> u64| viewers.iter().map(|viewer| of(viewer)).sum();
        let millis = |of: fn(&clients::ViewerReport) -> Option<Duration>| {
            Sample::new(viewers.iter().filter_map(|viewer| Some(of(viewer)?.as_secs_f64() * 1e3)).collect())
        };
        let latencies = viewers.iter().flat_map(|viewer| viewer.tally.latencies_us.iter().map(|us| us / 1e3));
        let of_publishers = groups.iter().filter_map(|group| group.publisher.as_ref());
        let late = Late {
            bursts: of_publishers.clone().map(|publisher| publisher.late).sum(),
            of: of_publishers.clone().map(|publisher| publisher.sent).sum::<u64>()
                / settings.shape.burst().max(1) as u64,
        };
        let overflowed: u64 = viewers.iter().map(|viewer| u64::from(viewer.overflowed)).sum();
        // Who never had a packet has no gap, only none at all.
        let seen = || viewers.iter().filter(|viewer| viewer.tally.packets > 0);
        TrialReport {
            publishers,
            viewers: publishers * settings.viewers,
            watched: seen().count(),
            sent: of_publishers.clone().map(|publisher| publisher.sent).sum(),
            received: sum(|viewer| viewer.tally.packets),
            missing: sum(|viewer| viewer.tally.missing),
            duplicates: sum(|viewer| viewer.tally.duplicates),
            reordered: sum(|viewer| viewer.tally.reordered),
            broken: sum(|viewer| viewer.tally.broken),
            rejoins: sum(|viewer| viewer.rejoins) + of_publishers.map(|publisher| publisher.rejoins).sum::<u64>(),
            standstills: sum(|viewer| viewer.tally.standstills),
            longest_gap: seen().map(|viewer| viewer.tally.longest_pause).max().unwrap_or_default(),
            longest_failover: seen().map(|viewer| viewer.tally.longest_failover).max().unwrap_or_default(),
            connect_ms: millis(|viewer| viewer.connected_after),
            first_packet_ms: millis(|viewer| viewer.first_packet_after),
            latency_ms: Sample::new(latencies.collect()),
            last_error: groups.iter().find_map(|group| group.last_error.clone()),
            driver,
            doubts: doubts(driver, late, overflowed),
        }
    }

    /// That viewers should have got: from the first that each had to the last, by the sequence numbers.
    pub fn expected(&self) -> u64 {
        self.received + self.missing
    }

    /// Of what viewers should have got, 0 to 1.
    pub fn loss(&self) -> f64 {
        self.missing as f64 / self.expected().max(1) as f64
    }

    pub fn json(&self) -> Value {
        let quantiles = |sample: &Sample| {
            let at = |q: f64| (!sample.is_empty()).then(|| sample.quantile(q));
            let far = |q: f64| sample.quantile_of_many(q);
            json!({ "n": sample.len(), "p50": at(0.5), "p99": far(0.99), "p99.9": far(0.999), "max": at(1.0) })
        };
        json!({
            "publishers": self.publishers,
            "viewers": self.viewers,
            "watched": self.watched,
            "packets": {
                "sent": self.sent, "expected": self.expected(), "received": self.received, "missing": self.missing,
                "loss": self.loss(),
                "duplicates": self.duplicates, "reordered": self.reordered, "broken": self.broken,
            },
            "connect_ms": quantiles(&self.connect_ms),
            "first_packet_ms": quantiles(&self.first_packet_ms),
            "latency_ms": quantiles(&self.latency_ms),
            "longest_gap_ms": self.longest_gap.as_secs_f64() * 1e3,
            "longest_failover_gap_ms": self.longest_failover.as_secs_f64() * 1e3,
            "standstills": self.standstills,
            "rejoins": self.rejoins,
            "last_error": self.last_error,
            "driver": {
                "cpu": self.driver.cpu, "waited": self.driver.waited,
                "longest_turn_ms": self.driver.longest_turn.as_secs_f64() * 1e3,
            },
            "doubts": self.doubts,
        })
    }
}

/// What publishers did not send in time.
#[derive(Debug, Clone, Copy)]
struct Late {
    bursts: u64,
    /// So many were sent in all.
    of: u64,
}

fn doubts(driver: Driver, late: Late, overflowed: u64) -> Vec<String> {
    let mut doubts = Vec::new();
    if driver.cpu > BUSY {
        doubts.push(format!("the thread that plays the viewers used {:.0}% of a core", driver.cpu * 100.0));
    }
    if driver.waited > WAITED {
        doubts.push(format!(
            "the thread that plays the viewers waited {:.0}% of the time for a core that other programs had",
            driver.waited * 100.0
        ));
    }
    if late.bursts * LATE_OF > late.of {
        doubts.push(format!("publishers sent {} of {} frames so late that the next was due", late.bursts, late.of));
    }
    if driver.longest_turn > SLOW_TURN {
        doubts.push(format!("one look at all sockets took {} ms", driver.longest_turn.as_millis()));
    }
    if overflowed > 0 {
        doubts.push(format!("the kernel threw away {overflowed} packets that were not read in time"));
    }
    doubts
}

/// Share of a core above which the clients themselves may be late.
const BUSY: f64 = 0.85;
/// Share of the time after which what is read was often read late.
const WAITED: f64 = 0.1;
/// One late frame of so many.
const LATE_OF: u64 = 50;
/// Longer than this, a client is late to answer a check.
const SLOW_TURN: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_was_too_slow_says_so() {
        let quick = Driver { cpu: 0.4, waited: 0.01, longest_turn: Duration::from_millis(30) };
        let (none, in_time) = (Late { bursts: 0, of: 0 }, Late { bursts: 2, of: 100 });
        assert!(doubts(quick, none, 0).is_empty() && doubts(quick, in_time, 0).is_empty());
        assert_eq!(doubts(quick, none, 7).len(), 1);
        assert_eq!(doubts(quick, Late { bursts: 3, of: 100 }, 0).len(), 1);
        assert_eq!(doubts(Driver { waited: 0.5, ..quick }, none, 0).len(), 1);
        let slow = Driver { cpu: 0.95, waited: 0.0, longest_turn: Duration::from_secs(1) };
        assert_eq!(doubts(slow, none, 0).len(), 2);
    }
}
