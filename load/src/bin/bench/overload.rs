//! Owns what clients get of a worker whose core has less time than its streams take: it is made so by threads that want
//! the same core, which stop after a while.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use chappe_load::measure::{Sample, Usage};
use chappe_load::node::Node;
use chappe_load::offer::Kind;
use chappe_load::publisher::{Pacing, Shape};
use chappe_load::rooms::{self, Rooms};
use chappe_load::scenario::{Scenario, ScenarioClients};
use chappe_load::tally::Tally;
use chappe_sfu_io::process::pin_to_core;

use super::report::Bar;
use super::setting::{SHAPE, WARM_UP, WORKER_CORE};

/// A picture of one encoding, of which nothing can be given up but frames, and sound.
pub fn measure(node: &Node, duration: Duration) -> Result<[Bar; 4]> {
    let mut scene = Scene::open(node)?;
    scene.drive(WARM_UP)?;
    let (before, began) = (Usage::of(node.worker_pid)?, Instant::now());
    scene.drive(duration)?;
    let load = (Usage::of(node.worker_pid)?.cpu - before.cpu).as_secs_f64() / began.elapsed().as_secs_f64();
    // With so many others the worker has one part of its core.
    let others = (OVERLOAD / load.max(0.01) - 1.0).round().max(1.0) as usize;
    let all = scene.delivered_within(Duration::from_secs(1))?;
    let ended = AtomicBool::new(false);
    let (late, answers) = std::thread::scope(|scope| -> Result<(Late, Sample)> {
        for _ in 0..others {
            scope.spawn(|| occupy(WORKER_CORE, &ended));
        }
        let looks = scope.spawn(|| look(node, &ended));
        let late = scene.drive(SETTLING).and_then(|()| {
            scene.forget();
            scene.drive(duration)?;
            Ok(scene.late())
        });
        ended.store(true, Ordering::Relaxed);
        Ok((late?, looks.join().ok().context("the thread that asks")?))
    })?;
    scene.drive(RECOVERY)?;
    let back = scene.delivered_within(Duration::from_secs(1))? / all;
    scene.leave()?;
    println!(
        "overload: {VIEWERS} viewers and {LISTENERS} listeners at {:.0} % of what the worker has: pictures p50 {:.1} ms, \
         p99 {:.1} ms (n {}), {:.0} % of them; sound p99 {:.1} ms, {:.3} % lost; admin p99 {:.1} ms (n {}); 1 s after \
         that {:.0} % of before",
        100.0 * load * (others + 1) as f64,
        late.pictures_ms.median(),
        late.pictures_ms.quantile(0.99),
        late.pictures_ms.len(),
        100.0 * late.pictures_ms.len() as f64 / (all * duration.as_secs_f64()),
        late.sound_ms.quantile(0.99),
        late.sound_lost_percent,
        answers.quantile(0.99) * 1e3,
        answers.len(),
        100.0 * back,
    );
    Ok([
        Bar::new("overload: pictures p99, ms".to_owned(), late.pictures_ms.quantile(0.99), 100.0),
        Bar::new("overload: sound lost, %".to_owned(), late.sound_lost_percent, 0.1),
        Bar::new("overload: answers of the admin API p99, ms".to_owned(), answers.quantile(0.99) * 1e3, 100.0),
        Bar::new("overload: missing of the pictures 1 s after it, %".to_owned(), 100.0 * (1.0 - back), 5.0),
    ])
}

/// One camera with its viewers, one microphone with its listeners, in two rooms of one worker.
struct Scene {
    pictures: ScenarioClients,
    sound: Rooms,
}

/// What came while there was too much to do.
struct Late {
    pictures_ms: Sample,
    sound_ms: Sample,
    sound_lost_percent: f64,
}

impl Scene {
    fn open(node: &Node) -> Result<Scene> {
        let room = rooms::RoomsPlan { rooms: 1, members: LISTENERS, publishers: [(2, VOICE), (0, VOICE)], watched: 1 };
        let sound = Rooms::open(&node.server, "sound", room)?;
        let scenario = Scenario { publishers: 1, viewers_each: VIEWERS, shape: SHAPE };
        let mut pictures = ScenarioClients::publish(&node.server, "pictures", scenario)?;
        pictures.drive(Instant::now() + MEASURED_AFTER)?;
        pictures.add_viewers(VIEWERS)?;
        Ok(Scene { pictures, sound })
    }

    /// One thread for both, in turns that are short beside a period of either.
    fn drive(&mut self, span: Duration) -> Result<()> {
        let until = Instant::now() + span;
        while Instant::now() < until {
            self.pictures.drive(Instant::now())?;
            self.sound.drive(Instant::now() + TURN)?;
        }
        Ok(())
    }

    fn forget(&mut self) {
        self.pictures.forget();
        self.sound.forget();
    }

    /// Packets of the picture in a second.
    fn delivered_within(&mut self, span: Duration) -> Result<f64> {
        self.pictures.forget();
        self.drive(span)?;
        Ok(self.pictures.tallies().map(|tally| tally.packets as f64).sum::<f64>() / span.as_secs_f64())
    }

    fn late(&self) -> Late {
        let (came, missing) =
            self.sound.tallies().fold((0, 0), |(came, missing), tally| (came + tally.packets, missing + tally.missing));
        let sound_lost_percent = 100.0 * missing as f64 / (came + missing).max(1) as f64;
        let pictures_ms = latencies(self.pictures.tallies());
        Late { pictures_ms, sound_ms: latencies(self.sound.tallies()), sound_lost_percent }
    }

    fn leave(self) -> Result<()> {
        self.pictures.leave()?;
        self.sound.leave()
    }
}

/// From the publisher's send call to the sockets of all viewers, in milliseconds.
fn latencies<'a>(tallies: impl Iterator<Item = &'a Tally>) -> Sample {
    Sample::new(tallies.flat_map(|tally| tally.latencies_us.iter().map(|us| us / 1e3)).collect())
}

/// Takes what it gets of a core.
fn occupy(core: usize, ended: &AtomicBool) {
    if pin_to_core(core).is_ok() {
        while !ended.load(Ordering::Relaxed) {
            std::hint::spin_loop();
        }
    }
}

/// How long the admin API takes to answer, in seconds.
fn look(node: &Node, ended: &AtomicBool) -> Sample {
    let mut answers = Vec::new();
    while !ended.load(Ordering::Relaxed) {
        let asked = Instant::now();
        if node.server.admin("workers").is_ok() {
            answers.push(asked.elapsed().as_secs_f64());
        }
        std::thread::sleep(LOOK_PERIOD);
    }
    Sample::new(answers)
}

/// What placement gives one worker with some to spare: with more it is a matter of luck whether all are let in before its
/// reports show them.
const VIEWERS: usize = 450;
const LISTENERS: usize = 50;
const VOICE: Shape = Shape {
    kind: Kind::Audio,
    packets_per_frame: 1,
    packet_bytes: 100,
    frame_period: Duration::from_millis(20),
    pacing: Pacing::Burst,
};
/// What the streams take, as a multiple of what the worker has.
const OVERLOAD: f64 = 1.5;
/// A track that nobody has measured counts as a camera of 2 Mbit/s.
const MEASURED_AFTER: Duration = Duration::from_secs(3);
const SETTLING: Duration = Duration::from_secs(2);
const RECOVERY: Duration = Duration::from_secs(1);
const TURN: Duration = Duration::from_millis(1);
const LOOK_PERIOD: Duration = Duration::from_millis(20);
