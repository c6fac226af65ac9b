//! Owns what the benchmark prints: one row per scenario, and the bars that the project holds itself to.

use std::fmt;
use std::time::Duration;

use chappe_load::floor::Floor;
use chappe_load::measure::Sample;

use super::baseline::Figure;

/// One measurement of one scenario, with the floor measured right after it.
pub struct Measurement {
    pub nanos_per_packet: f64,
    pub user: Duration,
    pub floor: Floor,
    /// Where the viewers tell of what they get, which the floor hears.
    pub sending: Option<SendingFloor>,
    /// Packets per segmented send.
    pub mean_run: f64,
    /// Share of the worker's core.
    pub load: f64,
    /// From the publisher's send call to the viewer's socket, in microseconds.
    pub latency: Sample,
    pub delivered: u64,
    pub missing: u64,
    pub broken: u64,
}

/// The floor of what is sent alone, beside that which hears what the viewers tell.
pub struct SendingFloor {
    pub floor: Floor,
    /// Feedback packets of all viewers together, and those that the floor heard.
    pub told_per_second: f64,
    pub heard_per_second: f64,
    /// Bytes of one feedback packet before sealing.
    pub told_bytes: usize,
}

/// Medians over the rounds of a scenario.
pub struct Row {
    load: f64,
    nanos_per_packet: f64,
    /// Counted in ticks, so coarsely that it needs all rounds together.
    user_nanos: f64,
    floor_nanos: f64,
    ratio: f64,
    mean_run: f64,
    latency_us: (f64, f64),
    floor_latency_us: (f64, f64),
    delivered: u64,
    missing: u64,
    broken: u64,
    beside_sending: Option<String>,
}

/// What a run of the benchmark found out.
#[derive(Default)]
pub struct Findings {
    pub bars: Vec<Bar>,
    /// To be compared with those of other trees.
    pub figures: Vec<Figure>,
}

/// A figure and what it may be at most.
pub struct Bar {
    what: String,
    is: f64,
    at_most: f64,
}

impl Findings {
    pub fn extend(&mut self, more: Findings) {
        self.bars.extend(more.bars);
        self.figures.extend(more.figures);
    }

    pub fn add_row(&mut self, scenario: &str, row: &Row) {
        self.bars.extend(row.bars(scenario));
        self.figures.push(Figure { name: format!("{scenario}: processor time"), ratio: row.ratio });
    }
}

impl Row {
    pub fn of(readings: &[Measurement]) -> Row {
        let median = |value: fn(&Measurement) -> f64| Sample::new(readings.iter().map(value).collect()).median();
        let sum = |value: fn(&Measurement) -> u64| readings.iter().map(value).sum::<u64>();
        let delivered = sum(|reading| reading.delivered);
        let user: Duration = readings.iter().map(|reading| reading.user).sum();
        Row {
            load: median(|reading| reading.load),
            nanos_per_packet: median(|reading| reading.nanos_per_packet),
            user_nanos: user.as_nanos() as f64 / delivered.max(1) as f64,
            floor_nanos: median(|reading| reading.floor.nanos_per_packet()),
            ratio: median(|reading| reading.nanos_per_packet / reading.floor.nanos_per_packet()),
            mean_run: median(|reading| reading.mean_run),
            latency_us: (median(|reading| reading.latency.median()), median(|reading| reading.latency.quantile(0.99))),
            floor_latency_us: (
                median(|reading| reading.floor.latency_us.median()),
                median(|reading| reading.floor.latency_us.quantile(0.99)),
            ),
            delivered,
            missing: sum(|reading| reading.missing),
            broken: sum(|reading| reading.broken),
            beside_sending: beside_sending(readings),
        }
    }

    /// What the row would be beside a floor that hears nothing.
    pub fn beside_sending(&self) -> Option<&str> {
        self.beside_sending.as_deref()
    }

    /// The cost bars are those of one publisher with 500 viewers. Latency is what the worker adds to the
    /// time that sealing and sending a frame to that many viewers takes by itself.
    fn bars(&self, scenario: &str) -> Vec<Bar> {
        let added_ms = (self.latency_us.1 - self.floor_latency_us.1) / 1e3;
        let mut bars =
            vec![Bar::new(format!("{scenario}: packets missing or broken"), (self.missing + self.broken) as f64, 0.0)];
        if self.load < 0.5 {
            bars.push(Bar::new(format!("{scenario}: added latency p99, ms"), added_ms, 2.0));
        }
        if scenario.starts_with("even") {
            bars.push(Bar::new(format!("{scenario}: latency p50, ms"), self.latency_us.0 / 1e3, 0.5));
        }
        if scenario == "1x500" {
            bars.push(Bar::new(format!("{scenario}: cost as a multiple of the floor"), self.ratio, 1.7));
            bars.push(Bar::new(format!("{scenario}: user space per packet, ns"), self.user_nanos, 600.0));
        }
        bars
    }
}

fn beside_sending(readings: &[Measurement]) -> Option<String> {
    let told = readings.iter().filter_map(|reading| Some((reading, reading.sending.as_ref()?)));
    let median =
        |value: fn((&Measurement, &SendingFloor)) -> f64| Sample::new(told.clone().map(value).collect()).median();
    told.clone().next()?;
    Some(format!(
        "{:.0} feedback packets/s of {:.0} B, the floor hears {:.0}/s; one that only sends: {:.0} ns, {:.2} x",
        median(|(_, sending)| sending.told_per_second),
        median(|(_, sending)| sending.told_bytes as f64),
        median(|(_, sending)| sending.heard_per_second),
        median(|(_, sending)| sending.floor.nanos_per_packet()),
        median(|(reading, sending)| reading.nanos_per_packet / sending.floor.nanos_per_packet()),
    ))
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:4.1}%  {:5.0} {:5.0}  {:5.0}   {:4.2}  {:4.2}  {:6.0} {:6.0}   {:6.0} {:6.0}   {:10}  {:7}  {:6}",
            100.0 * self.load,
            self.nanos_per_packet,
            self.user_nanos,
            self.floor_nanos,
            self.ratio,
            self.mean_run,
            self.latency_us.0,
            self.latency_us.1,
            self.floor_latency_us.0,
            self.floor_latency_us.1,
            self.delivered,
            self.missing,
            self.broken,
        )
    }
}

impl Bar {
    pub fn new(what: String, is: f64, at_most: f64) -> Bar {
        Bar { what, is, at_most }
    }

    pub fn is_met(&self) -> bool {
        self.is <= self.at_most
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.is_met() { "met   " } else { "MISSED" };
        write!(f, "{verdict} {:8.2} (at most {:5.1})  {}", self.is, self.at_most, self.what)
    }
}
