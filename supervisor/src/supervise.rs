//! Owns the loop of the parent: notices deaths, starts replacements, passes log lines on, stops in order.
//! Knows nothing of what its children do.

use std::fmt::Write as _;
use std::io;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::process::Signal;
use tracing::{error, info, warn};

use crate::backoff::Backoff;
use crate::outlet::{LogFormat, Outlet};
use crate::process::{ChildSpec, Process, describe};
use crate::signals::StopSignals;

/// One turn of [`Supervisor::turn`] handles what happened since the last.
pub struct Supervisor {
    epoll: std::os::fd::OwnedFd,
    signals: StopSignals,
    slots: Vec<Slot>,
    phase: Phase,
    outlet: Outlet,
    format: LogFormat,
    events: Vec<epoll::Event>,
    changed: bool,
    refused: bool,
}

/// A place that always has a process, or is about to.
struct Slot {
    spec: ChildSpec,
    life: Life,
    backoff: Backoff,
    restarts: u64,
}

enum Life {
    Running {
        process: Process,
        since: Instant,
    },
    /// Starts again at this time.
    Due(Instant),
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// The first child has SIGTERM, the others get it when that is gone and at `rest_at` at the latest (none: they
    /// have it). Who lives at `kill_at` is killed.
    Stopping {
        rest_at: Option<Instant>,
        kill_at: Instant,
    },
    /// SIGKILL is out.
    Killing {
        asked_twice: bool,
    },
}

/// What an exit code of the first child asks for.
fn asks_to_stop(index: usize, status: ExitStatus) -> Option<bool> {
    let code = status.code().filter(|_| index == 0)?;
    (code == i32::from(EXIT_STOP) || code == i32::from(EXIT_REFUSE)).then_some(code == i32::from(EXIT_REFUSE))
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All children are gone after one request to stop.
    InOrder,
    /// A second signal cut the waiting short.
    AtOnce,
    /// The first child said that the node must not run; its log says why.
    Refused,
}

/// With this code the first child asks that the node stops in order, for example because it is drained.
pub const EXIT_STOP: u8 = 10;
/// The same, but the node has failed: starting it again would lead to the same.
pub const EXIT_REFUSE: u8 = 11;

/// A process as the state file and the start lines show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotView {
    pub name: String,
    /// None while it waits for its next start.
    pub pid: Option<u32>,
    pub restarts: u64,
}

