//! Owns publishers and those who watch them while they are connected, driven by one thread on a tick.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use chappe_sfu_core::dtls::Certificate;

use crate::POLL_TICK;
use crate::airing::Airing;
use crate::http::Server;
use crate::tally::Tally;
use crate::telling::ToldCount;

/// Who watches, over one session.
pub trait Watcher: Send {
    /// Reads all that waits, and answers it.
    fn turn(&mut self) -> Result<()>;

    /// Of each stream that it has seen.
    fn tallies(&self) -> impl Iterator<Item = &Tally>;

    /// What it told of the packets that it got.
    fn told(&self) -> ToldCount {
        ToldCount::default()
    }

    /// Starts counting anew, as at the start of a measurement.
    fn forget(&mut self);

    fn leave(self, server: &Server) -> Result<()>;
}

pub struct Stage<W> {
    pub(crate) server: Server,
    pub(crate) certificate: Certificate,
    pub(crate) room: String,
    pub(crate) airing: Airing,
    pub(crate) watchers: Vec<W>,
    next_poll: Instant,
}

impl<W: Watcher> Stage<W> {
    /// With nobody on it. `room` is the name of the room, or what the names of several begin with.
    pub(crate) fn empty(server: &Server, room: &str) -> Result<Stage<W>> {
        Ok(Stage {
            server: server.clone(),
            certificate: Certificate::generate()?,
            room: room.to_owned(),
            airing: Airing::default(),
            watchers: Vec::new(),
            next_poll: Instant::now(),
        })
    }

    /// One watcher for each that is wanted, some at once, while those who are there go on.
    pub(crate) fn join<J: Sync>(&mut self, wanted: &[J], join: impl Fn(&J) -> Result<W> + Sync) -> Result<()> {
        std::thread::scope(|scope| {
            let (joined, arrivals) = mpsc::channel();
            for share in wanted.chunks(wanted.len().div_ceil(JOIN_THREADS).max(1)) {
                let (joined, join) = (joined.clone(), &join);
                scope.spawn(move || share.iter().try_for_each(|one| joined.send(join(one))));
            }
            drop(joined);
            let mut waiting = wanted.len();
            while waiting > 0 {
                self.drive(Instant::now() + POLL_TICK)?;
                for watcher in arrivals.try_iter() {
                    self.watchers.push(watcher?);
                    waiting -= 1;
                }
            }
            Ok(())
        })
    }

    /// Sends what is due and polls sockets until `until`.
    pub fn drive(&mut self, until: Instant) -> Result<()> {
        loop {
            let now = Instant::now();
            self.airing.send(now);
            if self.next_poll <= now {
                self.airing.poll()?;
                self.watchers.iter_mut().try_for_each(Watcher::turn)?;
                self.next_poll = now + POLL_TICK;
            }
            if now >= until {
                return Ok(());
            }
            let next = self.airing.next(self.next_poll.min(until));
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    }

    pub(crate) fn drive_until(&mut self, what: &str, done: impl Fn(&Stage<W>) -> bool) -> Result<()> {
        let deadline = Instant::now() + CONNECT_LIMIT;
        while !done(self) {
            if Instant::now() >= deadline {
                bail!("not done within {CONNECT_LIMIT:?}: {what}");
            }
            self.drive(Instant::now() + POLL_TICK)?;
        }
        Ok(())
    }

    pub fn forget(&mut self) {
        self.watchers.iter_mut().for_each(Watcher::forget);
    }

    pub fn tallies(&self) -> impl Iterator<Item = &Tally> {
        self.watchers.iter().flat_map(Watcher::tallies)
    }

    /// What all watchers told.
    pub fn told(&self) -> ToldCount {
        self.watchers.iter().map(Watcher::told).sum()
    }

    pub fn leave(self) -> Result<()> {
        self.watchers.into_iter().try_for_each(|watcher| watcher.leave(&self.server))?;
        self.airing.leave(&self.server)
    }
}

pub(crate) fn stream_name(number: usize) -> String {
    format!("s{number}")
}

/// Requests under way at once.
const JOIN_THREADS: usize = 16;
const CONNECT_LIMIT: Duration = Duration::from_secs(20);
