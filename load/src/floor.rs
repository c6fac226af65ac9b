//! Owns the floor that the worker is measured against: the same number of packets of the same size, sealed
//! with the same cipher and sent with the best system calls to as many sockets, and nothing else. Where peers tell of what
//! they get, what they tell is received and opened, too.

mod feedback;

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use chappe_sfu_core::srtp::{Profile, Sealer};
use chappe_sfu_io::process::pin_to_core;
use chappe_sfu_io::udp::{BatchSender, Transmit};

use crate::arrival::{self, unix_nanos};
use crate::measure::{Sample, thread_cpu};
pub use feedback::FeedbackPlan;
use feedback::{Hearing, Tellers};

/// What to send, in the shape of the scenario that it is the floor of.
#[derive(Debug, Clone, Copy)]
pub struct FloorPlan {
    pub peers: usize,
    /// Bytes of one packet before sealing: RTP header and payload.
    pub packet_bytes: usize,
    /// Packets to each peer in one burst.
    pub burst: usize,
    /// Time from one burst to the next.
    pub period: Duration,
    pub duration: Duration,
    /// Mean packets per segmented send, as the program under test had it; 1 without segmentation.
    pub mean_run: f64,
    /// What the peers tell of it, if they do.
    pub feedback: Option<FeedbackPlan>,
    /// Where the sender is pinned; the receivers are on the other core.
    pub core: usize,
}

#[derive(Debug, Clone)]
pub struct Floor {
    pub packets: u64,
    /// Datagrams of feedback that were received and opened.
    pub told: u64,
    /// Processor time of the sending thread.
    pub cpu: Duration,
    /// Share of the packets that arrived.
    pub delivered: f64,
    /// From the start of a burst to a packet's arrival, in microseconds: what sealing and sending take even
    /// where nothing else is done.
    pub latency_us: Sample,
}

impl Floor {
    pub fn nanos_per_packet(&self) -> f64 {
        self.cpu.as_nanos() as f64 / self.packets.max(1) as f64
    }
}

/// Runs it once. The receivers poll on a tick, as the synthetic viewers do.
pub fn measure(plan: FloorPlan) -> Result<Floor> {
    let receivers = receivers(plan.peers)?;
    let remotes = receivers.iter().map(UdpSocket::local_addr).collect::<std::io::Result<Vec<_>>>()?;
    let clock = Arc::new(BurstClock::new(plan));
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let (local, now) = (socket.local_addr()?, Instant::now());
    let tellers = plan.feedback.map(|feedback| Tellers::new(feedback, plan.peers, local, now)).transpose()?;
    let drain = {
        let clock = Arc::clone(&clock);
        std::thread::spawn(move || drain(&receivers, tellers, plan, &clock))
    };
    let sender = {
        let clock = Arc::clone(&clock);
        std::thread::spawn(move || send(plan, socket, &remotes, &clock))
    };
    let sent = sender.join().map_err(|_| anyhow::anyhow!("the floor's sender panicked"))?;
    // What was sent last may still be on its way.
    std::thread::sleep(crate::POLL_TICK);
    clock.over.store(true, Ordering::Relaxed);
    let latencies = drain.join().map_err(|_| anyhow::anyhow!("the floor's receiver panicked"))??;
    let Sent { packets, told, cpu } = sent?;
    let delivered = latencies.len() as f64 / packets.max(1) as f64;
    Ok(Floor { packets, told, cpu, delivered, latency_us: Sample::new(latencies) })
}

/// When each burst began, for the receivers; and whether the last is out.
struct BurstClock {
    /// Nanoseconds since 1970, by burst.
    started: Vec<AtomicU64>,
    over: AtomicBool,
}

impl BurstClock {
    fn new(plan: FloorPlan) -> BurstClock {
        let bursts = (plan.duration.as_secs_f64() / plan.period.as_secs_f64()).max(1.0) as usize;
        BurstClock { started: (0..bursts).map(|_| AtomicU64::new(0)).collect(), over: AtomicBool::new(false) }
    }

    /// Since the start of the burst that the packet with this sequence number belongs to.
    fn since_start_us(&self, plan: FloorPlan, seq: u16, at: SystemTime) -> Option<f64> {
        let started = self.started.get(usize::from(seq) / plan.burst)?.load(Ordering::Relaxed);
        Some(unix_nanos(at).saturating_sub(started) as f64 / 1e3)
    }
}

/// What the sending thread has done.
struct Sent {
    packets: u64,
    told: u64,
    cpu: Duration,
}

