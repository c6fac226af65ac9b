//! Owns a running scenario: publishers and viewers of one room, driven by one thread on a tick.

mod crowd;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use chappe_sfu_core::dtls::Certificate;

use crate::POLL_TICK;
use crate::airing::Airing;
use crate::http::Server;
use crate::publisher::{Publisher, Shape};
use crate::viewer::{Tally, Viewer};

pub use crowd::Crowd;

/// How many publish, and how many watch each of them.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    pub publishers: usize,
    pub viewers_each: usize,
    pub shape: Shape,
}

/// The clients of a scenario while they are connected.
pub struct Fleet {
    server: Server,
    certificate: Certificate,
    room: String,
    airing: Airing,
    viewers: Vec<Viewer>,
    next_poll: Instant,
}

impl Scenario {
    pub fn viewers(&self) -> usize {
        self.publishers * self.viewers_each
    }
}

impl Fleet {
    /// Connects the publishers; viewers come with [`Fleet::add_viewers`].
    pub fn publish(server: &Server, room: &str, scenario: Scenario) -> Result<Fleet> {
        let certificate = Certificate::generate()?;
        let mut fleet = Fleet {
            server: server.clone(),
            certificate,
            room: room.to_owned(),
            airing: Airing::default(),
            viewers: Vec::new(),
            next_poll: Instant::now(),
        };
        for number in 0..scenario.publishers {
            let publisher = Publisher::join(server, &fleet.certificate, room, &stream_name(number), scenario.shape)?;
            fleet.airing.add(publisher, scenario.shape, number as f64 / scenario.publishers as f64);
        }
        fleet.drive_until("publishers connect", |fleet| fleet.airing.are_connected())?;
        Ok(fleet)
    }

    /// Has `count` viewers of each stream join at once; returns the time from the first request until each
    /// had its first packet.
    pub fn add_viewers(&mut self, count: usize) -> Result<Vec<Duration>> {
        let asked = Instant::now();
        let names = (0..self.airing.len()).map(stream_name);
        let wanted = names.flat_map(|name| std::iter::repeat_n(name, count)).collect::<Vec<_>>();
        let known = self.viewers.len();
        self.join(&wanted, "")?;
        self.drive_until("viewers get their first packet", |fleet| {
            fleet.viewers.iter().skip(known).all(|viewer| viewer.tally().first_packet.is_some())
        })?;
        let firsts = self.viewers.iter().skip(known).filter_map(|viewer| viewer.tally().first_packet);
        Ok(firsts.map(|first| first.duration_since(asked)).collect())
    }

    /// Has `count` viewers connect who wait for a stream that never comes, and maybe want signs of life meanwhile.
    pub fn add_waiting(&mut self, count: usize, alive_ms: Option<u64>) -> Result<()> {
        let known = self.viewers.len();
        let alive = alive_ms.map(|ms| format!("&alive_ms={ms}")).unwrap_or_default();
        self.join(&vec!["nobody".to_owned(); count], &format!("?wait=1{alive}"))?;
        self.drive_until("viewers connect", |fleet| fleet.viewers.iter().skip(known).all(Viewer::is_connected))
    }

    /// One viewer of each of these streams, with these options of WHEP.
    fn join(&mut self, streams: &[String], options: &str) -> Result<()> {
        let (server, certificate, room) = (self.server.clone(), self.certificate.clone(), self.room.clone());
        std::thread::scope(|scope| -> Result<()> {
            let (joined, arrivals) = std::sync::mpsc::channel();
            for share in streams.chunks(streams.len().div_ceil(JOIN_THREADS).max(1)) {
                let (joined, server, certificate, room) = (joined.clone(), &server, &certificate, &room);
                scope.spawn(move || {
                    for stream in share {
                        let stream = format!("{stream}{options}");
                        if joined.send(Viewer::join(server, certificate, room, &stream)).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(joined);
            let mut waiting = streams.len();
            while waiting > 0 {
                self.drive(Instant::now() + POLL_TICK)?;
                for viewer in arrivals.try_iter() {
                    self.viewers.push(viewer?);
                    waiting -= 1;
                }
            }
            Ok(())
        })
    }

    /// Sends frames and polls sockets until `until`.
    pub fn drive(&mut self, until: Instant) -> Result<()> {
        loop {
            let now = Instant::now();
            self.airing.send(now);
            if self.next_poll <= now {
                self.poll()?;
                self.next_poll = now + POLL_TICK;
            }
            if now >= until {
                return Ok(());
            }
            let next = self.airing.next(self.next_poll.min(until));
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    }

    pub fn forget(&mut self) {
        self.viewers.iter_mut().for_each(Viewer::forget);
    }

    pub fn tallies(&self) -> impl Iterator<Item = &Tally> {
        self.viewers.iter().map(Viewer::tally)
    }

    pub fn leave(self) -> Result<()> {
        self.viewers.into_iter().try_for_each(|viewer| viewer.leave(&self.server))?;
        self.airing.leave(&self.server)
    }

    fn poll(&mut self) -> Result<()> {
        self.airing.poll()?;
        self.viewers.iter_mut().try_for_each(Viewer::turn)
    }

    fn drive_until(&mut self, what: &str, done: impl Fn(&Fleet) -> bool) -> Result<()> {
        let deadline = Instant::now() + CONNECT_LIMIT;
        while !done(self) {
            if Instant::now() >= deadline {
                bail!("not done within {CONNECT_LIMIT:?}: {what}");
            }
            self.drive(Instant::now() + POLL_TICK)?;
        }
        Ok(())
    }
}

fn stream_name(number: usize) -> String {
    format!("s{number}")
}

/// HTTP requests under way at once.
const JOIN_THREADS: usize = 16;
const CONNECT_LIMIT: Duration = Duration::from_secs(20);
