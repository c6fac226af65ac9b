//! The receiver's side of congestion control feedback (RFC 8888): which packets of each stream arrived, told each 50 ms.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What a client received since it told of it last.
pub struct StreamReports {
    zero: Instant,
    due: Instant,
    streams: BTreeMap<u32, Stream>,
}

#[derive(Default)]
struct Stream {
    /// The first index that the next report is about, and when each was received from some time before it on.
    begin: u64,
    arrivals: BTreeMap<u64, Instant>,
}

/// What one report says of a stream.
pub struct Told {
    pub ssrc: u32,
    pub begin: u16,
    /// Of each packet the bits that say whether and when it was received.
    pub metrics: Vec<u16>,
}

/// It was received, and so long before the report, in 1/1024 s.
pub const RECEIVED: u16 = 0x8000;
const INTERVAL: Duration = Duration::from_millis(50);
/// Its report timestamps wrap after half a second.
const FIRST_TIMESTAMP: u32 = 0xffff_8000;
/// Packets that may still come.
const REORDERED_MAX: u64 = 64;

impl StreamReports {
    pub fn new(now: Instant) -> StreamReports {
        StreamReports { zero: now, due: now + INTERVAL, streams: BTreeMap::new() }
    }

    pub fn record(&mut self, now: Instant, ssrc: u32, index: u64) {
        let is_new = !self.streams.contains_key(&ssrc);
        let stream = self.streams.entry(ssrc).or_default();
        // What comes late is reported again, with all that follows it; of two copies the first counts.
        if !stream.arrivals.contains_key(&index) {
            stream.begin = if is_new { index } else { stream.begin.min(index) };
            stream.arrivals.insert(index, now);
        }
    }

    /// The packet that is due.
    pub fn poll(&mut self, now: Instant) -> Option<Vec<u8>> {
        if now < self.due {
            return None;
        }
        self.due = now + INTERVAL;
        let metric = |at: Option<&Instant>| {
            at.map_or(0, |at| RECEIVED | ((now - *at).as_micros() * 1_024 / 1_000_000).min(0x1ffe) as u16)
        };
        let mut told = Vec::new();
        for (ssrc, stream) in &mut self.streams {
            let Some((&newest, _)) = stream.arrivals.last_key_value().filter(|(newest, _)| **newest >= stream.begin)
            else {
                continue;
            };
            let metrics = (stream.begin..=newest).map(|index| metric(stream.arrivals.get(&index))).collect();
            told.push(Told { ssrc: *ssrc, begin: stream.begin as u16, metrics });
            stream.begin = newest + 1;
            stream.arrivals = stream.arrivals.split_off(&newest.saturating_sub(REORDERED_MAX));
        }
        let ticks = (now - self.zero).as_micros() * 65_536 / 1_000_000;
        (!told.is_empty()).then(|| packet(FIRST_TIMESTAMP.wrapping_add(ticks as u32), &told))
    }
}

/// A feedback packet, complete with its header.
pub fn packet(report_time: u32, told: &[Told]) -> Vec<u8> {
    let mut bytes = vec![0x8b, 205, 0, 0, 0, 0, 0, 1];
    for stream in told {
        bytes.extend(stream.ssrc.to_be_bytes());
        bytes.extend(stream.begin.to_be_bytes());
        bytes.extend((stream.metrics.len() as u16).to_be_bytes());
        bytes.extend(stream.metrics.iter().flat_map(|metric| metric.to_be_bytes()));
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes.extend(report_time.to_be_bytes());
    let words = (bytes.len() / 4 - 1) as u16;
    bytes[2..4].copy_from_slice(&words.to_be_bytes());
    bytes
}
