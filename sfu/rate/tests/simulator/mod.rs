//! Owns the runs of the simulator: a bottleneck, viewers and cross traffic in virtual time of one millisecond steps, and
//! what a run is judged by. The same seed gives the same run. Shared by the tests and the scoreboard.

mod bbr;
mod greedy;
mod link;
pub mod patterns;
mod random;
mod viewer;

use chappe_sfu_rate::SharedLine;
use greedy::Greedy;
use link::EmulatedLink;
use patterns::Pattern;
use random::Random;
use viewer::{Log, Viewer};

/// What came of one run.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// What all viewers received of what the link could carry, in the steady part of the run.
    pub utilisation: f64,
    /// Milliseconds in the queue of the link, over all packets of viewers after the first second.
    pub queue_p95_ms: f64,
    /// From the drop of the capacity until the queue stays short, and the layer fits.
    pub settled_ms: Option<u64>,
    /// From the rise of the capacity until the top layer stays, or four fifths of the capacity are used.
    pub raised_ms: Option<u64>,
    /// Changes of layer in the 30 s after the rise and its settling.
    pub switches: u64,
    /// The best viewer's share over the worst one's.
    pub unfairness: f64,
    /// What viewers received of what they and the greedy flow did.
    pub share: f64,
    pub given_up: u64,
    /// What the worst of those with a line of their own received, each second of the steady part.
    pub apart_kbps: f64,
}

pub fn run(pattern: &Pattern, seed: u64) -> Outcome {
    let mut random = Random::new(seed.wrapping_mul(0x5851_F42D_4C95_7F2D) ^ 0xC0FF_EE00);
    let mut link = EmulatedLink::new(pattern.link, Random::new(random.next()));
    let shares = pattern.starts_ms.len() - pattern.apart;
    let mut viewers: Vec<Viewer> = Vec::new();
    for (flow, start_ms) in pattern.starts_ms.iter().enumerate() {
        // Viewers do not tick in step.
        let offset = random.between(0, 40);
        viewers.push(Viewer::new(flow, pattern.source, pattern.back, start_ms + offset, Random::new(random.next())));
    }
    let greedy_flow = viewers.len();
    let mut greedy = pattern.rival.map(|rival| Greedy::new(greedy_flow, rival, pattern.link.delay_ms));
    let mut shared = pattern.has_one_address.then(SharedLine::default);
    let mut lines: Vec<EmulatedLink> =
        (0..pattern.apart).map(|_| EmulatedLink::new(patterns::OWN_LINE, Random::new(random.next()))).collect();
    for ms in 0..pattern.duration_ms {
        let now = ms * 1000;
        while let Some(delivery) = link.deliver(now).or_else(|| lines.iter_mut().find_map(|line| line.deliver(now))) {
            let Some(viewer) = viewers.get_mut(delivery.flow) else {
                if let (Some(greedy), Some(arrival)) = (&mut greedy, delivery.arrival) {
                    greedy.handle_arrival(delivery.id, arrival, delivery.bytes);
                }
                continue;
            };
            let queued_ms = delivery.queued_us as f64 / 1e3;
            viewer.log.queued.push((ms, queued_ms));
            if let Some(arrival) = delivery.arrival {
                viewer.handle_arrival(delivery.id, arrival, delivery.bytes);
            }
        }
        for (place, (viewer, start_ms)) in viewers.iter_mut().zip(pattern.starts_ms).enumerate() {
            let link = if place < shares { &mut link } else { &mut lines[place - shares] };
            if ms > start_ms + 40 {
                viewer.tick(now, link, shared.as_mut());
            }
        }
        if let Some(greedy) = &mut greedy {
            greedy.tick(now, &mut link);
        }
    }
    let logs: Vec<&Log> = viewers.iter().map(|viewer| &viewer.log).collect();
    let (shared, apart) = logs.split_at(shares);
    let least = apart.iter().map(|log| received_kbit(pattern, log)).fold(f64::MAX, f64::min);
    let steady_s = pattern.steady_ms.iter().map(|(from, to)| (to - from) as f64 / 1e3).sum::<f64>();
    Outcome { apart_kbps: least / steady_s, ..judge(pattern, &link, shared, greedy.as_ref()) }
}

