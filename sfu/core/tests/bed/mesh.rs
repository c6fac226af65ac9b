//! Several SFUs in one virtual time, and the network between them: it loses, delays, reorders, repeats and cuts
//! by a seed.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use chappe_sfu_core::{Epoch, Event, MediaKind, OriginSpec, PeerId, PeerSpec, RelayKey, Route, TrackId};

use super::{Bed, Who};

pub struct Mesh {
    pub beds: Vec<Bed>,
    paths: HashMap<(Place, Place), Path>,
    /// By arrival, then by order of sending.
    in_flight: BTreeMap<(Instant, u64), (Place, Place, Vec<u8>)>,
    sent: u64,
    random: u64,
    /// Datagrams that were put on the wire, by path.
    pub count: HashMap<(Place, Place), usize>,
    /// All of them, if somebody wants to look.
    pub tapped: Option<Vec<(Place, Place, Vec<u8>)>>,
}

/// Position in [`Mesh::beds`].
pub type Place = usize;

/// One direction between two workers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Path {
    pub loss_percent: u64,
    pub delay_ms: u64,
    /// Each is delayed by up to this much more, on its own.
    pub jitter_ms: u64,
    pub repeat_percent: u64,
    pub cut: bool,
}

impl Mesh {
    /// Workers that know each other.
    pub fn new(count: usize, seed: u64) -> Mesh {
        let mut mesh = Mesh::of_strangers(count, seed);
        for a in 0..count {
            for b in a + 1..count {
                mesh.introduce(a, b);
            }
        }
        mesh
    }

    pub fn of_strangers(count: usize, seed: u64) -> Mesh {
        let mut beds: Vec<Bed> = (0..count).map(|_| Bed::new()).collect();
        let now = beds[0].now;
        for (at, bed) in beds.iter_mut().enumerate() {
            // No two wall clocks agree.
            bed.now = now;
            bed.now.unix += Duration::from_secs(1_000 * at as u64);
        }
        Mesh {
            beds,
            paths: HashMap::new(),
            in_flight: BTreeMap::new(),
            sent: 0,
            random: seed,
            count: HashMap::new(),
            tapped: None,
        }
    }

    pub fn introduce(&mut self, a: Place, b: Place) {
        for (own, peer) in [(a, b), (b, a)] {
            let now = self.beds[own].now;
            self.beds[own].sfu.set_peer(now, peer_spec(own, peer)).expect("a peer is taken");
        }
    }

    /// Both directions.
    pub fn set_path(&mut self, a: Place, b: Place, path: Path) {
        self.paths.insert((a, b), path);
        self.paths.insert((b, a), path);
    }

    pub fn set_all(&mut self, path: Path) {
        for a in 0..self.beds.len() {
            for b in 0..self.beds.len() {
                self.paths.insert((a, b), path);
            }
        }
    }

    pub fn set_origin(&mut self, at: Place, track: TrackId, kind: MediaKind, from: Place) {
        self.set_origin_of(at, OriginSpec { track, kind, peer: peer(from), epoch: Epoch(1) });
    }

    pub fn set_origin_of(&mut self, at: Place, spec: OriginSpec) {
        let now = self.beds[at].now;
        self.beds[at].sfu.set_origin(now, spec).expect("an origin is taken");
    }

    /// A client joins a worker; time passes for the others too.
    pub fn join(&mut self, at: Place, media: chappe_sfu_core::Media) -> Who {
        let who = self.beds[at].join(media);
        self.catch_up();
        who
    }

    /// All workers reach the time of the one that is furthest.
    pub fn catch_up(&mut self) {
        let latest = self.beds.iter().map(|bed| bed.now.mono).max().expect("there are workers");
        let earliest = self.beds.iter().map(|bed| bed.now.mono).min().expect("there are workers");
        for _ in 0..(latest - earliest).as_millis() {
            for bed in &mut self.beds {
                if bed.now.mono < latest {
                    bed.run(Duration::from_millis(1));
                }
            }
            self.carry();
        }
    }

    pub fn run(&mut self, span: Duration) {
        for _ in 0..span.as_millis() {
            for bed in &mut self.beds {
                bed.run(Duration::from_millis(1));
            }
            self.carry();
        }
    }

    /// What has arrived by now is received, and so is what that leads to.
    pub fn carry(&mut self) {
        loop {
            self.collect();
            let now = self.beds.iter().map(|bed| bed.now.mono).max().expect("there are workers");
            let Some(entry) = self.in_flight.first_entry().filter(|entry| entry.key().0 <= now) else { return };
            let (from, to, mut datagram) = entry.remove();
            let bed = &mut self.beds[to];
            bed.sfu.handle_datagram(bed.now, route(from, to), &mut datagram);
            bed.exchange();
        }
    }

    fn collect(&mut self) {
        for from in 0..self.beds.len() {
            for (at, remote, datagram) in std::mem::take(&mut self.beds[from].wire) {
                let to = place(remote);
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

    pub fn send(&mut self, at: Place, who: Who, packet: &super::Packet) {
        self.beds[at].send(who, packet);
        self.carry();
    }

    /// A frame, 33 ms after the last; returns when it was sent.
    pub fn frame(&mut self, at: Place, who: Who, camera: &mut super::Camera, count: usize, keyframe: bool) -> Instant {
        let sent = self.beds[at].now.mono;
        for packet in camera.frame(count, keyframe) {
            self.beds[at].clients[who].send(&packet);
        }
        self.beds[at].exchange();
        self.carry();
        self.run(Duration::from_millis(33));
        sent
    }

    /// A message with the right keys, as a worker with a fault would send it from 0 to 1.
    pub fn deliver(&mut self, counter: u64, message: &[u8]) {
        let mut datagram = seal(&peer_spec(0, 1).seal, counter, message);
        let bed = &mut self.beds[1];
        bed.sfu.handle_datagram(bed.now, route(0, 1), &mut datagram);
    }

    pub fn events(&self, at: Place) -> Vec<Event> {
        let is_relays = |event: &&Event| {
            matches!(
                event,
                Event::PeerLost { .. }
                    | Event::PeerFound { .. }
                    | Event::RelayRedirected { .. }
                    | Event::RelayRefused { .. }
            )
        };
        self.beds[at].events.iter().filter(is_relays).copied().collect()
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

pub fn peer(at: Place) -> PeerId {
    PeerId(0xb007_0000_0000_0000 + at as u64)
}

pub fn address(at: Place) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(10, 1, (at >> 8) as u8, at as u8), 7_000))
}

/// How a worker sees a datagram of another.
pub fn route(from: Place, to: Place) -> Route {
    Route::Udp { remote: address(from), local: Some(address(to).ip()) }
}

fn place(address: SocketAddr) -> Place {
    match address.ip() {
        IpAddr::V4(ip) => usize::from(ip.octets()[2]) << 8 | usize::from(ip.octets()[3]),
        IpAddr::V6(_) => panic!("workers have IPv4 addresses here"),
    }
}

pub fn peer_spec(own: Place, of: Place) -> PeerSpec {
    PeerSpec { peer: peer(of), own: peer(own), addresses: vec![address(of)], seal: key(own, of), open: key(of, own) }
}

/// Of what `from` sends to `to`.
fn key(from: Place, to: Place) -> RelayKey {
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