fn send(plan: FloorPlan, socket: UdpSocket, remotes: &[SocketAddr], clock: &BurstClock) -> Result<Sent> {
    pin_to_core(plan.core).context("pinning the floor's sender")?;
    let socket = chappe_sfu_io::udp::UdpSocket::adopt(socket.into())?;
    let mut hearing = plan.feedback.map(|_| Hearing::new(&socket, remotes.len())).transpose()?;
    let mut sender = if plan.mean_run > 1.0 { BatchSender::new() } else { BatchSender::without_segmentation() };
    let sealers = (0..remotes.len()).map(sealer).collect::<Result<Vec<_>>>()?;
    let sealed_bytes = plan.packet_bytes + Profile::AeadAes128Gcm.rtp_overhead();
    let payload = vec![0xa5u8; plan.packet_bytes - HEADER_BYTES];
    let mut arena = vec![0u8; remotes.len() * plan.burst * sealed_bytes];
    let (mut packets, mut index) = (0u64, 0u64);
    let started = Instant::now();
    let cpu_before = thread_cpu();
    for (burst, began) in clock.started.iter().enumerate() {
        began.store(unix_nanos(SystemTime::now()), Ordering::Relaxed);
        seal_burst(&sealers, plan.burst, index, &payload, &mut arena, sealed_bytes);
        index += plan.burst as u64;
        let runs = remotes.iter().zip(arena.chunks(plan.burst * sealed_bytes));
        let runs = runs.flat_map(|(&remote, bytes)| {
            split(bytes, plan.mean_run, sealed_bytes).map(move |bytes| Transmit {
                remote,
                local: None,
                bytes,
                segment: sealed_bytes,
            })
        });
        packets += sender.send(&socket, runs, Duration::from_millis(2)).packets;
        let next = plan.period.mul_f64((burst + 1) as f64);
        match &mut hearing {
            Some(hearing) => hearing.hear_until(&socket, started + next)?,
            None => std::thread::sleep(next.saturating_sub(started.elapsed())),
        }
    }
    let cpu = thread_cpu() - cpu_before;
    Ok(Sent { packets, told: hearing.map_or(Ok(0), |hearing| hearing.opened())?, cpu })
}

fn seal_burst(sealers: &[Sealer], burst: usize, first: u64, payload: &[u8], arena: &mut [u8], sealed_bytes: usize) {
    for (ssrc, (sealer, room)) in sealers.iter().zip(arena.chunks_mut(burst * sealed_bytes)).enumerate() {
        for (offset, out) in room.chunks_mut(sealed_bytes).enumerate() {
            let index = first + offset as u64;
            let mut header = [0u8; HEADER_BYTES];
            header[0] = 0x80;
            header[1] = 96;
            header[2..4].copy_from_slice(&(index as u16).to_be_bytes());
            header[8..12].copy_from_slice(&(ssrc as u32).to_be_bytes());
            sealer.seal_rtp(index, &header, payload, out).expect("the arena has room for every packet");
        }
    }
}

/// Cuts one peer's burst into runs whose mean length is `mean`.
fn split(bytes: &[u8], mean: f64, segment: usize) -> impl Iterator<Item = &[u8]> {
    let packets = bytes.len() / segment;
    let runs = ((packets as f64 / mean.max(1.0)).round() as usize).clamp(1, packets.max(1));
    (0..runs).map(move |run| {
        let (from, to) = (run * packets / runs, (run + 1) * packets / runs);
        &bytes[from * segment..to * segment]
    })
}

fn sealer(seed: usize) -> Result<Sealer> {
    let mut key = [7u8; 16];
    key[..8].copy_from_slice(&(seed as u64).to_be_bytes());
    Ok(Sealer::new(Profile::AeadAes128Gcm, &key, &[9u8; 12])?)
}

fn receivers(count: usize) -> Result<Vec<UdpSocket>> {
    (0..count)
        .map(|_| {
            let socket = UdpSocket::bind("127.0.0.1:0").context("binding a receiver: is `ulimit -n` large enough?")?;
            arrival::prepare(&socket)?;
            Ok(socket)
        })
        .collect()
}

/// Reads until the last burst is out, and returns each packet's latency in microseconds. The peers tell meanwhile.
fn drain(
    receivers: &[UdpSocket],
    mut tellers: Option<Tellers>,
    plan: FloorPlan,
    clock: &BurstClock,
) -> Result<Vec<f64>> {
    pin_to_core(1 - plan.core.min(1)).context("pinning the floor's receiver")?;
    let mut latencies = Vec::new();
    let mut buffer = [0u8; 2048];
    loop {
        let last = clock.over.load(Ordering::Relaxed);
        for (peer, socket) in receivers.iter().enumerate() {
            while let Some(arrival::ReadDatagram { at, .. }) = arrival::receive(socket, &mut buffer) {
                let seq = u16::from_be_bytes([buffer[2], buffer[3]]);
                latencies.extend(clock.since_start_us(plan, seq, at));
            }
            if let Some(tellers) = &mut tellers {
                tellers.tell(peer, socket, Instant::now());
            }
        }
        if last {
            return Ok(latencies);
        }
        std::thread::sleep(crate::POLL_TICK);
    }
}

const HEADER_BYTES: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_cut_into_runs_of_the_mean_length() {
        let bytes = vec![0u8; 80];
        let lengths = |mean| split(&bytes, mean, 10).map(<[u8]>::len).collect::<Vec<_>>();
        assert_eq!(lengths(8.0), [80]);
        assert_eq!(lengths(4.0), [40, 40]);
        assert_eq!(lengths(2.7), [20, 30, 30]);
        assert_eq!(lengths(1.0), [10; 8]);
    }

    #[test]
    fn every_packet_of_the_floor_arrives() {
        let plan = FloorPlan {
            peers: 4,
            packet_bytes: 1200,
            burst: 8,
            period: Duration::from_millis(5),
            duration: Duration::from_millis(50),
            mean_run: 8.0,
            feedback: Some(FeedbackPlan { bytes: 60, interval: Duration::from_millis(10) }),
            core: 0,
        };
        let floor = measure(plan).expect("a floor");
        assert_eq!((floor.packets, floor.delivered), (4 * 8 * 10, 1.0));
    }
}
