//! What viewers get of a worker that has less time than its streams take: how late it comes and how much of it, in virtual
//! time, in which each packet that is sent takes some.

use std::time::{Duration, Instant};

use chappe_sfu_core::Relief;

use crate::harness::cameras::{SEEN, ms};
use crate::harness::*;

const VIEWERS: usize = 320;
const PERIOD: Duration = Duration::from_micros(33_333);
const SPAN: Duration = Duration::from_millis(1_800);
/// As the event loop of a worker: before it looks at what arrived.
const FLUSHES_PER_TURN: usize = 4;

struct Worker {
    harness: Harness,
    publisher: Who,
    viewers: Vec<Who>,
    camera: Camera,
    /// Of a picture.
    packets: usize,
    /// What a packet takes to one viewer.
    cost: Duration,
    due: Instant,
    /// Since when a key frame is asked for.
    asked: Option<Instant>,
    plis: usize,
    /// When the picture of each packet was due, by the counter of the packet.
    sent: Vec<Instant>,
}

/// What came, and when.
struct Delivered {
    latencies: Vec<Duration>,
    /// Pictures of each hundred that a viewer has all of, and of which it has a part only.
    whole_percent: usize,
    partial: usize,
}

impl Worker {
    /// Its viewers take so much of what it has.
    fn new(load: f64, packets: usize) -> Worker {
        let mut harness = Harness::new();
        let publisher = harness.join(publishes(vec![camera_line(CAMERA)]));
        let join = |harness: &mut Harness| harness.join(watches(vec![video_out(Some(CAMERA), SEEN)]));
        let viewers = (0..VIEWERS).map(|_| join(&mut harness)).collect();
        let mut camera = Camera::new(VIDEO_SSRC);
        camera.bytes = 1_150;
        harness.run(ms(600));
        let now = harness.now;
        harness.sfu.relieve(now, Relief::NotTheTop);
        let cost = PERIOD.mul_f64(load / (VIEWERS * packets) as f64);
        let plis = harness.clients[publisher].plis();
        let asked = Some(now.mono);
        Worker { harness, publisher, viewers, camera, packets, cost, due: now.mono, asked, plis, sent: Vec::new() }
    }

    fn run(mut self) -> Delivered {
        let end = self.harness.now.mono + SPAN;
        while self.harness.now.mono < end {
            self.take_in();
            let began = self.harness.now.mono;
            if self.harness.sfu.poll_timeout().is_some_and(|at| at <= began) {
                self.harness.sfu.handle_timeout(self.harness.now);
            }
            for _ in 0..FLUSHES_PER_TURN {
                if !self.flush() {
                    break;
                }
            }
            if self.harness.now.mono == began {
                self.harness.now = self.harness.now.after(ms(1));
            }
        }
        self.delivered()
    }

    /// Pictures that were sent since the turn before: until now the kernel had them.
    fn take_in(&mut self) {
        let now = self.harness.now;
        while self.due <= now.mono {
            let keyframe = self.asked.take_if(|asked| *asked <= self.due).is_some();
            for packet in self.camera.frame(self.packets, keyframe) {
                self.harness.clients[self.publisher].send(&packet);
                self.sent.push(self.due);
            }
            let waited = now.mono - self.due;
            while let Some((route, mut datagram)) = self.harness.clients[self.publisher].take_outgoing() {
                self.harness.sfu.handle_late_datagram(now, waited, route, &mut datagram);
            }
            self.due += PERIOD;
        }
    }

    fn flush(&mut self) -> bool {
        let Harness { sfu, now, .. } = &mut self.harness;
        let more = sfu.flush(*now);
        let count: usize = sfu.egress().runs().map(|run| run.segments().count()).sum();
        *now = now.after(self.cost * count as u32);
        self.harness.deliver();
        let plis = self.harness.clients[self.publisher].plis();
        if std::mem::replace(&mut self.plis, plis) != plis {
            self.asked = Some(self.harness.now.mono);
        }
        more
    }

    fn delivered(&self) -> Delivered {
        let (mut latencies, mut whole, mut partial) = (Vec::new(), 0, 0);
        for who in &self.viewers {
            let client = &self.harness.clients[*who];
            assert!(client.faults == 0, "{} faults", client.faults);
            let mut pictures = vec![0; self.sent.len() / self.packets];
            for (packet, at) in client.received.iter().zip(&client.arrivals) {
                let counter = u32::from_be_bytes(*packet.payload.last_chunk().expect("a counter")) as usize - 1;
                latencies.push(*at - self.sent[counter]);
                pictures[counter / self.packets] += 1;
            }
            // The last ones are still under way.
            let ended = &pictures[..pictures.len() - 6];
            whole += ended.iter().filter(|count| **count == self.packets).count();
            partial += ended.iter().filter(|count| (1..self.packets).contains(*count)).count();
        }
        latencies.sort_unstable();
        let whole_percent = 100 * whole / (VIEWERS * (self.sent.len() / self.packets - 6));
        Delivered { latencies, whole_percent, partial }
    }
}

impl Delivered {
    fn worst_ms(&self) -> u128 {
        self.latencies.last().map_or(0, Duration::as_millis)
    }
}

#[test]
fn what_a_worker_that_is_behind_delivers_comes_in_time_to_the_last_viewer() {
    // Of nine packets a pass takes eight, and another one the last.
    for (load, packets, least) in [(1.2, 8, 60), (1.5, 8, 22), (1.5, 9, 20), (2.0, 8, 12)] {
        let delivered = Worker::new(load, packets).run();
        let (worst, whole) = (delivered.worst_ms(), delivered.whole_percent);
        assert!(worst <= 95, "at {load}: {worst} ms, {whole} %");
        assert!(whole >= least && delivered.partial == 0, "at {load}: {whole} %, {} in part", delivered.partial);
    }
}

#[test]
fn a_picture_that_takes_several_passes_is_sent_to_its_end_or_not_at_all() {
    let delivered = Worker::new(1.6, 20).run();
    let (worst, whole) = (delivered.worst_ms(), delivered.whole_percent);
    let partial = delivered.partial;
    assert!(partial == 0 && worst <= 90 && whole >= 22, "{worst} ms, {whole} %, {partial} in part");
}