impl Supervisor {
    /// Starts all children.
    pub fn start(specs: Vec<ChildSpec>, signals: StopSignals, outlet: Outlet, format: LogFormat) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &signals, epoll::EventData::new_u64(Token::Signal.encode()), epoll::EventFlags::IN)?;
        let now = Instant::now();
        let slots =
            specs.into_iter().map(|spec| Slot { spec, life: Life::Due(now), backoff: Backoff::default(), restarts: 0 });
        let mut supervisor = Supervisor {
            epoll,
            signals,
            slots: slots.collect(),
            phase: Phase::Running,
            outlet,
            format,
            events: Vec::with_capacity(EVENTS_MAX),
            changed: true,
            refused: false,
        };
        supervisor.start_due(now);
        Ok(supervisor)
    }

    pub fn views(&self) -> Vec<SlotView> {
        let view = |slot: &Slot| SlotView {
            name: slot.spec.name.clone(),
            pid: match &slot.life {
                Life::Running { process, .. } => Some(process.pid()),
                Life::Due(_) | Life::Ended => None,
            },
            restarts: slot.restarts,
        };
        self.slots.iter().map(view).collect()
    }

    /// Whether a process started or died since the last call.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Waits for the next thing to happen and handles it. Some when all children are gone for good.
    pub fn turn(&mut self) -> io::Result<Option<Ended>> {
        self.turn_within(None)
    }

    /// The same, but returns after `longest` also when nothing happened.
    fn turn_within(&mut self, longest: Option<Duration>) -> io::Result<Option<Ended>> {
        self.wait(longest)?;
        let events = std::mem::take(&mut self.events);
        for event in &events {
            self.handle(Token::decode(event.data.u64()));
        }
        self.events = events;
        self.handle_time(Instant::now());
        self.outlet.flush();
        Ok(self.ended())
    }

    fn wait(&mut self, longest: Option<Duration>) -> io::Result<()> {
        let due = self.next_wakeup().map(|at| at.saturating_duration_since(Instant::now()));
        // The queue of log lines has no descriptor that would wake us, so it is tried again soon.
        let retry = (!self.outlet.flush()).then_some(RETRY_OUTLET);
        let pause = [due, retry, longest].into_iter().flatten().min();
        let timeout = pause.map(|pause| Timespec {
            tv_sec: pause.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: pause.subsec_nanos().into(),
        });
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    fn next_wakeup(&self) -> Option<Instant> {
        let due = self.slots.iter().filter_map(|slot| match slot.life {
            Life::Due(at) => Some(at),
            Life::Running { .. } | Life::Ended => None,
        });
        let kill = match self.phase {
            Phase::Stopping { rest_at, kill_at } => Some(rest_at.unwrap_or(kill_at)),
            Phase::Running | Phase::Killing { .. } => None,
        };
        due.chain(kill).min()
    }

    fn handle(&mut self, token: Token) {
        match token {
            Token::Signal => self.handle_signal(),
            Token::Death(index) => self.handle_death(index),
            Token::Log(index) => self.handle_log(index),
        }
    }

    fn handle_signal(&mut self) {
        for _ in 0..self.signals.take() {
            self.phase = match self.phase {
                Phase::Running => {
                    info!("stopping; a second Ctrl-C stops at once");
                    signal_each(self.slots.iter().take(1), Signal::TERM);
                    let now = Instant::now();
                    Phase::Stopping { rest_at: Some(now + FIRST_PATIENCE), kill_at: now + STOP_PATIENCE }
                }
                Phase::Stopping { .. } | Phase::Killing { .. } => {
                    signal_each(&self.slots, Signal::KILL);
                    Phase::Killing { asked_twice: true }
                }
            };
        }
    }

    fn handle_death(&mut self, index: usize) {
        self.handle_log(index);
        let Some(slot) = self.slots.get_mut(index) else { return };
        let Life::Running { process, since } = &mut slot.life else { return };
        let status = match process.try_wait() {
            Ok(Some(status)) => status,
            // An event of the predecessor that was replaced in this very turn.
            Ok(None) => return,
            Err(e) => {
                error!(process = slot.spec.name, error = %e, "waiting for a process failed");
                ExitStatus::default()
            }
        };
        let ran = since.elapsed();
        let pid = process.pid();
        self.changed = true;
        if self.phase != Phase::Running {
            slot.life = Life::Ended;
            return;
        }
        if let Some(refused) = asks_to_stop(index, status) {
            slot.life = Life::Ended;
            self.refused = refused;
            info!(process = slot.spec.name, pid, "asks the node to stop");
            let now = Instant::now();
            self.phase = Phase::Stopping { rest_at: Some(now), kill_at: now + STOP_PATIENCE };
            return;
        }
        let pause = slot.backoff.pause_after(ran);
        slot.life = Life::Due(Instant::now() + pause);
        slot.restarts += 1;
        warn!(
            process = slot.spec.name,
            pid,
            ran_ms = ran.as_millis() as u64,
            pause_ms = pause.as_millis() as u64,
            "{} {}; starting another",
            slot.spec.name,
            describe(status)
        );
    }

    fn handle_log(&mut self, index: usize) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let Life::Running { process, .. } = &mut slot.life else { return };
        let (outlet, name, format) = (&self.outlet, &slot.spec.name, self.format);
        let open = process.read_log(|line| outlet.offer(&presented(line, name, format)));
        if !open {
            let _ = epoll::delete(&self.epoll, process.log());
        }
    }

    fn handle_time(&mut self, now: Instant) {
        if let Phase::Stopping { rest_at: Some(at), kill_at } = self.phase
            && (now >= at || !self.slots.first().is_some_and(Slot::is_running))
        {
            // The first commands the others: with them gone before it, it would take their end for deaths.
            signal_each(self.slots.iter().skip(1), Signal::TERM);
            self.phase = Phase::Stopping { rest_at: None, kill_at };
        }
        if let Phase::Stopping { kill_at, .. } = self.phase
            && now >= kill_at
        {
            let names: Vec<&str> = self.living().map(|slot| slot.spec.name.as_str()).collect();
            warn!(still_running = names.join(","), "not stopped within {} s, killing", STOP_PATIENCE.as_secs());
            signal_each(&self.slots, Signal::KILL);
            self.phase = Phase::Killing { asked_twice: false };
        }
        if self.phase == Phase::Running {
            self.start_due(now);
        }
    }

    fn start_due(&mut self, now: Instant) {
        for index in 0..self.slots.len() {
            let Some(slot) = self.slots.get_mut(index) else { continue };
            let Life::Due(at) = slot.life else { continue };
            if at > now {
                continue;
            }
            match Process::spawn(&slot.spec, slot.restarts).and_then(|process| watch(&self.epoll, index, process)) {
                Ok(process) => {
                    info!(process = slot.spec.name, pid = process.pid(), restarts = slot.restarts, "started");
                    slot.life = Life::Running { process, since: now };
                }
                Err(e) => {
                    // The first failure waits too: nothing was started, so nothing suggests the second try works.
                    let pause = slot.backoff.pause_after(Duration::ZERO).max(SPAWN_PAUSE);
                    error!(process = slot.spec.name, error = %e, pause_ms = pause.as_millis() as u64, "cannot start");
                    slot.life = Life::Due(now + pause);
                }
            }
            self.changed = true;
        }
    }

    fn living(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(|slot| slot.is_running())
    }

    fn ended(&self) -> Option<Ended> {
        match self.phase {
            Phase::Running => None,
            _ if self.living().next().is_some() => None,
            _ if self.refused => Some(Ended::Refused),
            Phase::Killing { asked_twice: true } => Some(Ended::AtOnce),
            Phase::Stopping { .. } | Phase::Killing { .. } => Some(Ended::InOrder),
        }
    }
}

