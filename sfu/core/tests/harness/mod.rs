//! One SFU and its clients in virtual time: no sockets, no clock but the first reading, one seed.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::panic, reason = "a test stops at the first surprise")]

pub mod adapting;
pub mod cameras;
pub mod client;
pub mod encoders;

pub mod lines;
pub mod mesh;
pub mod relays;
pub mod scalable;
pub mod scene;
pub mod slow_line;
pub mod stream_reports;
pub mod studio;
pub mod viewers;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use chappe_sfu_core::{
    Certificate, ConnectionId, DtlsRole, Epoch, Event, ExtensionMap, IceCredentials, LOUDEST_DEFAULT, Media, Now,
    Route, SessionId, SessionSpec, Sfu, SfuConfig,
};

pub use client::Client;
pub use lines::*;
#[allow(unused_imports, reason = "only relays need more than one worker")]
pub use mesh::Mesh;
pub use slow_line::SlowLine;

pub struct Harness {
    pub sfu: Sfu,
    pub now: Now,
    pub clients: Vec<Client>,
    pub events: Vec<Event>,
    /// What left for other workers, and when.
    pub wire: Vec<(Instant, SocketAddr, Vec<u8>)>,
    /// Who has the address that a client was born at, where it is not that client.
    heirs: Vec<(Who, Who)>,
    /// What of the way to a client is worth simulating.
    pub slow_lines: BTreeMap<Who, SlowLine>,
    /// What sessions that are opened from now on ask for.
    pub alive: Option<Duration>,
    certificate: Certificate,
    /// Of all clients that are opened from now on: to make one takes longer than a handshake.
    pub client_certificate: Certificate,
}

/// Position in [`Harness::clients`].
pub type Who = usize;

impl Harness {
    pub fn new() -> Harness {
        let certificate = Certificate::generate().expect("a certificate");
        let config =
            SfuConfig { certificate: certificate.clone(), sessions_max: 2_000, loudest: LOUDEST_DEFAULT, seed: 7 };
        let now = Now { mono: start(), unix: Duration::from_secs(1_700_000_000) };
        let client_certificate = Certificate::generate().expect("a certificate");
        Harness {
            sfu: Sfu::new(config),
            now,
            clients: Vec::new(),
            events: Vec::new(),
            wire: Vec::new(),
            heirs: Vec::new(),
            slow_lines: BTreeMap::new(),
            alive: None,
            certificate,
            client_certificate,
        }
    }

    /// Opens a session and lets its client connect.
    pub fn join(&mut self, media: Media) -> Who {
        let who = self.open(media);
        self.connect(who);
        who
    }

    /// Lets the client of an open session connect.
    pub fn connect(&mut self, who: Who) {
        for _ in 0..400 {
            if self.clients[who].is_ready() {
                // The last DTLS flight reaches the SFU.
                return self.run(Duration::from_millis(2));
            }
            self.run(Duration::from_millis(1));
        }
        panic!("client {who} did not connect");
    }

    pub fn open(&mut self, media: Media) -> Who {
        self.open_from(client::tcp_route(self.clients.len() as u32), media)
    }

    /// The connection of the route is that of the next client.
    pub fn open_from(&mut self, route: Route, media: Media) -> Who {
        let who = self.clients.len();
        let local = IceCredentials { ufrag: format!("srv{who:05}"), pwd: format!("server-password-{who:010}") };
        let remote = IceCredentials { ufrag: format!("cli{who:05}"), pwd: format!("client-password-{who:010}") };
        let credentials = (remote.clone(), local.clone());
        let client = Client::new(self.now, (who, route), credentials, &self.client_certificate, &self.certificate);
        let spec = SessionSpec {
            session: session(who),
            epoch: Epoch(1),
            local_ice: local,
            remote_ice: remote,
            dtls_role: DtlsRole::Server,
            remote_fingerprints: vec![client.fingerprint()],
            media,
            alive: self.alive,
        };
        self.sfu.open_session(self.now, spec).expect("a session opens");
        self.clients.push(client);
        who
    }

