//! Owns the publishers of a scenario and when each sends next: spread over the period, as cameras that know nothing
//! of each other are.

use std::time::Instant;

use anyhow::Result;

use crate::http::Server;
use crate::publisher::{Publisher, Shape};

#[derive(Default)]
pub struct Airing {
    publishers: Vec<OnAir>,
}

struct OnAir {
    publisher: Publisher,
    shape: Shape,
    due: Instant,
}

impl Airing {
    /// The first frame leaves after this `share` (0 to 1) of the publisher's period.
    pub fn add(&mut self, publisher: Publisher, shape: Shape, share: f64) {
        let due = Instant::now() + shape.frame_period.mul_f64(share);
        self.publishers.push(OnAir { publisher, shape, due });
    }

    pub fn len(&self) -> usize {
        self.publishers.len()
    }

    pub fn is_empty(&self) -> bool {
        self.publishers.is_empty()
    }

    pub fn are_connected(&self) -> bool {
        self.publishers.iter().all(|on_air| on_air.publisher.is_connected())
    }

    /// Sends what is due. A frame that is late is not made up for: a camera does not either.
    pub fn send(&mut self, now: Instant) {
        for OnAir { publisher, shape, due } in &mut self.publishers {
            if *due <= now {
                publisher.send_burst();
                *due = (*due + shape.step()).max(now);
            }
        }
    }

    /// When the next one is due, or `latest`.
    pub fn next(&self, latest: Instant) -> Instant {
        self.publishers.iter().map(|on_air| on_air.due).fold(latest, Instant::min)
    }

    pub fn poll(&mut self) -> Result<()> {
        self.publishers.iter_mut().try_for_each(|on_air| on_air.publisher.turn())
    }

    pub fn leave(self, server: &Server) -> Result<()> {
        self.publishers.into_iter().try_for_each(|on_air| on_air.publisher.leave(server))
    }
}
