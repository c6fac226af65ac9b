//! Owns how full a worker is and what a session adds, against what one worker can carry. Never chooses.

use crate::WorkerRecord;

/// What a session adds to its worker, as far as it can be told before it runs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    pub sessions: f64,
    /// Share of one core.
    pub cpu: f64,
    /// Per second, in either direction.
    pub packets: f64,
    pub bits: f64,
}

/// How busy a worker is, with what it can carry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    pub used: Cost,
    pub sessions_max: f64,
}

impl Cost {
    /// A publisher of one stream (audio and video), before anybody watches it.
    pub fn publish() -> Cost {
        Cost::of_streams(1)
    }

    /// A viewer of so many streams.
    pub fn watch(streams: usize) -> Cost {
        Cost::of_streams(streams.max(1))
    }

    fn of_streams(streams: usize) -> Cost {
        let streams = streams as f64;
        let packets = streams * PACKETS_PER_STREAM;
        Cost { sessions: 1.0, cpu: CPU_PER_JOIN + packets * CPU_PER_PACKET, packets, bits: streams * BITS_PER_STREAM }
    }

    pub fn plus(&self, other: &Cost) -> Cost {
        Cost {
            sessions: self.sessions + other.sessions,
            cpu: self.cpu + other.cpu,
            packets: self.packets + other.packets,
            bits: self.bits + other.bits,
        }
    }

    pub fn times(&self, factor: f64) -> Cost {
        Cost {
            sessions: self.sessions * factor,
            cpu: self.cpu * factor,
            packets: self.packets * factor,
            bits: self.bits * factor,
        }
    }
}

impl Load {
    pub fn of(record: &WorkerRecord) -> Load {
        // Another node's word: a number that is none counts as full, never as free.
        let cpu = if record.cpu.is_finite() { record.cpu.max(0.0) } else { f64::INFINITY };
        Load {
            used: Cost {
                sessions: f64::from(record.sessions),
                cpu,
                packets: record.packets_per_second_in.saturating_add(record.packets_per_second_out) as f64,
                bits: record.bits_per_second_in.saturating_add(record.bits_per_second_out) as f64,
            },
            sessions_max: f64::from(record.sessions_max),
        }
    }

    #[must_use]
    pub fn with(&self, cost: &Cost) -> Load {
        Load { used: self.used.plus(cost), ..*self }
    }

    /// Of what is scarcest; 1 is full.
    pub fn fraction(&self) -> f64 {
        let sessions = if self.sessions_max > 0.0 { self.used.sessions / self.sessions_max } else { f64::INFINITY };
        let cpu = self.used.cpu / CPU_MAX;
        let packets = self.used.packets / PACKETS_PER_SECOND_MAX;
        let bits = self.used.bits / BITS_PER_SECOND_MAX;
        sessions.max(cpu).max(packets).max(bits)
    }
}

/// Share of a core beyond which a worker gets no new session. Beyond its limit a server's 99th percentile of
/// latency rises from 15 to 60 ms within a step of 10,000 packets/s, so admission stops before.
const CPU_MAX: f64 = 0.8;

/// Up to here the workers that have a stream are preferred to those that have not: 0.65 of a core, and the same
/// share of the other limits. The rest is for the viewers' layers going up and for rooms that are there already.
pub(super) const LOAD_WITH_HEADROOM: f64 = 0.65 / CPU_MAX;

/// A worker's core sends about 400,000 packets/s when it does nothing but seal and send in segmented runs (2.3 µs
/// each), and half of that without runs. What it also does, and runs that are shorter than in a benchmark, leave
/// 150,000 as what it can be trusted to forward at 0.8 of the core: 5.3 µs each.
const PACKETS_PER_SECOND_MAX: f64 = 150_000.0;

/// A core's share of a port of 10 Gbit/s on a machine of eight.
const BITS_PER_SECOND_MAX: f64 = 1.2e9;

/// Until a session shows in a report: what a packet costs at most (see [`PACKETS_PER_SECOND_MAX`]).
const CPU_PER_PACKET: f64 = CPU_MAX / PACKETS_PER_SECOND_MAX;

/// A join (ICE, DTLS) takes 0.76 ms of a core, once.
const CPU_PER_JOIN: f64 = 0.001;

/// A camera in 720p, 2 Mbit/s in packets of 1,200 B, with 50 packets/s of sound.
const PACKETS_PER_STREAM: f64 = 260.0;
const BITS_PER_STREAM: f64 = 2.1e6;
