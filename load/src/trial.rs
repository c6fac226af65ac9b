//! Owns a load test as a user runs it: publishers and viewers in rooms of their own, who come back when their sessions
//! die, driven by one thread for a time. Never asks a server how it is, and says when it was itself too slow.

mod report;
mod settings;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

pub use report::{Driver, TrialReport};
pub use settings::Settings;

use crate::POLL_TICK;
use crate::clients::{Clients, ClientsPlan};
use crate::measure::{thread_cpu, thread_waited};

/// How far a test is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrialProgress {
    /// Since the first viewer was to come; none while publishers connect.
    pub elapsed: Option<Duration>,
    pub on_air: usize,
    pub watching: usize,
    /// Of all viewers, in the last second.
    pub packets_per_second: f64,
}

/// Returns when the time is over, or `is_stopped`. `tell` hears each second how far it is.
pub fn run(
    settings: &Settings,
    mut tell: impl FnMut(TrialProgress),
    is_stopped: impl Fn() -> bool,
) -> Result<TrialReport> {
    let plans: Vec<ClientsPlan> = settings.plans().collect();
    let mut groups = plans.iter().map(Clients::publish).collect::<Result<Vec<_>>>()?;
    let mut trial = Trial::new(&mut tell);
    let patience = Instant::now() + CONNECT_LIMIT;
    while !groups.iter().all(Clients::is_on_air) {
        if Instant::now() >= patience || is_stopped() || groups.iter().all(Clients::is_refused) {
            let why = groups.iter().find_map(|group| group.report().last_error).unwrap_or_default();
            let on_air = groups.iter().filter(|group| group.is_on_air()).count();
            groups.into_iter().for_each(Clients::leave);
            bail!("only {on_air} of {} publishers connected: {why}", plans.len());
        }
        trial.turn(&mut groups);
    }
    for (group, plan) in groups.iter_mut().zip(&plans) {
        group.forget();
        group.begin_to_watch(plan);
    }
    trial.began = Some(Instant::now());
    let (cpu_before, waited_before, began) = (thread_cpu(), thread_waited(), Instant::now());
    trial.longest_turn = Duration::ZERO;
    while began.elapsed() < settings.duration && !is_stopped() {
        trial.turn(&mut groups);
    }
    let share = |time: Duration| time.as_secs_f64() / began.elapsed().as_secs_f64();
    let (cpu, waited) = (share(thread_cpu() - cpu_before), share(thread_waited() - waited_before));
    let driver = Driver { cpu, waited, longest_turn: trial.longest_turn };
    let reports = groups.iter().map(Clients::report).collect();
    groups.into_iter().for_each(Clients::leave);
    Ok(TrialReport::new(settings, reports, driver))
}

struct Trial<'a> {
    tell: &'a mut dyn FnMut(TrialProgress),
    began: Option<Instant>,
    told: Instant,
    packets_then: u64,
    longest_turn: Duration,
}

impl<'a> Trial<'a> {
    fn new(tell: &'a mut dyn FnMut(TrialProgress)) -> Trial<'a> {
        Trial { tell, began: None, told: Instant::now(), packets_then: 0, longest_turn: Duration::ZERO }
    }

    /// Everybody's turn, then a pause until the next tick.
    fn turn(&mut self, groups: &mut [Clients]) {
        let now = Instant::now();
        groups.iter_mut().for_each(|group| group.turn(now));
        let took = now.elapsed();
        self.longest_turn = self.longest_turn.max(took);
        if self.told.elapsed() >= TELL_PERIOD {
            let packets: u64 = groups.iter().map(Clients::packets).sum();
            let rate = packets.saturating_sub(self.packets_then) as f64 / self.told.elapsed().as_secs_f64();
            (self.told, self.packets_then) = (Instant::now(), packets);
            (self.tell)(TrialProgress {
                elapsed: self.began.map(|began| began.elapsed()),
                on_air: groups.iter().filter(|group| group.is_on_air()).count(),
                watching: groups.iter().map(Clients::watching).sum(),
                packets_per_second: rate,
            });
        }
        std::thread::sleep(POLL_TICK.saturating_sub(took));
    }
}

const TELL_PERIOD: Duration = Duration::from_secs(1);
/// For all publishers.
const CONNECT_LIMIT: Duration = Duration::from_secs(20);
