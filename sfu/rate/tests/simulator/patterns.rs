//! Owns the patterns of the simulator and the bounds that the tests hold them to.
//!
//! Those named after RFC 8867 have its capacities and delays (its section 5), with shorter phases.

use super::greedy::Rival;
use super::link::{Jitter, LinkSpec};
use super::viewer::{Back, Form, Source};

pub struct Pattern {
    pub name: &'static str,
    pub what: &'static str,
    pub link: LinkSpec,
    pub source: Source,
    pub back: Back,
    /// When each viewer comes.
    pub starts_ms: &'static [u64],
    /// They are behind one address, of which the sender knows.
    pub has_one_address: bool,
    /// So many of them, the last ones, have a line of their own that carries 10 Mbit/s.
    pub apart: usize,
    /// A greedy flow beside them.
    pub rival: Option<Rival>,
    pub duration_ms: u64,
    /// Where the utilisation is taken.
    pub steady_ms: &'static [(u64, u64)],
    pub drop_ms: Option<u64>,
    /// The layer that fits after the drop.
    pub fitting: Option<u8>,
    pub rise_ms: Option<u64>,
    pub top: Option<u8>,
    /// What half of the seeds keep: the goal, unless it says otherwise.
    pub median: Bounds,
    /// What each seed keeps.
    pub worst: Bounds,
}

#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub utilisation: f64,
    pub queue_p95_ms: f64,
    pub settled_ms: u64,
    pub raised_ms: u64,
    pub switches: u64,
    pub unfairness: f64,
    pub share: f64,
    pub apart_kbps: f64,
}

/// The goals: of a line that is used alone or with others of ours.
const GOALS: Bounds = Bounds {
    utilisation: 0.85,
    queue_p95_ms: 120.0,
    settled_ms: 2000,
    raised_ms: 3000,
    switches: 2,
    unfairness: 1.5,
    share: 0.0,
    apart_kbps: 0.0,
};

const WORST: Bounds = Bounds { utilisation: 0.8, queue_p95_ms: 150.0, ..GOALS };

const LINK: LinkSpec = LinkSpec {
    rates: &[(0, 3000.0)],
    is_ramp: false,
    queue_bytes: 112_500,
    delay_ms: 20.0,
    loss: 0.0,
    burst: 1.0,
    jitter: Jitter::None,
};

/// What a viewer has that is apart.
pub const OWN_LINE: LinkSpec = LinkSpec { rates: &[(0, 10_000.0)], queue_bytes: 375_000, ..LINK };

const BACK: Back = Back { delay_ms: 20.0, interval_ms: 80, loss: 0.0, silent_ms: (0, 0), form: Form::Ticks };

const ELASTIC: Source = Source::Elastic(20_000.0);
const SIMULCAST: Source = Source::Layers(&[150, 500, 2500]);

const STEADY: Pattern = Pattern {
    name: "steady",
    what: "3 Mbit/s, 40 ms round trip, a queue of 300 ms",
    link: LINK,
    source: ELASTIC,
    back: BACK,
    starts_ms: &[0],
    has_one_address: false,
    apart: 0,
    rival: None,
    duration_ms: 60_000,
    steady_ms: &[(10_000, 60_000)],
    drop_ms: None,
    fitting: None,
    rise_ms: None,
    top: None,
    median: GOALS,
    worst: WORST,
};

const STEPS: &[(u64, f64)] = &[(0, 3000.0), (15_000, 700.0), (35_000, 3000.0)];

const STEP_LAYERS: Pattern = Pattern {
    name: "step, layers",
    what: "the same with layers of 150, 500 and 2500 kbit/s",
    link: LinkSpec { rates: STEPS, ..LINK },
    source: SIMULCAST,
    duration_ms: 70_000,
    steady_ms: &[(5_000, 15_000), (20_000, 35_000), (40_000, 70_000)],
    drop_ms: Some(15_000),
    fitting: Some(1),
    rise_ms: Some(35_000),
    top: Some(2),
    ..STEADY
};

