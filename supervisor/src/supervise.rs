//! Owns the loop of the parent: notices deaths, starts replacements, passes log lines on, stops in order, and hands
//! on what it is asked. Knows nothing of what its children do, and decides nothing about which there are.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use chappe_supervisor_api::{LogSource, ProcessName, ProcessStatus, SupervisorReply, SupervisorRequest};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::process::Signal;
use tracing::{error, info, warn};

use crate::backoff::Backoff;
use crate::channel::{Channel, ClientKey};
use crate::ended::{Ended, asks_to_stop};
use crate::lifecycle::{Due, State};
use crate::log_format::LogFormat;
use crate::outlet::Outlet;
use crate::process::{ChildSpec, Process, describe};
use crate::signals::Signals;
use crate::supervised::Supervised;
use crate::token::Token;

/// One turn of [`Supervisor::turn`] handles what happened since the last.
pub struct Supervisor {
    epoll: OwnedFd,
    signals: Signals,
    processes: BTreeMap<ProcessName, Supervised>,
    phase: Phase,
    outlet: Outlet,
    format: LogFormat,
    events: Vec<epoll::Event>,
    channel: Option<Channel>,
    requests: Vec<(ClientKey, SupervisorRequest)>,
    /// Places that were given up since the last look.
    gone: Vec<ProcessName>,
    changed: bool,
    /// Settings are to be read again.
    hangup: bool,
    refused: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// All are to end: the first has SIGTERM, the others get it when that is gone.
    Stopping,
    /// SIGKILL is out, because somebody asked twice.
    StoppingAtOnce,
}