    /// A client uses the socket of another one, which is gone.
    pub fn inherit(&mut self, heir: Who, from: Who) {
        let (now, route) = (self.now, self.clients[from].route);
        self.clients[from].sends_left = Some(0);
        self.clients[heir].route = route;
        self.clients[heir].move_to(now, route);
        self.heirs.push((from, heir));
    }

    pub fn set_media(&mut self, who: Who, media: Media) {
        self.sfu.set_media(self.now, session(who), Epoch(1), media).expect("media is accepted");
        self.exchange();
    }

    /// Virtual time passes in steps of a millisecond.
    pub fn run(&mut self, span: Duration) {
        let end = self.now.mono + span;
        while self.now.mono < end {
            self.now = self.now.after(Duration::from_millis(1));
            if self.sfu.poll_timeout().is_some_and(|at| at <= self.now.mono) {
                self.sfu.handle_timeout(self.now);
            }
            for (who, line) in &mut self.slow_lines {
                while let Some(datagram) = line.arrived(self.now.mono) {
                    self.clients[*who].handle_datagram(self.now, &datagram);
                }
            }
            for client in &mut self.clients {
                client.handle_timeout(self.now);
            }
            self.exchange();
        }
    }

    /// Datagrams travel at once until nobody has any.
    pub fn exchange(&mut self) {
        loop {
            let mut is_quiet = true;
            for who in 0..self.clients.len() {
                while let Some((route, mut datagram)) = self.clients[who].take_outgoing() {
                    is_quiet = false;
                    self.sfu.handle_datagram(self.now, route, &mut datagram);
                }
            }
            loop {
                let more = self.sfu.flush(self.now);
                self.deliver();
                if !more {
                    break;
                }
            }
            if is_quiet {
                break;
            }
        }
        while let Some(event) = self.sfu.poll_event() {
            self.events.push(event);
        }
    }

    pub fn deliver(&mut self) {
        for run in self.sfu.egress().runs() {
            for segment in run.segments() {
                match run.route {
                    Route::Tcp { connection: ConnectionId(who), .. } => {
                        let heir = self.heirs.iter().rfind(|(born, _)| *born == who as Who);
                        let who = heir.map_or(who as Who, |(_, heir)| *heir);
                        match self.slow_lines.get_mut(&who) {
                            Some(line) => line.send(self.now.mono, segment),
                            None => self.clients[who].handle_datagram(self.now, segment),
                        }
                    }
                    Route::Udp { remote, .. } => self.wire.push((self.now.mono, remote, segment.to_vec())),
                }
            }
        }
        self.sfu.egress().clear();
    }

    /// Sends one media packet from a client and lets it arrive.
    pub fn send(&mut self, who: Who, packet: &Packet) {
        self.clients[who].send(packet);
        self.exchange();
    }

    /// Frames whose packets come so close together that waiting for the next one pays.
    pub fn frames_in_company(&mut self, who: Who, camera: &mut Camera) {
        for packet in (0..3).flat_map(|_| camera.frame(5, false)) {
            self.send(who, &packet);
            self.now = self.now.after(Duration::from_micros(100));
        }
        self.run(Duration::from_millis(33));
    }

    /// One frame of `count` packets, 33 ms after the last.
    pub fn frame(&mut self, who: Who, camera: &mut Camera, count: usize, keyframe: bool) {
        for packet in camera.frame(count, keyframe) {
            self.clients[who].send(&packet);
        }
        self.exchange();
        self.run(Duration::from_millis(33));
    }
}

pub fn session(who: Who) -> SessionId {
    SessionId(0, who as u128 + 1)
}

#[allow(clippy::disallowed_methods, reason = "there is no other way to a first Instant")]
pub fn start() -> Instant {
    Instant::now()
}

pub fn no_media() -> Media {
    Media { extensions: ExtensionMap::empty(), reports_streams: false, receive: Vec::new(), send: Vec::new() }
}