pub const PATTERNS: &[Pattern] = &[
    STEADY,
    Pattern {
        name: "step, encoder",
        what: "3 Mbit/s, 700 kbit/s from 15 s, 3 Mbit/s from 35 s",
        link: LinkSpec { rates: STEPS, ..LINK },
        duration_ms: 70_000,
        steady_ms: &[(5_000, 15_000), (20_000, 35_000), (40_000, 70_000)],
        drop_ms: Some(15_000),
        rise_ms: Some(35_000),
        median: Bounds { settled_ms: 2300, ..GOALS },
        // An encoder fills the line again.
        worst: Bounds { settled_ms: 6000, raised_ms: 4000, ..WORST },
        ..STEADY
    },
    STEP_LAYERS,
    Pattern {
        name: "step, layers, RFC 8888",
        what: "the same to a receiver that tells in 1/1024 s each 50 ms when packets came",
        back: Back { interval_ms: 50, form: Form::BeforeReport, ..BACK },
        ..STEP_LAYERS
    },
    Pattern {
        name: "ramp",
        what: "500 kbit/s up to 4 Mbit/s in 30 s and back in 30 s",
        link: LinkSpec {
            rates: &[(0, 500.0), (5_000, 500.0), (35_000, 4000.0), (65_000, 500.0), (70_000, 500.0)],
            is_ramp: true,
            ..LINK
        },
        duration_ms: 70_000,
        steady_ms: &[(5_000, 70_000)],
        ..STEADY
    },
    Pattern {
        name: "RFC 8867 5.1, variable capacity",
        what: "1, 2.5, 0.6, 1 Mbit/s for 20 s each, 100 ms round trip",
        link: LinkSpec {
            rates: &[(0, 1000.0), (20_000, 2500.0), (40_000, 600.0), (60_000, 1000.0)],
            delay_ms: 50.0,
            queue_bytes: 37_500,
            ..LINK
        },
        back: Back { delay_ms: 50.0, ..BACK },
        duration_ms: 80_000,
        steady_ms: &[(5_000, 20_000), (25_000, 40_000), (45_000, 60_000), (65_000, 80_000)],
        ..STEADY
    },
    Pattern {
        name: "RFC 8867 5.4, competing flows",
        what: "three viewers on 3.5 Mbit/s, the second from 20 s, the third from 40 s",
        link: LinkSpec { rates: &[(0, 3500.0)], delay_ms: 50.0, queue_bytes: 131_250, ..LINK },
        back: Back { delay_ms: 50.0, ..BACK },
        starts_ms: &[0, 20_000, 40_000],
        duration_ms: 120_000,
        steady_ms: &[(60_000, 120_000)],
        // The first to come keeps more than the others for minutes, and each that comes fills the queue once: in one run of
        // twenty for 20 s, because who comes then takes that for the delay of the line.
        median: Bounds { queue_p95_ms: 140.0, unfairness: 4.5, ..GOALS },
        worst: Bounds { queue_p95_ms: 290.0, unfairness: 16.0, ..WORST },
        ..STEADY
    },
    Pattern {
        name: "two viewers",
        what: "two viewers on 10 Mbit/s, the second from 10 s",
        link: LinkSpec { rates: &[(0, 10_000.0)], queue_bytes: 375_000, ..LINK },
        starts_ms: &[0, 10_000],
        duration_ms: 90_000,
        steady_ms: &[(40_000, 90_000)],
        median: Bounds { unfairness: 2.5, ..GOALS },
        worst: Bounds { unfairness: 15.0, ..WORST },
        ..STEADY
    },
    Pattern {
        name: "ten viewers",
        what: "ten viewers with layers of 150, 500 and 800 kbit/s on 10 Mbit/s",
        link: LinkSpec { rates: &[(0, 10_000.0)], queue_bytes: 375_000, ..LINK },
        source: Source::Layers(&[150, 500, 800]),
        starts_ms: &[0, 300, 600, 900, 1200, 1500, 1800, 2100, 2400, 2700],
        steady_ms: &[(10_000, 60_000)],
        ..STEADY
    },
    Pattern {
        name: "ten viewers, top layer too large",
        what: "ten viewers with layers of 150, 500 and 2500 kbit/s on 10 Mbit/s",
        link: LinkSpec { rates: &[(0, 10_000.0)], queue_bytes: 375_000, ..LINK },
        source: SIMULCAST,
        starts_ms: &[0, 300, 600, 900, 1200, 1500, 1800, 2100, 2400, 2700],
        steady_ms: &[(10_000, 60_000)],
        // The goal is nobody below 500 kbit/s: some rise together into what is free, and fall together.
        // Of a hundred seeds the median is 4.0.
        median: Bounds { utilisation: 0.68, unfairness: 7.0, ..GOALS },
        worst: Bounds { utilisation: 0.62, unfairness: 16.0, ..WORST },
        ..STEADY
    },
    Pattern {
        name: "ten viewers, one address",
        what: "the same behind one address",
        link: LinkSpec { rates: &[(0, 10_000.0)], queue_bytes: 375_000, ..LINK },
        source: SIMULCAST,
        has_one_address: true,
        starts_ms: &[0, 300, 600, 900, 1200, 1500, 1800, 2100, 2400, 2700],
        steady_ms: &[(10_000, 60_000)],
        // No more than the middle layer fits ten times.
        median: Bounds { utilisation: 0.55, ..GOALS },
        worst: Bounds { utilisation: 0.55, ..GOALS },
        ..STEADY
    },
    Pattern {
        name: "one address, own lines",
        what: "five on 20 Mbit/s that drop to 3, and behind the same address four with lines of their own",
        link: LinkSpec { rates: &[(0, 20_000.0), (15_000, 3000.0)], ..LINK },
        source: SIMULCAST,
        has_one_address: true,
        apart: 4,
        starts_ms: &[0, 300, 600, 900, 1200, 1500, 1800, 2100, 2400],
        steady_ms: &[(25_000, 60_000)],
        // Of layers of 150 and 500 kbit/s not all five can have the larger one.
        median: Bounds { apart_kbps: 2400.0, utilisation: 0.8, unfairness: 2.1, ..GOALS },
        worst: Bounds { apart_kbps: 2400.0, utilisation: 0.55, unfairness: 4.5, ..GOALS },
        ..STEADY
    },
    Pattern {
        name: "greedy flow",
        what: "beside a greedy flow (CUBIC's back-off) from 10 s on, 4 Mbit/s, a queue of 300 ms",
        link: LinkSpec { rates: &[(0, 4000.0)], queue_bytes: 150_000, ..LINK },
        rival: Some(Rival::Cubic(10_000, 90_000)),
        duration_ms: 90_000,
        steady_ms: &[(30_000, 90_000)],
        // The greedy flow keeps the queue full, and the goal is a fifth of the link.
        median: Bounds { utilisation: 0.3, queue_p95_ms: 300.0, share: 0.38, ..GOALS },
        worst: Bounds { utilisation: 0.2, queue_p95_ms: 300.0, share: 0.3, ..GOALS },
        ..STEADY
    },
    Pattern {
        name: "greedy BBR",
        what: "the same beside a greedy flow with BBR",
        link: LinkSpec { rates: &[(0, 4000.0)], queue_bytes: 150_000, ..LINK },
        rival: Some(Rival::Bbr(10_000, 90_000)),
        duration_ms: 90_000,
        steady_ms: &[(30_000, 90_000)],
        // BBR takes what is lost for nothing, so it may fill the queue.
        median: Bounds { utilisation: 0.3, queue_p95_ms: 300.0, share: 0.38, ..GOALS },
        worst: Bounds { utilisation: 0.17, queue_p95_ms: 300.0, share: 0.25, ..GOALS },
        ..STEADY
    },
    Pattern {
        name: "layers beside BBR",
        what: "the same with layers of 270, 900 and 4500 kbit/s",
        link: LinkSpec { rates: &[(0, 4000.0)], queue_bytes: 150_000, ..LINK },
        source: Source::Layers(&[270, 900, 4500]),
        rival: Some(Rival::Bbr(10_000, 90_000)),
        duration_ms: 90_000,
        steady_ms: &[(30_000, 90_000)],
        median: Bounds { utilisation: 0.2, share: 0.2, ..GOALS },
        worst: Bounds { utilisation: 0.18, share: 0.18, ..GOALS },
        ..STEADY
    },
    Pattern {
        name: "layers beside BBR of Linux",
        what: "the same beside a greedy flow that may have more in flight, as Linux has it",
        link: LinkSpec { rates: &[(0, 4000.0)], queue_bytes: 150_000, ..LINK },
        source: Source::Layers(&[270, 900, 4500]),
        rival: Some(Rival::LinuxBbr(10_000, 90_000)),
        duration_ms: 90_000,
        steady_ms: &[(30_000, 90_000)],
        // Its queue is that of the flow.
        median: Bounds { utilisation: 0.2, queue_p95_ms: 140.0, share: 0.2, ..GOALS },
        worst: Bounds { utilisation: 0.18, queue_p95_ms: 160.0, share: 0.18, ..GOALS },
        ..STEADY
    },
    Pattern {
        name: "layers beside CUBIC",
        what: "the same beside a greedy flow with CUBIC's back-off",
        link: LinkSpec { rates: &[(0, 4000.0)], queue_bytes: 150_000, ..LINK },
        source: Source::Layers(&[270, 900, 4500]),
        rival: Some(Rival::Cubic(10_000, 90_000)),
        duration_ms: 90_000,
        steady_ms: &[(30_000, 90_000)],
        // The goal is a share of 0.2.
        median: Bounds { utilisation: 0.17, queue_p95_ms: 300.0, share: 0.18, ..GOALS },
        worst: Bounds { utilisation: 0.08, queue_p95_ms: 300.0, share: 0.12, ..GOALS },
        ..STEADY
    },
    Pattern {
        name: "Wi-Fi",
        what: "4 Mbit/s, the radio pauses for 2 to 20 ms each 20 to 60 ms and sends what waited at once",
        link: LinkSpec { rates: &[(0, 4000.0)], queue_bytes: 150_000, jitter: Jitter::Aggregation, ..LINK },
        // A packet waits for the radio, too.
        median: Bounds { queue_p95_ms: 140.0, ..GOALS },
        worst: Bounds { queue_p95_ms: 180.0, ..WORST },
        ..STEADY
    },
    Pattern {
        name: "jitter",
        what: "3 Mbit/s, each packet up to some 30 ms late, 10 ms in the mean",
        link: LinkSpec { jitter: Jitter::Mean(10.0), ..LINK },
        median: Bounds { queue_p95_ms: 170.0, ..GOALS },
        worst: Bounds { utilisation: 0.72, queue_p95_ms: 230.0, ..WORST },
        ..STEADY
    },
    Pattern {
        name: "bursts of loss",
        what: "3 Mbit/s, 3 % lost in bursts of five",
        link: LinkSpec { loss: 0.03, burst: 5.0, ..LINK },
        ..STEADY
    },
    Pattern {
        name: "5 % loss at 80 ms",
        what: "3 Mbit/s, 5 % lost at random, 80 ms round trip",
        link: LinkSpec { loss: 0.05, delay_ms: 40.0, ..LINK },
        back: Back { delay_ms: 40.0, ..BACK },
        ..STEADY
    },
    Pattern {
        name: "deep buffer",
        what: "2 Mbit/s before a queue of 2 s",
        link: LinkSpec { rates: &[(0, 2000.0)], queue_bytes: 500_000, ..LINK },
        ..STEADY
    },
    Pattern {
        name: "shallow buffer",
        what: "3 Mbit/s before a queue of 40 ms",
        link: LinkSpec { queue_bytes: 15_000, ..LINK },
        ..STEADY
    },
    Pattern {
        name: "feedback lost",
        what: "3 Mbit/s, a fifth of the feedback is lost, and all of it from 30 to 33 s",
        back: Back { loss: 0.2, silent_ms: (30_000, 33_000), ..BACK },
        steady_ms: &[(10_000, 30_000), (38_000, 60_000)],
        worst: Bounds { utilisation: 0.7, ..WORST },
        ..STEADY
    },
    Pattern {
        name: "narrow",
        what: "300 kbit/s with layers of 100, 200 and 2500 kbit/s",
        link: LinkSpec { rates: &[(0, 300.0)], queue_bytes: 15_000, ..LINK },
        source: Source::Layers(&[100, 200, 2500]),
        ..STEADY
    },
    Pattern {
        name: "long way",
        what: "3 Mbit/s, 300 ms round trip",
        link: LinkSpec { delay_ms: 150.0, ..LINK },
        back: Back { delay_ms: 150.0, ..BACK },
        ..STEADY
    },
];
