//! Owns a link between two network namespaces that delays and loses packets and has a rate and a queue, as told while it
//! runs: a TUN device at each end, and threads that carry between them. Kernels without netem need it. Never looks into
//! a packet.

use std::fs::File;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, setns};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tun_rs::{DeviceBuilder, Layer, SyncDevice};

/// What happens to the packets of both directions. May change at any time.
#[derive(Debug, Default)]
pub struct Weather {
    loss_ppm: AtomicU32,
    /// Packets that vanish one after the other; 0 is 1.
    burst: AtomicU32,
    delay_us: AtomicU32,
    /// 0: as fast as it goes.
    kbps: AtomicU32,
    queue_us: AtomicU32,
}

impl Weather {
    /// Share of the packets that vanish, 0 to 1.
    pub fn set_loss(&self, share: f64) {
        self.loss_ppm.store((share.clamp(0.0, 1.0) * 1e6) as u32, Ordering::Relaxed);
    }

    /// So many packets in a row vanish at a time; the share stays the same.
    pub fn set_burst(&self, packets: u32) {
        self.burst.store(packets, Ordering::Relaxed);
    }

    /// One way. Packets never overtake each other.
    pub fn set_delay(&self, delay: Duration) {
        self.delay_us.store(u32::try_from(delay.as_micros()).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// Of each direction; `None` for as fast as it goes.
    pub fn set_rate(&self, kbps: Option<u32>) {
        self.kbps.store(kbps.unwrap_or(0), Ordering::Relaxed);
    }

    /// Longest that a packet waits for those before it; what would wait longer is lost.
    pub fn set_queue(&self, queue: Duration) {
        self.queue_us.store(u32::try_from(queue.as_micros()).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// How long a packet of so many bytes takes.
    fn time_of(&self, bytes: usize) -> Duration {
        match self.kbps.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            kbps => Duration::from_micros(bytes as u64 * 8_000 / u64::from(kbps)),
        }
    }

    /// How many packets vanish from this one on; mostly none.
    fn vanish(&self, rng: &mut StdRng) -> u32 {
        let burst = self.burst.load(Ordering::Relaxed).max(1);
        let begins = rng.random_range(0..1_000_000) < self.loss_ppm.load(Ordering::Relaxed) / burst;
        if begins { burst } else { 0 }
    }

    fn delay(&self) -> Duration {
        Duration::from_micros(self.delay_us.load(Ordering::Relaxed).into())
    }
}

/// Packets of one direction so far.
#[derive(Debug, Default)]
pub struct Counts {
    pub carried: AtomicU64,
    /// As the weather wanted.
    pub lost: AtomicU64,
    /// Because too many were under way, or the queue was full.
    pub overflowed: AtomicU64,
    /// How long packets waited in the queue and were being sent, in microseconds, since it was asked last.
    waits: Mutex<Vec<u32>>,
}

impl Counts {
    /// 95 of 100 packets since the last call waited no longer than this.
    pub fn take_wait_p95(&self) -> Duration {
        let mut waits = std::mem::take(&mut *self.waits.lock().unwrap_or_else(PoisonError::into_inner));
        waits.sort_unstable();
        Duration::from_micros(waits.get(waits.len() * 95 / 100).copied().unwrap_or(0).into())
    }

    fn note_wait(&self, wait: Duration) {
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        if waits.len() < WAITS_MAX {
            waits.push(u32::try_from(wait.as_micros()).unwrap_or(u32::MAX));
        }
    }
}

/// Runs for as long as the process does.
pub struct EmulatedLink {
    pub weather: Arc<Weather>,
    /// From the first end to the second, and back.
    pub counts: [Arc<Counts>; 2],
}

impl EmulatedLink {
    /// Makes the device `name` in each of two namespaces (as `ip netns` knows them) and carries between them.
    /// Addresses and routes are for the caller to set.
    pub fn open(ends: [&str; 2], name: &str, seed: u64) -> Result<EmulatedLink> {
        let [a, b] = ends.map(|namespace| device(namespace, name));
        let (a, b) = (Arc::new(a?), Arc::new(b?));
        let link = EmulatedLink { weather: Arc::default(), counts: Default::default() };
        let ways = [(&a, &b, seed), (&b, &a, seed.wrapping_add(1))];
        for ((from, to, seed), counts) in ways.into_iter().zip(&link.counts) {
            let (sent, due) = sync_channel(UNDER_WAY_MAX);
            let (from, to) = (Arc::clone(from), Arc::clone(to));
            let (weather, counts) = (Arc::clone(&link.weather), Arc::clone(counts));
            std::thread::spawn(move || take(&from, &weather, &counts, &sent, StdRng::seed_from_u64(seed)));
            std::thread::spawn(move || deliver(&to, &due));
        }
        Ok(link)
    }
}

/// A thread belongs to a namespace; the device stays in the one in which it was made.
fn device(namespace: &str, name: &str) -> Result<SyncDevice> {
    let path = format!("/run/netns/{namespace}");
    let file = File::open(&path).with_context(|| format!("there is no namespace {path}"))?;
    let name = name.to_owned();
    let made = std::thread::spawn(move || -> Result<SyncDevice> {
        setns(file, CloneFlags::CLONE_NEWNET).context("entering a network namespace needs root")?;
        let device = DeviceBuilder::new().name(name).layer(Layer::L3).build_sync().context("making a TUN device")?;
        device.set_tx_queue_len(QUEUE_MAX).context("the length of the queue of a TUN device")?;
        Ok(device)
    });
    made.join().map_err(|_| anyhow::anyhow!("the thread that makes a device panicked"))?
}

type Due = (Instant, Box<[u8]>);

fn take(from: &SyncDevice, weather: &Weather, counts: &Counts, sent: &SyncSender<Due>, mut rng: StdRng) {
    let mut bytes = [0u8; PACKET_BYTES_MAX];
    let mut free_at = Instant::now();
    let mut vanishing = 0;
    while let Ok(length) = from.recv(&mut bytes) {
        if vanishing == 0 {
            vanishing = weather.vanish(&mut rng);
        }
        if vanishing > 0 {
            vanishing -= 1;
            counts.lost.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let now = Instant::now();
        let begins = free_at.max(now);
        let through = begins + weather.time_of(length);
        let queue = Duration::from_micros(weather.queue_us.load(Ordering::Relaxed).into());
        let fits = begins - now <= queue;
        let outcome = match fits.then(|| sent.try_send((through + weather.delay(), bytes[..length].into()))) {
            Some(Ok(())) => {
                free_at = through;
                counts.note_wait(through - now);
                &counts.carried
            }
            Some(Err(_)) | None => &counts.overflowed,
        };
        outcome.fetch_add(1, Ordering::Relaxed);
    }
}

fn deliver(to: &SyncDevice, due: &Receiver<Due>) {
    for (at, packet) in due {
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
        // A device that is down takes nothing; so does a cable that is out.
        let _ = to.send(&packet);
    }
}

/// At 10,000 packets/s and 200 ms there are 2,000.
const UNDER_WAY_MAX: usize = 20_000;
/// Between two questions: two minutes of 8,000 packets/s.
const WAITS_MAX: usize = 1_000_000;
const PACKET_BYTES_MAX: usize = 65_536;
/// What the kernel keeps while this process waits for a core, at 5,000 packets/s for three seconds: by default it loses what
/// comes in a tenth of a second.
const QUEUE_MAX: u32 = 16_384;