fn is_steady(pattern: &Pattern, ms: u64) -> bool {
    pattern.steady_ms.iter().any(|(from, to)| (*from..*to).contains(&ms))
}

/// In the steady part of the run.
fn received_kbit(pattern: &Pattern, log: &Log) -> f64 {
    let steady = log.received.iter().filter(|(ms, _)| is_steady(pattern, *ms));
    steady.map(|(_, bytes)| u64::from(*bytes)).sum::<u64>() as f64 * 8.0 / 1e3
}

fn judge(pattern: &Pattern, link: &EmulatedLink, logs: &[&Log], greedy: Option<&Greedy>) -> Outcome {
    let capacity_kbit: f64 =
        (0..pattern.duration_ms).filter(|ms| is_steady(pattern, *ms)).map(|ms| link.kbps_at(ms * 1000) / 1e3).sum();
    let each: Vec<f64> = logs.iter().map(|log| received_kbit(pattern, log)).collect();
    let all: f64 = each.iter().sum();
    let (least, most) =
        each.iter().fold((f64::MAX, 0.0_f64), |(least, most), kbit| (least.min(*kbit), most.max(*kbit)));
    let mut queued: Vec<f64> =
        logs.iter().flat_map(|log| &log.queued).filter(|(ms, _)| *ms > 1000).map(|(_, q)| *q).collect();
    queued.sort_unstable_by(f64::total_cmp);
    let whole: u64 = logs.iter().flat_map(|log| &log.received).map(|(_, bytes)| u64::from(*bytes)).sum();
    let others = greedy.map_or(0, Greedy::received);
    Outcome {
        utilisation: all / capacity_kbit,
        queue_p95_ms: queued.get(queued.len() * 95 / 100).copied().unwrap_or_default(),
        settled_ms: pattern.drop_ms.and_then(|at| settled(logs[0], at, pattern.fitting)),
        raised_ms: pattern.rise_ms.and_then(|at| raised(logs[0], link, at, pattern.top)),
        switches: pattern.rise_ms.map_or(0, |at| switches(logs[0], at + 3000, at + 33_000)),
        unfairness: most / least.max(1.0),
        share: whole as f64 / (whole + others).max(1) as f64,
        given_up: logs.iter().map(|log| log.given_up).sum(),
        ..Outcome::default()
    }
}

/// Until the queue is below 120 ms for all but a twentieth of the packets and the layer the right one, for five seconds.
fn settled(log: &Log, at: u64, fitting: Option<u8>) -> Option<u64> {
    let is_short = |from: u64| {
        let within = log.queued.iter().filter(|(ms, _)| (from..from + 5000).contains(ms));
        let (all, long) = within.fold((0, 0), |(all, long), (_, queued)| (all + 1, long + u64::from(*queued > 120.0)));
        long * 20 <= all
    };
    let is_right = |from: u64| {
        let mut within = log.states.iter().filter(|(ms, ..)| (from..from + 5000).contains(ms));
        fitting.is_none() || within.all(|(_, _, layer)| *layer == fitting)
    };
    (at..at + 10_000).step_by(20).find(|from| is_short(*from) && is_right(*from)).map(|from| from - at)
}

fn raised(log: &Log, link: &EmulatedLink, at: u64, top: Option<u8>) -> Option<u64> {
    let reached = |(ms, kbps, layer): &&(u64, f64, Option<u8>)| match top {
        Some(_) => *ms >= at && *layer == top,
        None => *ms >= at && *kbps >= 0.8 * link.kbps_at(*ms * 1000),
    };
    let first = log.states.iter().find(reached)?.0;
    let stays = log.states.iter().filter(|(ms, ..)| (first..first + 5000).contains(ms)).all(|state| match top {
        Some(_) => state.2 == top,
        None => true,
    });
    stays.then(|| first - at)
}

fn switches(log: &Log, from: u64, to: u64) -> u64 {
    let within: Vec<Option<u8>> =
        log.states.iter().filter(|(ms, ..)| (from..to).contains(ms)).map(|(_, _, layer)| *layer).collect();
    within.windows(2).filter(|pair| pair[0] != pair[1]).count() as u64
}
