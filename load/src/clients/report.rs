//! Owns what the clients tell of themselves, as JSON. Never judges it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::measure::Sample;
use crate::tally::Tally;

/// Since the counting began.
#[derive(Debug, Clone)]
pub struct ClientsReport {
    pub viewers: Vec<ViewerReport>,
    pub publisher: Option<PublisherReport>,
    pub last_error: Option<String>,
}

#[derive(Debug, Clone)]
pub struct ViewerReport {
    number: usize,
    server: String,
    pub tally: Tally,
    latency_us: Sample,
    pub rejoins: u64,
    /// From its first POST that was answered until ICE and DTLS were done, and until its first packet.
    pub connected_after: Option<Duration>,
    pub first_packet_after: Option<Duration>,
    pub last_error: Option<String>,
    /// Datagrams of the present session that the kernel threw away because they were not read in time.
    pub overflowed: u32,
}

#[derive(Debug, Clone)]
pub struct PublisherReport {
    pub sent: u64,
    /// Bursts that this machine sent so late that the next one was due.
    pub late: u64,
    pub rejoins: u64,
    pub last_error: Option<String>,
}

impl ClientsReport {
    pub fn new(viewers: Vec<ViewerReport>, publisher: Option<PublisherReport>) -> ClientsReport {
        let of_publisher = publisher.as_ref().and_then(|publisher| publisher.last_error.clone());
        let of_viewers = || viewers.iter().find_map(|viewer| viewer.last_error.clone());
        let last_error = of_publisher.or_else(of_viewers);
        ClientsReport { viewers, publisher, last_error }
    }

    pub fn json(&self) -> Value {
        let publisher = self.publisher.as_ref().map(|publisher| {
            json!({ "sent": publisher.sent, "rejoins": publisher.rejoins, "last_error": publisher.last_error })
        });
        let viewers: Vec<Value> = self.viewers.iter().map(ViewerReport::json).collect();
        json!({ "event": "report", "publisher": publisher, "viewers": viewers })
    }
}

impl ViewerReport {
    pub fn new(number: usize, server: &str, tally: Tally, rejoins: u64, last_error: Option<String>) -> ViewerReport {
        let latency_us = Sample::new(tally.latencies_us.clone());
        ViewerReport {
            number,
            server: server.to_owned(),
            tally,
            latency_us,
            rejoins,
            connected_after: None,
            first_packet_after: None,
            last_error,
            overflowed: 0,
        }
    }

    fn json(&self) -> Value {
        let millis = |q: f64| (!self.latency_us.is_empty()).then(|| self.latency_us.quantile(q) / 1e3);
        json!({
            "viewer": self.number,
            "server": self.server,
            "packets": self.tally.packets,
            "missing": self.tally.missing,
            "broken": self.tally.broken,
            "duplicates": self.tally.duplicates,
            "late": self.tally.late,
            "longest_gap_ms": self.tally.longest_gap.as_secs_f64() * 1e3,
            "latency_p50_ms": millis(0.5),
            "latency_p99_ms": self.latency_us.quantile_of_many(0.99).map(|us| us / 1e3),
            "rejoins": self.rejoins,
            "overflowed": self.overflowed,
            "last_error": self.last_error,
        })
    }
}
