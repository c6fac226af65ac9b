//! Owns synthetic clients: one publisher and many viewers of its stream on several servers, all of whom come back when
//! their session dies, as plain WHIP and WHEP clients do. Never asks a server how it is.

mod broadcaster;
mod joiner;
mod plan;
mod report;
mod subscriber;
mod vigil;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use chappe_sfu_core::dtls::Certificate;

pub use broadcaster::Broadcaster;
pub use plan::ClientsPlan;
pub use report::{ClientsReport, ViewerReport};

use crate::POLL_TICK;
use crate::http::Server;
use joiner::Joiner;
use subscriber::Subscriber;

pub struct Clients {
    broadcaster: Option<Broadcaster>,
    subscribers: Vec<Subscriber>,
    joiner: Joiner,
    next_poll: Instant,
}

impl Clients {
    /// Publishes, and begins to join the viewers.
    pub fn start(plan: &ClientsPlan) -> Result<Clients> {
        let mut clients = Clients::publish(plan)?;
        clients.drive_until("the publisher connects", Clients::is_on_air)?;
        clients.begin_to_watch(plan);
        Ok(clients)
    }

    /// Begins to publish; returns before anything is connected.
    pub fn publish(plan: &ClientsPlan) -> Result<Clients> {
        let certificate = Certificate::generate()?;
        let broadcaster = match plan.whip.as_slice() {
            [] => None,
            _ => Some(Broadcaster::start(plan, certificate.clone())),
        };
        Ok(Clients {
            broadcaster,
            subscribers: Vec::new(),
            joiner: Joiner::start(plan, certificate),
            next_poll: Instant::now(),
        })
    }

    /// The publisher has sent something, or there is none.
    pub fn is_on_air(&self) -> bool {
        self.broadcaster.as_ref().is_none_or(|broadcaster| broadcaster.sent() > 0)
    }

    /// The publisher was told what asking again does not change.
    pub fn is_refused(&self) -> bool {
        self.broadcaster.as_ref().is_some_and(Broadcaster::is_refused)
    }

    pub fn begin_to_watch(&mut self, plan: &ClientsPlan) {
        let (now, servers) = (Instant::now(), plan.whep.len().max(1));
        let subscriber = |number: usize| {
            let after = plan.ramp.mul_f64(number as f64 / plan.viewers.max(1) as f64);
            Subscriber::new(number, number % servers, now + after)
        };
        self.subscribers = (0..plan.viewers).map(subscriber).collect();
    }

    /// Viewers that have had a packet.
    pub fn watching(&self) -> usize {
        self.subscribers.iter().filter(|subscriber| subscriber.has_media()).count()
    }

    /// What was counted of each viewer's packets; cheaper than a report.
    pub fn packets(&self) -> u64 {
        self.subscribers.iter().map(Subscriber::packets).sum()
    }

    /// Waits until every viewer has had a packet.
    pub fn gather(&mut self) -> Result<()> {
        self.drive_until("each viewer has a packet", |clients| clients.subscribers.iter().all(Subscriber::has_media))
    }

    /// Keeps everyone going until `until`.
    pub fn drive(&mut self, until: Instant) {
        loop {
            let now = Instant::now();
            if self.next_poll <= now {
                self.turn(now);
                self.next_poll = now + POLL_TICK;
            }
            if now >= until {
                return;
            }
            std::thread::sleep(self.next_poll.min(until).saturating_duration_since(Instant::now()));
        }
    }

    /// Starts counting anew.
    pub fn forget(&mut self) {
        self.subscribers.iter_mut().for_each(Subscriber::forget);
        if let Some(broadcaster) = &self.broadcaster {
            broadcaster.forget();
        }
    }

    pub fn report(&self) -> ClientsReport {
        let servers = self.joiner.servers();
        let viewers = self
            .subscribers
            .iter()
            .map(|subscriber| subscriber.report(servers.get(subscriber.server()).map_or("", Server::public)));
        ClientsReport::new(viewers.collect(), self.broadcaster.as_ref().map(Broadcaster::report))
    }

    /// Everyone says goodbye, so that no server waits for them.
    pub fn leave(mut self) {
        self.subscribers.iter_mut().for_each(Subscriber::leave);
        if let Some(broadcaster) = self.broadcaster.take() {
            broadcaster.leave();
        }
    }

    /// Reads all that waits and does what is due.
    pub fn turn(&mut self, now: Instant) {
        let servers = self.joiner.servers().len();
        for (ask, viewer) in self.joiner.joined() {
            if let Some(subscriber) = self.subscribers.get_mut(ask.viewer) {
                subscriber.take(now, servers, &ask, viewer);
            }
        }
        for subscriber in &mut self.subscribers {
            if let Some(ask) = subscriber.turn(now, servers) {
                self.joiner.ask(ask);
            }
        }
    }

    fn drive_until(&mut self, what: &str, done: impl Fn(&Clients) -> bool) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        while !done(self) {
            if Instant::now() >= deadline {
                let why = self.report().last_error.unwrap_or_default();
                bail!("not done within {START_LIMIT:?}: {what} {why}");
            }
            self.drive(Instant::now() + POLL_TICK);
        }
        Ok(())
    }
}

const START_LIMIT: Duration = Duration::from_secs(30);
