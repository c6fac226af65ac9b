//! Owns scenarios of one room, in which each stream has viewers of its own.

mod crowd;

use std::time::{Duration, Instant};

use anyhow::Result;
use chappe_sfu_core::dtls::Certificate;

use crate::http::Server;
use crate::publisher::{Publisher, Shape};
use crate::stage::{Stage, stream_name};
use crate::viewer::Viewer;

pub use crowd::Crowd;

/// How many publish, and how many watch each of them.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    pub publishers: usize,
    pub viewers_each: usize,
    pub shape: Shape,
}

/// How a viewer of a stream in a room comes.
type Join = fn(&Server, &Certificate, &str, &str) -> Result<Viewer>;

/// The clients of a scenario while they are connected.
pub type ScenarioClients = Stage<Viewer>;

impl Scenario {
    pub fn viewers(&self) -> usize {
        self.publishers * self.viewers_each
    }
}

impl ScenarioClients {
    /// Connects the publishers; viewers come with [`ScenarioClients::add_viewers`].
    pub fn publish(server: &Server, room: &str, scenario: Scenario) -> Result<ScenarioClients> {
        let mut fleet = ScenarioClients::empty(server, room)?;
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
        self.add_each(count, Viewer::join)
    }

    /// The same of viewers that tell of each packet when it came.
    pub fn add_telling(&mut self, count: usize) -> Result<Vec<Duration>> {
        self.add_each(count, Viewer::join_and_tell)
    }

    fn add_each(&mut self, count: usize, join: Join) -> Result<Vec<Duration>> {
        let asked = Instant::now();
        let names = (0..self.airing.len()).map(stream_name);
        let wanted = names.flat_map(|name| std::iter::repeat_n(name, count)).collect::<Vec<_>>();
        let known = self.watchers.len();
        self.add(&wanted, "", join)?;
        self.drive_until("viewers get their first packet", |fleet| {
            fleet.watchers.iter().skip(known).all(|viewer| viewer.tally().first_packet.is_some())
        })?;
        let firsts = self.watchers.iter().skip(known).filter_map(|viewer| viewer.tally().first_packet);
        Ok(firsts.map(|first| first.duration_since(asked)).collect())
    }

    /// Has `count` viewers connect who wait for a stream that never comes, and maybe want signs of life meanwhile.
    pub fn add_waiting(&mut self, count: usize, alive_ms: Option<u64>) -> Result<()> {
        let known = self.watchers.len();
        let alive = alive_ms.map(|ms| format!("&alive_ms={ms}")).unwrap_or_default();
        self.add(&vec!["nobody".to_owned(); count], &format!("?wait=1{alive}"), Viewer::join)?;
        self.drive_until("viewers connect", |fleet| fleet.watchers.iter().skip(known).all(Viewer::is_connected))
    }

    /// One viewer of each of these streams, with these options of WHEP.
    fn add(&mut self, streams: &[String], options: &str, join: Join) -> Result<()> {
        let (server, certificate, room) = (self.server.clone(), self.certificate.clone(), self.room.clone());
        self.join(streams, |stream| join(&server, &certificate, &room, &format!("{stream}{options}")))
    }
}
