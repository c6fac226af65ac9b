//! Several SFUs in one virtual time, and the network between them: it loses, delays, reorders, repeats and cuts
//! by a seed.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use chappe_sfu_core::{Epoch, Event, MediaKind, OriginSpec, PeerId, PeerSpec, RelayKey, Route, TrackId};

use super::{Harness, Who};

pub struct Mesh {
    pub workers: Vec<Harness>,
    paths: HashMap<(WorkerIndex, WorkerIndex), Path>,
    /// By arrival, then by order of sending.
    in_flight: BTreeMap<(Instant, u64), (WorkerIndex, WorkerIndex, Vec<u8>)>,
    sent: u64,
    random: u64,
    /// Datagrams that were put on the wire, by path.
    pub count: HashMap<(WorkerIndex, WorkerIndex), usize>,
    /// All of them, if somebody wants to look.
    pub tapped: Option<Vec<(WorkerIndex, WorkerIndex, Vec<u8>)>>,
}

/// Position in [`Mesh::workers`].
pub type WorkerIndex = usize;

/// One direction between two workers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Path {
    pub loss_percent: u64,
    pub delay_ms: u64,
    /// Each is delayed by up to this much more, on its own.
    pub jitter_ms: u64,
    pub repeat_percent: u64,
    /// So long each has lain with the kernel of the worker that it comes to.
    pub held_ms: u64,
    pub cut: bool,
}

impl Mesh {
    /// Workers that know each other.
    pub fn new(count: usize, seed: u64) -> Mesh {
        let mut mesh = Mesh::of_strangers(count, seed);
        for a in 0..count {
            for b in a + 1..count {
                mesh.set_peers(a, b);
            }
        }
        mesh
    }

    pub fn of_strangers(count: usize, seed: u64) -> Mesh {
        let mut workers: Vec<Harness> = (0..count).map(|_| Harness::new()).collect();
        let now = workers[0].now;
        for (at, harness) in workers.iter_mut().enumerate() {
            // No two wall clocks agree.
            harness.now = now;
            harness.now.unix += Duration::from_secs(1_000 * at as u64);
        }
        Mesh {
            workers,
            paths: HashMap::new(),
            in_flight: BTreeMap::new(),
            sent: 0,
            random: seed,
            count: HashMap::new(),
            tapped: None,
        }
    }

    pub fn set_peers(&mut self, a: WorkerIndex, b: WorkerIndex) {
        for (own, peer) in [(a, b), (b, a)] {
            let now = self.workers[own].now;
            self.workers[own].sfu.set_peer(now, peer_spec(own, peer)).expect("a peer is taken");
        }
    }

    /// Both directions.
    pub fn set_path(&mut self, a: WorkerIndex, b: WorkerIndex, path: Path) {
        self.paths.insert((a, b), path);
        self.paths.insert((b, a), path);
    }

    pub fn set_all(&mut self, path: Path) {
        for a in 0..self.workers.len() {
            for b in 0..self.workers.len() {
                self.paths.insert((a, b), path);
            }
        }
    }

    pub fn set_origin(&mut self, at: WorkerIndex, track: TrackId, kind: MediaKind, from: WorkerIndex) {
        self.set_origin_of(at, OriginSpec { track, kind, peer: peer(from), epoch: Epoch(1) });
    }

    pub fn set_origin_of(&mut self, at: WorkerIndex, spec: OriginSpec) {
        let now = self.workers[at].now;
        self.workers[at].sfu.set_origin(now, spec).expect("an origin is taken");
    }

    /// A client joins a worker; time passes for the others too.
    pub fn join(&mut self, at: WorkerIndex, media: chappe_sfu_core::Media) -> Who {
        let who = self.workers[at].join(media);
        self.catch_up();
        who
    }

    /// All workers reach the time of the one that is furthest.
    pub fn catch_up(&mut self) {
        let latest = self.workers.iter().map(|harness| harness.now.mono).max().expect("there are workers");
        let earliest = self.workers.iter().map(|harness| harness.now.mono).min().expect("there are workers");
        for _ in 0..(latest - earliest).as_millis() {
            for harness in &mut self.workers {
                if harness.now.mono < latest {
                    harness.run(Duration::from_millis(1));
                }
            }
            self.carry();
        }
    }

    pub fn run(&mut self, span: Duration) {
        for _ in 0..span.as_millis() {
            for harness in &mut self.workers {
                harness.run(Duration::from_millis(1));
            }
            self.carry();
        }
    }

    /// What has arrived by now is received, and so is what that leads to.
    pub fn carry(&mut self) {
        loop {
            self.collect();
            let now = self.workers.iter().map(|harness| harness.now.mono).max().expect("there are workers");
            let Some(entry) = self.in_flight.first_entry().filter(|entry| entry.key().0 <= now) else { return };
            let (from, to, mut datagram) = entry.remove();
            let harness = &mut self.workers[to];
            let held = Duration::from_millis(self.paths.get(&(from, to)).map_or(0, |path| path.held_ms));
            harness.sfu.handle_late_datagram(harness.now, held, route(from, to), &mut datagram);
            harness.exchange();
        }
    }