impl Slot {
    fn is_running(&self) -> bool {
        matches!(self.life, Life::Running { .. })
    }
}

fn signal_each<'a>(slots: impl IntoIterator<Item = &'a Slot>, signal: Signal) {
    for slot in slots {
        if let Life::Running { process, .. } = &slot.life {
            process.signal(signal);
        }
    }
}

fn watch(epoll: &std::os::fd::OwnedFd, index: usize, process: Process) -> io::Result<Process> {
    let data = |token: Token| epoll::EventData::new_u64(token.encode());
    epoll::add(epoll, process.death(), data(Token::Death(index)), epoll::EventFlags::IN)?;
    epoll::add(epoll, process.log(), data(Token::Log(index)), epoll::EventFlags::IN)?;
    Ok(process)
}

/// What an epoll event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Signal,
    Death(usize),
    Log(usize),
}

impl Token {
    fn encode(self) -> u64 {
        match self {
            Token::Signal => 0,
            Token::Death(index) => (index as u64) << 2 | 1,
            Token::Log(index) => (index as u64) << 2 | 2,
        }
    }

    fn decode(value: u64) -> Token {
        let index = (value >> 2) as usize;
        match value & 3 {
            1 => Token::Death(index),
            2 => Token::Log(index),
            _ => Token::Signal,
        }
    }
}

/// A child's own log lines pass as they are. In JSON a line that is none (a message of the C library, say)
/// is wrapped, so that every line of our standard error stays one JSON object.
fn presented<'a>(line: &'a [u8], name: &str, format: LogFormat) -> std::borrow::Cow<'a, [u8]> {
    if format == LogFormat::Text || line.starts_with(b"{") {
        return line.into();
    }
    let mut escaped = String::with_capacity(line.len() + 64);
    for c in String::from_utf8_lossy(line).chars() {
        match c {
            '"' | '\\' => escaped.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(escaped, "\\u{:04x}", u32::from(c));
            }
            c => escaped.push(c),
        }
    }
    format!(r#"{{"level":"ERROR","fields":{{"message":"{escaped}"}},"target":"{name}"}}"#).into_bytes().into()
}

/// For the first child to go before the others are asked, too.
const FIRST_PATIENCE: Duration = Duration::from_millis(2500);
/// Between SIGTERM and SIGKILL.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
const SPAWN_PAUSE: Duration = Duration::from_millis(500);
const RETRY_OUTLET: Duration = Duration::from_millis(50);
const EVENTS_MAX: usize = 64;

#[cfg(test)]
mod tests;
