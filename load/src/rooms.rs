//! Owns rooms full of synthetic members, each with one session for all that it watches.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::http::Server;
use crate::party::Party;
use crate::publisher::{Publisher, Shape};
use crate::stage::{Stage, stream_name};

/// Several rooms of the same kind.
#[derive(Debug, Clone, Copy)]
pub struct RoomsPlan {
    pub rooms: usize,
    pub members: usize,
    /// How many of each room's members publish the first shape, and how many the second.
    pub publishers: [(usize, Shape); 2],
    /// Others that one member watches at most.
    pub watched: usize,
}

pub type Rooms = Stage<Party>;

impl RoomsPlan {
    fn shapes(&self) -> impl Iterator<Item = Shape> {
        self.publishers.into_iter().flat_map(|(count, shape)| std::iter::repeat_n(shape, count))
    }

    /// Numbers of the streams that a member watches: those of the others, in order, no more than `watched`.
    pub fn watched_by(&self, member: usize) -> impl Iterator<Item = usize> {
        (0..self.shapes().count()).filter(move |stream| *stream != member).take(self.watched)
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
    pub fn open(server: &Server, name: &str, plan: RoomsPlan) -> Result<Rooms> {
        let mut rooms = Rooms::empty(server, name)?;
        let all = plan.rooms * plan.shapes().count();
        for room in 0..plan.rooms {
            for (number, shape) in plan.shapes().enumerate() {
                let (room, stream) = (room_name(name, room), stream_name(number));
                let publisher = Publisher::join(server, &rooms.certificate, &room, &stream, shape)?;
                let share = rooms.airing.len() as f64 / all.max(1) as f64;
                rooms.airing.add(publisher, shape, share);
            }
        }
        rooms.drive_until("publishers connect", |rooms| rooms.airing.are_connected())?;
        // A track that nobody has measured counts as a camera of 2 Mbit/s, and two reports of the worker measure it.
        rooms.drive(Instant::now() + MEASURED_AFTER)?;
        rooms.fill(plan)?;
        rooms.drive_until("members get their first packets", |rooms| rooms.watchers.iter().all(Party::has_all))?;
        Ok(rooms)
    }

    fn fill(&mut self, plan: RoomsPlan) -> Result<()> {
        let (server, certificate, name) = (self.server.clone(), self.certificate.clone(), self.room.clone());
        let members: Vec<(usize, usize)> =
            (0..plan.rooms).flat_map(|room| (0..plan.members).map(move |member| (room, member))).collect();
        let kind = plan.publishers[0].1.kind;
        self.join(&members, |(room, member)| {
            let streams: Vec<String> = plan.watched_by(*member).map(stream_name).collect();
            Party::join(&server, &certificate, &room_name(&name, *room), &streams, kind)
        })
    }
}

const MEASURED_AFTER: Duration = Duration::from_secs(3);

fn room_name(name: &str, number: usize) -> String {
    format!("{name}-{number}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offer::Kind;
    use crate::publisher::Pacing;
    use std::time::Duration;

    #[test]
    fn nobody_watches_himself_and_everybody_watches_as_many_as_are_planned() {
        let shape = |millis| Shape {
            kind: Kind::Audio,
            packets_per_frame: 1,
            packet_bytes: 100,
            frame_period: Duration::from_millis(millis),
            pacing: Pacing::Burst,
        };
        let plan = RoomsPlan { rooms: 2, members: 4, publishers: [(1, shape(20)), (2, shape(100))], watched: 2 };
        let watched: Vec<Vec<usize>> = (0..4).map(|member| plan.watched_by(member).collect()).collect();
        assert_eq!(watched, [vec![1, 2], vec![0, 2], vec![0, 1], vec![0, 1]]);
        // 20 + 60 + 60 + 60 in each room.
        assert!((plan.packets_per_second() - 400.0).abs() < 1e-6, "{}", plan.packets_per_second());
    }
}