    fn collect(&mut self) {
        for from in 0..self.workers.len() {
            for (at, remote, datagram) in std::mem::take(&mut self.workers[from].wire) {
                let to = worker_of(remote);
                *self.count.entry((from, to)).or_default() += 1;
                if let Some(tapped) = &mut self.tapped {
                    tapped.push((from, to, datagram.clone()));
                }
                let path = self.paths.get(&(from, to)).copied().unwrap_or_default();
                let copies = if self.draw() % 100 < path.repeat_percent { 2 } else { 1 };
                for _ in 0..copies {
                    let is_lost = path.cut || self.draw() % 100 < path.loss_percent;
                    let delay = path.delay_ms + self.draw() % (path.jitter_ms + 1);
                    if !is_lost {
                        self.sent += 1;
                        let arrival = (at + Duration::from_millis(delay), self.sent);
                        self.in_flight.insert(arrival, (from, to, datagram.clone()));
                    }
                }
            }
        }
    }

    pub fn send(&mut self, at: WorkerIndex, who: Who, packet: &super::Packet) {
        self.workers[at].send(who, packet);
        self.carry();
    }

    /// A frame, 33 ms after the last; returns when it was sent.
    pub fn frame(
        &mut self,
        at: WorkerIndex,
        who: Who,
        camera: &mut super::Camera,
        count: usize,
        keyframe: bool,
    ) -> Instant {
        let sent = self.workers[at].now.mono;
        for packet in camera.frame(count, keyframe) {
            self.workers[at].clients[who].send(&packet);
        }
        self.workers[at].exchange();
        self.carry();
        self.run(Duration::from_millis(33));
        sent
    }

    /// A message with the right keys, as a worker with a fault would send it from 0 to 1.
    pub fn deliver(&mut self, counter: u64, message: &[u8]) {
        let mut datagram = seal(&peer_spec(0, 1).seal, counter, message);
        let harness = &mut self.workers[1];
        harness.sfu.handle_datagram(harness.now, route(0, 1), &mut datagram);
    }

    pub fn events(&self, at: WorkerIndex) -> Vec<Event> {
        let is_relays = |event: &&Event| {
            matches!(
                event,
                Event::PeerLost { .. }
                    | Event::PeerFound { .. }
                    | Event::RelayRedirected { .. }
                    | Event::RelayRefused { .. }
            )
        };
        self.workers[at].events.iter().filter(is_relays).copied().collect()
    }

    /// SplitMix64.
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

pub fn peer(at: WorkerIndex) -> PeerId {
    PeerId(0xb007_0000_0000_0000 + at as u64)
}

pub fn address(at: WorkerIndex) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(10, 1, (at >> 8) as u8, at as u8), 7_000))
}

/// How a worker sees a datagram of another.
pub fn route(from: WorkerIndex, to: WorkerIndex) -> Route {
    Route::Udp { remote: address(from), local: Some(address(to).ip()) }
}

fn worker_of(address: SocketAddr) -> WorkerIndex {
    match address.ip() {
        IpAddr::V4(ip) => usize::from(ip.octets()[2]) << 8 | usize::from(ip.octets()[3]),
        IpAddr::V6(_) => panic!("workers have IPv4 addresses here"),
    }
}

pub fn peer_spec(own: WorkerIndex, of: WorkerIndex) -> PeerSpec {
    PeerSpec { peer: peer(of), own: peer(own), addresses: vec![address(of)], seal: key(own, of), open: key(of, own) }
}

/// Of what `from` sends to `to`.
fn key(from: WorkerIndex, to: WorkerIndex) -> RelayKey {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&(from as u64).to_be_bytes());
    key[8..].copy_from_slice(&(to as u64).to_be_bytes());
    RelayKey { key, salt: [from as u8 ^ 0x5a; 12] }
}

/// As `relay/seal.rs` has it, written once more.
fn seal(key: &RelayKey, counter: u64, message: &[u8]) -> Vec<u8> {
    let clear = [&[0x40][..], &counter.to_be_bytes()].concat();
    let mut nonce = key.salt;
    nonce[4..].iter_mut().zip(counter.to_be_bytes()).for_each(|(byte, of)| *byte ^= of);
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key.key).expect("16 bytes"));
    let mut sealed = message.to_vec();
    let nonce = Nonce::assume_unique_for_key(nonce);
    cipher.seal_in_place_append_tag(nonce, Aad::from(&clear), &mut sealed).expect("short");
    [clear, sealed].concat()
}
