//! Owns rooms full of synthetic members, each with one session for all that it watches, driven by one thread on a tick.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use chappe_sfu_core::dtls::Certificate;

use crate::POLL_TICK;
use crate::airing::Airing;
use crate::http::Server;
use crate::party::Party;
use crate::publisher::{Publisher, Shape};
use crate::viewer::Tally;

/// Several rooms of the same kind.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub rooms: usize,
    pub members: usize,
    /// How many of each room's members publish the first shape, and how many the second.
    pub publishers: [(usize, Shape); 2],
    /// Others that one member watches at most.
    pub seats: usize,
}

pub struct Rooms {
    server: Server,
    airing: Airing,
    parties: Vec<Party>,
    next_poll: Instant,
}

impl Plan {
    fn shapes(&self) -> impl Iterator<Item = Shape> {
        self.publishers.into_iter().flat_map(|(count, shape)| std::iter::repeat_n(shape, count))
    }

    /// Numbers of the streams that a member watches: those of the others, in order, as many as there are seats.
    pub fn watched_by(&self, member: usize) -> impl Iterator<Item = usize> {
        (0..self.shapes().count()).filter(move |stream| *stream != member).take(self.seats)
    }

    /// Packets per second to all members of all rooms.
    pub fn packets_per_second(&self) -> f64 {
        let rates: Vec<f64> = self.shapes().map(|shape| shape.burst() as f64 / shape.step().as_secs_f64()).collect();
        let of_member = |member| self.watched_by(member).filter_map(|stream| rates.get(stream)).sum::<f64>();
        self.rooms as f64 * (0..self.members).map(of_member).sum::<f64>()
    }
}

impl Rooms {
    /// Returns when every member has had a packet of every stream that it watches.
    pub fn open(server: &Server, name: &str, plan: Plan) -> Result<Rooms> {
        let certificate = Certificate::generate()?;
        let mut rooms =
            Rooms { server: server.clone(), airing: Airing::default(), parties: Vec::new(), next_poll: Instant::now() };
        let all = plan.rooms * plan.shapes().count();
        for room in 0..plan.rooms {
            for (number, shape) in plan.shapes().enumerate() {
                let publisher =
                    Publisher::join(server, &certificate, &room_name(name, room), &stream_name(number), shape)?;
                let share = rooms.airing.len() as f64 / all.max(1) as f64;
                rooms.airing.add(publisher, shape, share);
            }
        }
        rooms.drive_until("publishers connect", |rooms| rooms.airing.are_connected())?;
        rooms.join(name, plan, &certificate)?;
        rooms.drive_until("members get their first packets", |rooms| rooms.parties.iter().all(Party::has_all))?;
        Ok(rooms)
    }

    fn join(&mut self, name: &str, plan: Plan, certificate: &Certificate) -> Result<()> {
        let members: Vec<(usize, usize)> =
            (0..plan.rooms).flat_map(|room| (0..plan.members).map(move |member| (room, member))).collect();
        let server = self.server.clone();
        std::thread::scope(|scope| {
            let (joined, arrivals) = mpsc::channel();
            for share in members.chunks(members.len().div_ceil(JOIN_THREADS).max(1)) {
                let (joined, server) = (joined.clone(), &server);
                scope.spawn(move || {
                    for &(room, member) in share {
                        let streams: Vec<String> = plan.watched_by(member).map(stream_name).collect();
                        let kind = plan.publishers[0].1.kind;
                        let party = Party::join(server, certificate, &room_name(name, room), &streams, kind);
                        if joined.send(party).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(joined);
            while self.parties.len() < members.len() {
                self.drive(Instant::now() + POLL_TICK)?;
                for party in arrivals.try_iter() {
                    self.parties.push(party?);
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
                self.parties.iter_mut().try_for_each(Party::turn)?;
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
        self.parties.iter_mut().for_each(Party::forget);
    }

    /// One for each stream that each member watches.
    pub fn tallies(&self) -> impl Iterator<Item = &Tally> {
        self.parties.iter().flat_map(Party::tallies)
    }

    pub fn leave(self) -> Result<()> {
        self.parties.into_iter().for_each(Party::leave);
        self.airing.leave(&self.server)
    }

    fn drive_until(&mut self, what: &str, done: impl Fn(&Rooms) -> bool) -> Result<()> {
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

fn room_name(name: &str, number: usize) -> String {
    format!("{name}-{number}")
}

fn stream_name(number: usize) -> String {
    format!("s{number}")
}

/// Members who join at once.
const JOIN_THREADS: usize = 16;
const CONNECT_LIMIT: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offer::Kind;
    use crate::publisher::Pacing;

    #[test]
    fn nobody_watches_himself_and_everybody_watches_as_many_as_there_are_seats() {
        let shape = |millis| Shape {
            kind: Kind::Audio,
            packets_per_frame: 1,
            packet_bytes: 100,
            frame_period: Duration::from_millis(millis),
            pacing: Pacing::Burst,
        };
        let plan = Plan { rooms: 2, members: 4, publishers: [(1, shape(20)), (2, shape(100))], seats: 2 };
        let watched: Vec<Vec<usize>> = (0..4).map(|member| plan.watched_by(member).collect()).collect();
        assert_eq!(watched, [vec![1, 2], vec![0, 2], vec![0, 1], vec![0, 1]]);
        // 20 + 60 + 60 + 60 in each room.
        assert!((plan.packets_per_second() - 400.0).abs() < 1e-6, "{}", plan.packets_per_second());
    }
}