impl Supervisor {
    /// Starts all children.
    pub fn start(specs: Vec<ChildSpec>, signals: Signals, outlet: Outlet, format: LogFormat) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for signal in signals.descriptors() {
            epoll::add(&epoll, signal, epoll::EventData::new_u64(Token::Signal.encode()), epoll::EventFlags::IN)?;
        }
        let mut supervisor = Supervisor {
            epoll,
            signals,
            processes: BTreeMap::new(),
            phase: Phase::Running,
            outlet,
            format,
            events: Vec::with_capacity(EVENTS_MAX),
            channel: None,
            requests: Vec::new(),
            gone: Vec::new(),
            changed: true,
            hangup: false,
            refused: false,
        };
        specs.into_iter().for_each(|spec| supervisor.add(spec));
        supervisor.handle_time(Instant::now());
        Ok(supervisor)
    }

    /// Takes requests from there; [`Supervisor::take_requests`] hands them out.
    pub fn answer_on(&mut self, channel: Channel) -> io::Result<()> {
        let data = epoll::EventData::new_u64(Token::Channel.encode());
        epoll::add(&self.epoll, &channel, data, epoll::EventFlags::IN)?;
        self.channel = Some(channel);
        Ok(())
    }

    /// A place for one more process, which is started with the next turn.
    pub fn add(&mut self, spec: ChildSpec) {
        let name = spec.name;
        self.processes.insert(name, Supervised::new(spec));
        self.changed = true;
    }

    /// What the next process in each place is started as; `change` sees every spec.
    pub fn change_specs(&mut self, mut change: impl FnMut(&mut ChildSpec)) {
        self.processes.values_mut().for_each(|supervised| change(&mut supervised.spec));
    }

    /// Says a line to each process that runs.
    pub fn tell_all(&self, line: &str) {
        self.processes
            .values()
            .filter_map(|supervised| supervised.state.process())
            .for_each(|process| process.tell(line));
    }

    /// Whether SIGHUP came since the last call, to a node that has not lost its terminal with it.
    pub fn take_hangup(&mut self) -> bool {
        std::mem::take(&mut self.hangup) && self.phase == Phase::Running
    }

    /// The process is not replaced any more. It is asked to end after `within`.
    pub fn leave(&mut self, name: ProcessName, within: Duration) {
        let at = Instant::now() + within;
        if let Some(supervised) = self.processes.get_mut(&name) {
            supervised.state.leave(at, at + STOP_PATIENCE);
            self.changed = true;
        }
        self.remove_gone();
    }

    /// Takes [`Supervisor::leave`] back; false when it is too late.
    pub fn stay(&mut self, name: ProcessName) -> bool {
        self.changed = true;
        self.processes.get_mut(&name).is_some_and(|supervised| supervised.state.stay())
    }

    /// Ends the process, so that another takes its place at once; false when there is none, or it leaves.
    pub fn restart(&mut self, name: ProcessName) -> bool {
        let Some(supervised) = self.processes.get_mut(&name) else { return false };
        // It was well, and nothing says that the next one will not be.
        supervised.backoff = Backoff::default();
        self.changed = true;
        let now = Instant::now();
        supervised.state.restart(now, now + STOP_PATIENCE)
    }

    pub fn statuses(&self) -> Vec<ProcessStatus> {
        let now = Instant::now();
        let status = |(name, supervised): (&ProcessName, &Supervised)| {
            let up = supervised.state.since().map(|since| now.saturating_duration_since(since)).unwrap_or_default();
            Some(ProcessStatus {
                name: *name,
                state: supervised.state.process_state()?,
                pid: supervised.state.process().map(Process::pid),
                up_ms: u64::try_from(up.as_millis()).unwrap_or(u64::MAX),
                restarts: supervised.restarts,
                media_port: supervised.spec.media_port,
            })
        };
        self.processes.iter().filter_map(status).collect()
    }

    /// Whether a process started, died or changed its state since the last call. Who follows them is told.
    pub fn take_changed(&mut self) -> bool {
        let changed = std::mem::take(&mut self.changed);
        if changed {
            let statuses = self.statuses();
            if let Some(channel) = &mut self.channel {
                channel.tell_processes(&statuses);
            }
        }
        changed
    }

    /// What was asked since the last call.
    pub fn take_requests(&mut self) -> Vec<(ClientKey, SupervisorRequest)> {
        std::mem::take(&mut self.requests)
    }

    /// Places that have no process any more and get none.
    pub fn take_gone(&mut self) -> Vec<ProcessName> {
        std::mem::take(&mut self.gone)
    }

    pub fn reply(&mut self, client: ClientKey, reply: &SupervisorReply) {
        if let Some(channel) = &mut self.channel {
            channel.reply(client, reply);
        }
    }

    /// All processes, now and, where the client follows them, after each change.
    pub fn tell_processes(&mut self, client: ClientKey, follow: bool) {
        let statuses = self.statuses();
        let Some(channel) = &mut self.channel else { return };
        statuses.into_iter().for_each(|status| channel.reply(client, &SupervisorReply::Process(status)));
        channel.reply(client, &SupervisorReply::Ok);
        if follow {
            channel.follow_processes(client);
        }
    }

    pub fn send_log(&mut self, client: ClientKey, of: Option<LogSource>, lines: usize, follow: bool) {
        if let Some(channel) = &mut self.channel {
            self.outlet.with_ring(|ring| channel.send_log(client, of, lines, follow, ring));
        }
    }

    /// Waits for the next thing to happen and handles it. Some when all children are gone for good.
    pub fn turn(&mut self) -> io::Result<Option<Ended>> {
        self.turn_within(None)
    }

    /// The same, but returns after `longest` also when nothing happened.
    fn turn_within(&mut self, longest: Option<Duration>) -> io::Result<Option<Ended>> {
        if let Some(channel) = &mut self.channel {
            self.outlet.with_ring(|ring| channel.flush(ring));
        }
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
        let now = Instant::now();
        let wakeup = self.processes.values().filter_map(|supervised| supervised.state.wakeup(now)).min();
        let due = wakeup.map(|at| at.saturating_duration_since(now));
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

    fn handle(&mut self, token: Token) {
        match token {
            Token::Signal => self.handle_signal(),
            Token::Channel => {
                let asked = self.channel.as_mut().map(Channel::handle_ready);
                self.requests.extend(asked.into_iter().flatten());
            }
            Token::Death(name) => self.handle_death(name),
            Token::Log(name) => self.handle_log(name),
        }
    }

    fn handle_signal(&mut self) {
        let hangup = self.signals.take_hangup();
        let ends = hangup && self.signals.has_lost_terminal();
        self.hangup |= hangup && !ends;
        for _ in 0..self.signals.take_stops() + usize::from(ends) {
            match self.phase {
                Phase::Running => {
                    info!("stopping; a second Ctrl-C stops at once");
                    self.stop(Instant::now() + FIRST_PATIENCE);
                }
                Phase::Stopping | Phase::StoppingAtOnce => {
                    self.processes
                        .values()
                        .filter_map(|supervised| supervised.state.process())
                        .for_each(|p| p.signal(Signal::KILL));
                    self.phase = Phase::StoppingAtOnce;
                }
            }
        }
    }

    /// The first child is asked at once, the others when it is gone and at `rest_at` at the latest: it commands them,
    /// and would take their end for deaths.
    fn stop(&mut self, rest_at: Instant) {
        self.phase = Phase::Stopping;
        let now = Instant::now();
        for (place, supervised) in self.processes.values_mut().enumerate() {
            supervised.state.leave(if place == 0 { now } else { rest_at }, now + STOP_PATIENCE);
        }
        self.changed = true;
        self.remove_gone();
    }

    fn handle_death(&mut self, name: ProcessName) {
        self.handle_log(name);
        let Some(supervised) = self.processes.get_mut(&name) else { return };
        let since = supervised.state.since();
        let (Some(process), Some(since)) = (supervised.state.process_mut(), since) else { return };
        let status = match process.try_wait() {
            Ok(Some(status)) => status,
            // An event of the predecessor that was replaced in this very turn.
            Ok(None) => return,
            Err(e) => {
                error!(process = %name, error = %e, "waiting for a process failed");
                ExitStatus::default()
            }
        };
        let (ran, pid) = (since.elapsed(), process.pid());
        self.changed = true;
        if self.phase == Phase::Running
            && let Some(refused) = asks_to_stop(name, status)
        {
            info!(process = %name, pid, "asks the node to stop");
            self.refused = refused;
            supervised.state = State::Gone;
            return self.stop(Instant::now());
        }
        let pause = supervised.backoff.pause_after(ran);
        supervised.state.handle_death(Instant::now() + pause);
        let (ran_ms, pause_ms) = (ran.as_millis() as u64, pause.as_millis() as u64);
        if matches!(supervised.state, State::Gone) {
            if self.phase == Phase::Running {
                info!(process = %name, pid, ran_ms, "{name} {}; its place is given up", describe(status));
            }
            return self.handle_left(name);
        }
        supervised.restarts += 1;
        warn!(process = %name, pid, ran_ms, pause_ms, "{name} {}; starting another", describe(status));
    }

    fn handle_left(&mut self, name: ProcessName) {
        let is_first = self.processes.keys().next() == Some(&name);
        self.remove_gone();
        if self.phase != Phase::Running && is_first {
            let now = Instant::now();
            self.processes.values_mut().for_each(|supervised| supervised.state.leave(now, now + STOP_PATIENCE));
        }
    }

    fn remove_gone(&mut self) {
        let before = self.gone.len();
        let gone = self.processes.iter().filter(|(_, supervised)| matches!(supervised.state, State::Gone));
        self.gone.extend(gone.map(|(name, _)| *name));
        for name in self.gone.get(before..).unwrap_or_default() {
            self.processes.remove(name);
        }
    }

    fn handle_log(&mut self, name: ProcessName) {
        let Some(process) = self.processes.get_mut(&name).and_then(|supervised| supervised.state.process_mut()) else {
            return;
        };
        let (outlet, format, source) = (&self.outlet, self.format, LogSource::Process(name));
        let open = process.read_log(|line| outlet.offer(source, &format.presented(line, name)));
        if !open {
            let _ = epoll::delete(&self.epoll, process.log());
        }
    }

    fn handle_time(&mut self, now: Instant) {
        for (name, supervised) in &mut self.processes {
            match supervised.state.take_due(now) {
                Some(Due::Start) => {
                    supervised.start(&self.epoll, now);
                    self.changed = true;
                }
                Some(Due::Ask) => {
                    supervised.state.process().into_iter().for_each(|process| process.signal(Signal::TERM))
                }
                Some(Due::Kill) => {
                    warn!(process = %name, "not stopped within {} s, killing", STOP_PATIENCE.as_secs());
                    supervised.state.process().into_iter().for_each(|process| process.signal(Signal::KILL));
                }
                None => {}
            }
        }
    }

    fn ended(&self) -> Option<Ended> {
        match self.phase {
            Phase::Running => None,
            _ if !self.processes.is_empty() => None,
            _ if self.refused => Some(Ended::Refused),
            Phase::StoppingAtOnce => Some(Ended::AtOnce),
            Phase::Stopping => Some(Ended::InOrder),
        }
    }
}

/// For the first child to go before the others are asked, too.
const FIRST_PATIENCE: Duration = Duration::from_millis(2500);
/// Between SIGTERM and SIGKILL.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
const RETRY_OUTLET: Duration = Duration::from_millis(50);
const EVENTS_MAX: usize = 64;

#[cfg(test)]
mod tests;
