//! Each pattern of the simulator, held to its bounds for several seeds.

mod simulator;

use simulator::patterns::{Bounds, PATTERNS, Pattern};
use simulator::{Outcome, run};

const SEEDS: u64 = 12;

/// What of the outcome is out of bounds.
fn broken(pattern: &Pattern, bounds: Bounds, outcome: &Outcome) -> Option<String> {
    let Bounds { utilisation, queue_p95_ms, settled_ms, raised_ms, switches, unfairness, share, apart_kbps } = bounds;
    let mut broken = Vec::new();
    let mut expect = |holds: bool, what: String| {
        if !holds {
            broken.push(what);
        }
    };
    expect(outcome.utilisation >= utilisation, format!("uses {:.2} of the link", outcome.utilisation));
    expect(outcome.queue_p95_ms <= queue_p95_ms, format!("queues {:.0} ms", outcome.queue_p95_ms));
    expect(outcome.unfairness <= unfairness, format!("shares 1 to {:.2}", outcome.unfairness));
    expect(outcome.share >= share, format!("has a share of {:.2}", outcome.share));
    expect(outcome.apart_kbps >= apart_kbps, format!("gives {:.0} kbit/s to one apart", outcome.apart_kbps));
    expect(outcome.switches <= switches, format!("switches {} times", outcome.switches));
    expect(outcome.given_up <= 10, format!("gives up {} queues", outcome.given_up));
    let within = |ms: Option<u64>, most: u64| most == u64::MAX || ms.is_some_and(|ms| ms <= most);
    let (settled, raised) = (outcome.settled_ms, outcome.raised_ms);
    expect(pattern.drop_ms.is_none() || within(settled, settled_ms), format!("settles after {settled:?} ms"));
    expect(pattern.rise_ms.is_none() || within(raised, raised_ms), format!("rises after {raised:?} ms"));
    (!broken.is_empty()).then(|| format!("{} ({}): {}", pattern.name, pattern.what, broken.join(", ")))
}

/// Each figure's median.
fn median(outcomes: &[Outcome]) -> Outcome {
    fn of<T: PartialOrd + Copy>(outcomes: &[Outcome], figure: impl Fn(&Outcome) -> T) -> T {
        let mut figures: Vec<T> = outcomes.iter().map(figure).collect();
        figures.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
        figures[figures.len() / 2]
    }
    Outcome {
        utilisation: of(outcomes, |outcome| outcome.utilisation),
        queue_p95_ms: of(outcomes, |outcome| outcome.queue_p95_ms),
        settled_ms: Some(of(outcomes, |outcome| outcome.settled_ms.unwrap_or(u64::MAX))),
        raised_ms: Some(of(outcomes, |outcome| outcome.raised_ms.unwrap_or(u64::MAX))),
        switches: of(outcomes, |outcome| outcome.switches),
        unfairness: of(outcomes, |outcome| outcome.unfairness),
        share: of(outcomes, |outcome| outcome.share),
        given_up: of(outcomes, |outcome| outcome.given_up),
        apart_kbps: of(outcomes, |outcome| outcome.apart_kbps),
    }
}

#[test]
fn every_pattern_keeps_its_bounds_in_the_median_and_for_every_seed() {
    let mut findings = Vec::new();
    for pattern in PATTERNS {
        let outcomes: Vec<Outcome> = (0..SEEDS).map(|seed| run(pattern, seed)).collect();
        for (seed, outcome) in outcomes.iter().enumerate() {
            findings.extend(broken(pattern, pattern.worst, outcome).map(|what| format!("{what}, seed {seed}")));
        }
        findings.extend(broken(pattern, pattern.median, &median(&outcomes)).map(|what| format!("{what}, median")));
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let outcomes = [run(&PATTERNS[2], 7), run(&PATTERNS[2], 7)];
    assert_eq!(format!("{:?}", outcomes[0]), format!("{:?}", outcomes[1]));
}
