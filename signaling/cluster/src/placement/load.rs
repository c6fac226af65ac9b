//! Owns how full a worker is and what a session adds, against what one worker can carry. Never chooses.

use crate::WorkerRecord;

/// What a session adds to its worker, as far as it can be told before it runs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    pub sessions: f64,
    /// Share of one core, beside what its packets take.
    pub cpu: f64,
    /// Per second, in either direction.
    pub packets: f64,
    pub bits: f64,
}

/// What one track brings in a second, and so what each of its viewers costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrackRate {
    pub packets: f64,
    pub bits: f64,
}

/// How busy a worker is, with what it can carry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    pub used: Cost,
    pub sessions_max: f64,
    /// Share of one core that a packet per second takes on this worker.
    pub cpu_per_packet: f64,
}

impl TrackRate {
    /// Of a track that nobody has measured yet: sound.
    pub const AUDIO: TrackRate = TrackRate { packets: 50.0, bits: 1.0e5 };
    /// A camera in 720p, 2 Mbit/s in packets of 1,200 B.
    pub const VIDEO: TrackRate = TrackRate { packets: 210.0, bits: 2.0e6 };
}

impl Cost {
    /// A publisher of one stream (audio and video), before anybody watches it.
    pub fn publish() -> Cost {
        Cost::watch(1)
    }

    /// A viewer of so many streams of which nothing is known.
    pub fn watch(streams: usize) -> Cost {
        Cost::of_tracks((0..streams.max(1)).flat_map(|_| [TrackRate::AUDIO, TrackRate::VIDEO]))
    }

    /// A viewer of these tracks.
    pub fn of_tracks(tracks: impl IntoIterator<Item = TrackRate>) -> Cost {
        let join = Cost { sessions: 1.0, cpu: CPU_PER_JOIN, packets: PACKETS_PER_SESSION, bits: 0.0 };
        tracks.into_iter().fold(join, |cost, track| Cost {
            packets: cost.packets + track.packets,
            bits: cost.bits + track.bits,
            ..cost
        })
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
        let packets = record.packets_per_second_in.saturating_add(record.packets_per_second_out) as f64;
        Load {
            used: Cost {
                sessions: f64::from(record.sessions),
                cpu,
                packets,
                bits: record.bits_per_second_in.saturating_add(record.bits_per_second_out) as f64,
            },
            sessions_max: f64::from(record.sessions_max),
            cpu_per_packet: match packets >= MEASURED_PACKETS_MIN {
                true => (cpu / packets).clamp(CPU_PER_PACKET_MIN, CPU_PER_PACKET_MAX),
                false => CPU_PER_PACKET,
            },
        }
    }

    #[must_use]
    pub fn with(&self, cost: &Cost) -> Load {
        let mut used = self.used.plus(cost);
        used.cpu += cost.packets * self.cpu_per_packet;
        Load { used, ..*self }
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
/// each). What a packet takes on a worker that forwards is measured, and then the core is what is scarce; this is for
/// a worker that believes itself to be faster than that.
const PACKETS_PER_SECOND_MAX: f64 = 400_000.0;

/// A core's share of a port of 10 Gbit/s on a machine of eight.
const BITS_PER_SECOND_MAX: f64 = 1.2e9;

/// Of a worker that forwards too little for its cost per packet to be measured: as in runs of middling length.
const CPU_PER_PACKET: f64 = 2.5e-6;

/// From here on what else a worker does is little beside its packets.
const MEASURED_PACKETS_MIN: f64 = 5_000.0;

/// The load of a second with many handshakes, or a cheap one by chance, says nothing of packets beyond this.
const CPU_PER_PACKET_MIN: f64 = 1.0e-6;
const CPU_PER_PACKET_MAX: f64 = 5.3e-6;

/// A join (ICE, DTLS) takes 0.76 ms of a core, once.
const CPU_PER_JOIN: f64 = 0.001;

/// Checks, reports and signs of life of a session.
const PACKETS_PER_SESSION: f64 = 5.0;
