//! Owns a crowd that joins one stream within a few seconds. Never asks twice: who is refused stays out.

use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;

use super::ScenarioClients;
use crate::POLL_TICK;
use crate::measure::{Sample, Usage};
use crate::stage::stream_name;
use crate::viewer::Viewer;

/// What became of a crowd.
pub struct Crowd {
    pub refused: usize,
    /// Were answered, and got no packet within [`PATIENCE`].
    pub in_vain: usize,
    /// From its request until each had its first packet, in seconds, as the kernel saw it.
    pub first_packet_s: Sample,
    /// Of those who watched before, while the crowd came; in microseconds.
    pub latency_us: Sample,
    /// Share of a core that these clients took: near 1 it is they who are measured.
    pub clients_load: f64,
}

impl ScenarioClients {
    /// Has `count` viewers of the first stream ask one after another, spread over `window`.
    pub fn join_over(&mut self, count: usize, window: Duration) -> Result<Crowd> {
        let known = self.watchers.len();
        self.forget();
        let (began, cpu_before) = (Instant::now(), own_cpu()?);
        let mut asked = Vec::with_capacity(count);
        let refused = self.ask_over(count, window, &mut asked)?;
        let deadline = Instant::now() + PATIENCE;
        let waits =
            |fleet: &ScenarioClients| fleet.watchers.iter().skip(known).any(|viewer| viewer.tally().first_at.is_none());
        while waits(self) && Instant::now() < deadline {
            self.drive(Instant::now() + POLL_TICK)?;
        }
        let clients_load = (own_cpu()? - cpu_before).as_secs_f64() / began.elapsed().as_secs_f64();
        let firsts = self.watchers.iter().skip(known).zip(&asked).filter_map(|(viewer, asked)| {
            Some(viewer.tally().first_at?.duration_since(*asked).unwrap_or_default().as_secs_f64())
        });
        let first_packet_s = Sample::new(firsts.collect());
        let before = self.watchers.iter().take(known).flat_map(|viewer| viewer.tally().latencies_us.iter().copied());
        let latency_us = Sample::new(before.collect());
        Ok(Crowd { refused, in_vain: asked.len() - first_packet_s.len(), first_packet_s, latency_us, clients_load })
    }

    /// Returns how many were refused; `asked` says of each other viewer, in their order, when it asked.
    fn ask_over(&mut self, count: usize, window: Duration, asked: &mut Vec<SystemTime>) -> Result<usize> {
        let (server, certificate, room) = (self.server.clone(), self.certificate.clone(), self.room.clone());
        let (began, stream) = (Instant::now(), stream_name(0));
        std::thread::scope(|scope| -> Result<usize> {
            let (joined, arrivals) = std::sync::mpsc::channel();
            for first in 0..ASK_THREADS {
                let (joined, server, certificate, room, stream) =
                    (joined.clone(), &server, &certificate, &room, &stream);
                scope.spawn(move || {
                    for number in (first..count).step_by(ASK_THREADS) {
                        let due = began + window.mul_f64(number as f64 / count as f64);
                        std::thread::sleep(due.saturating_duration_since(Instant::now()));
                        let at = SystemTime::now();
                        if joined.send((at, Viewer::join(server, certificate, room, stream))).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(joined);
            let (mut waiting, mut refused) = (count, 0);
            while waiting > 0 {
                self.drive(Instant::now() + POLL_TICK)?;
                for (at, viewer) in arrivals.try_iter() {
                    waiting -= 1;
                    match viewer {
                        Ok(viewer) => {
                            self.watchers.push(viewer);
                            asked.push(at);
                        }
                        Err(_) => refused += 1,
                    }
                }
            }
            Ok(refused)
        })
    }
}

/// Of all threads of this process.
fn own_cpu() -> Result<Duration> {
    let mut total = Duration::ZERO;
    for thread in std::fs::read_dir("/proc/self/task")?.flatten() {
        let id = thread.file_name().to_string_lossy().parse().unwrap_or_default();
        // Those that ended meanwhile took little.
        total += Usage::of(id).map(|usage| usage.cpu).unwrap_or_default();
    }
    Ok(total)
}

/// Requests under way at once: those that wait for their place take one each.
const ASK_THREADS: usize = 500;
const PATIENCE: Duration = Duration::from_secs(10);
