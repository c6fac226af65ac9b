//! Owns the event loop: what is waited for, in which order its parts run, and when it ends. Media comes
//! first in every turn, and commands are bounded, so that signaling never delays a packet.

use std::time::{Duration, Instant};

use chappe_sfu_api::{Boot, CloseReason, Event, Fingerprint, Hello, PROTOCOL_VERSION, SessionId, WorkerIndex};
use chappe_sfu_core::dtls::Certificate;
use chappe_sfu_core::{DropReason, Now, Sfu, SfuConfig};
use chappe_sfu_io::clock;
use chappe_sfu_io::epoll::{Epoll, Events, Interest, Ready};
use chappe_sfu_io::process::Termination;
use chappe_sfu_io::tcp::TcpListener;
use chappe_sfu_io::udp::UdpSocket;

use crate::config::{WorkerConfig, WorkerStartError};
use crate::connections::Connections;
use crate::control::{ClientId, Control, Disconnect};
use crate::faults::FailedWaits;
use crate::media::{MediaSockets, read_clock};
use crate::overload::Overload;
use crate::parent::{Listening, Parent};
use crate::report::Meter;
use crate::sessions::Sessions;
use crate::sources::PollSource;
use crate::translate::{IntoApi as _, ToCore as _};

pub(crate) struct Worker {
    identity: Identity,
    pub(crate) core: Sfu,
    pub(crate) sessions: Sessions,
    pub(crate) control: Control,
    pub(crate) drain: Drain,
    pub(crate) meter: Meter,
    pub(crate) overload: Overload,
    alive_at: Instant,
    pub(crate) media: MediaSockets,
    pub(crate) epoll: Epoll,
    termination: Termination,
    parent: Listening,
    /// A listener that ran out of descriptors rests until the next report.
    pub(crate) resting: Vec<PollSource>,
    pub(crate) ready: Vec<Ready>,
    pub(crate) events: Events,
    pub(crate) failed_waits: FailedWaits,
    line: Vec<u8>,
}

/// What does not change while the process lives.
struct Identity {
    index: WorkerIndex,
    boot: Boot,
    media_port: u16,
    fingerprint: Fingerprint,
    sessions_max: u32,
    restarts: u64,
    /// As Unix time.
    started_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drain {
    Serving,
    /// No new sessions; the rest are closed at the deadline.
    Until(Instant),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Continue,
    Stop,
}

impl Worker {
    pub(crate) fn start(config: WorkerConfig, parent: Box<dyn Parent>) -> Result<Worker, WorkerStartError> {
        let set_up = |what| move |error| WorkerStartError::SetUp { what, error };
        let termination = Termination::block().map_err(set_up("signals"))?;
        let udp = UdpSocket::adopt(config.udp).map_err(set_up("the UDP socket"))?;
        let tcp = TcpListener::adopt(config.tcp).map_err(set_up("the TCP listener"))?;
        let control = Control::new(config.control).map_err(set_up("the control listener"))?;
        let epoll = Epoll::new().map_err(set_up("epoll"))?;
        let parent = Listening::to(parent, &epoll).map_err(set_up("epoll"))?;
        epoll.add(&udp, PollSource::Udp.token(), Interest::Read).map_err(set_up("epoll"))?;
        epoll.add(&tcp, PollSource::TcpListener.token(), Interest::Read).map_err(set_up("epoll"))?;
        epoll.add(control.listener(), PollSource::ControlListener.token(), Interest::Read).map_err(set_up("epoll"))?;
        epoll.add(&termination, PollSource::Termination.token(), Interest::Read).map_err(set_up("epoll"))?;

        let certificate = Certificate::generate()?;
        let identity = Identity {
            index: config.index,
            boot: Boot(clock::random_u64().map_err(set_up("randomness"))?),
            media_port: config.media_port,
            fingerprint: certificate.fingerprint().into_api(),
            sessions_max: config.sessions_max,
            restarts: config.restarts,
            started_ms: u64::try_from(clock::now().unix.as_millis()).unwrap_or(u64::MAX),
        };
        let sessions_max = usize::try_from(config.sessions_max).unwrap_or(usize::MAX);
        let loudest = usize::from(config.loudest);
        let seed = clock::random_u64().map_err(set_up("randomness"))?;
        tracing::info!(media = %udp.local_addr(), boot = identity.boot.0, "worker started");
        Ok(Worker {
            identity,
            core: Sfu::new(SfuConfig { certificate, sessions_max, loudest, seed }),
            sessions: Sessions::default(),
            control,
            drain: Drain::Serving,
            meter: Meter::new(Instant::now()),
            overload: Overload::new(Instant::now()),
            alive_at: Instant::now(),
            media: MediaSockets::new(udp, Connections::new(tcp)),
            epoll,
            termination,
            parent,
            resting: Vec::new(),
            ready: Vec::new(),
            events: Events::new(),
            failed_waits: FailedWaits::default(),
            line: Vec::new(),
        })
    }

    pub(crate) fn run(mut self) {
        while self.turn() == Flow::Continue {}
        self.say_goodbye();
        tracing::info!("worker stopped");
    }

    fn turn(&mut self) -> Flow {
        self.wait();
        let began = read_clock();

        let mut flow = self.take_in(began);
        self.flush(began);

        self.media.handshakes.advance(&mut self.core, read_clock);
        let now = read_clock();
        self.core.note_turn(began, now);
        self.execute_lines(now);
        if self.core.poll_timeout().is_some_and(|at| at <= now.mono) {
            self.core.handle_timeout(now);
        }
        self.flush(now);
        self.pass_on_events();
        self.report(now);
        self.say_alive(now.mono);
        if self.is_drained(now.mono) {
            flow = Flow::Stop;
        }
        self.write_control(now.mono);
        let ended = read_clock();
        self.meter.note_turn(ended.mono.saturating_duration_since(now.mono));
        self.judge_load(began.mono, ended);
        flow
    }

    /// Gives up what there is no time for, and takes it up again.
    fn judge_load(&mut self, began: Instant, now: Now) {
        let waited = self.media.take_waited().max(self.core.oldest_wait(now));
        self.overload.note_skipped(self.core.counters().dropped(DropReason::MediaStale));
        let before = self.overload.step();
        if !self.overload.note_turn(began, now.mono, waited) {
            return;
        }
        let (step, relief) = (self.overload.step(), self.overload.relief());
        self.core.relieve(now, relief);
        match (before, step) {
            (0, _) => {
                tracing::warn!(waited_ms = waited.as_millis(), "more to send than this core can: viewers get less")
            }
            (_, 0) => tracing::info!("viewers get all again"),
            _ => tracing::debug!(step, ?relief, "viewers get more or less"),
        }
    }

    /// Takes what the sources have: media goes to the core, lines wait for their turn.
    fn take_in(&mut self, now: Now) -> Flow {
        let mut flow = Flow::Continue;
        let mut index = 0;
        while let Some(ready) = self.ready.get(index).copied() {
            index += 1;
            match PollSource::of(ready.token) {
                Some(PollSource::Udp) => self.media.receive_udp(&mut self.core),
                Some(PollSource::Tcp(id)) => {
                    if ready.writable {
                        self.media.tcp.note_writable(id);
                    }
                    if ready.readable {
                        self.media.receive_tcp(now, id, &mut self.core);
                    }
                }
                Some(PollSource::TcpListener) => self.accept_media(now),
                Some(PollSource::ControlListener) => self.accept_control(),
                Some(PollSource::Control(client)) if ready.readable => {
                    if let Err(why) = self.control.read(client) {
                        self.drop_client(client, why);
                    }
                }
                Some(PollSource::Termination) => match self.termination.arrived() {
                    Ok(true) => flow = Flow::Stop,
                    Ok(false) => {}
                    Err(error) => tracing::warn!(%error, "a signal can't be read"),
                },
                Some(PollSource::Parent) => self.parent.handle_ready(&self.epoll),
                Some(PollSource::Control(_)) | None => {}
            }
        }
        flow
    }

    fn flush(&mut self, now: Now) {
        let report = self.media.flush(now, &mut self.core, &self.epoll);
        self.meter.note_sent(report);
    }

    /// Executes a bounded number of the commands that wait.
    fn execute_lines(&mut self, now: Now) {
        let mut line = std::mem::take(&mut self.line);
        for _ in 0..COMMANDS_PER_TURN {
            match self.control.next_line(&mut line) {
                Some((client, Ok(()))) => {
                    self.handle_line(now, client, &line);
                    // The next command may be about a session that this one closed.
                    self.pass_on_events();
                }
                Some((client, Err(why))) => self.drop_client(client, why),
                None => break,
            }
        }
        self.line = line;
    }

    pub(crate) fn drop_client(&mut self, client: ClientId, why: Disconnect) {
        tracing::info!(client = client.0, ?why, "signaling disconnected");
        self.control.remove(client);
    }

    /// Tells signaling what happened in the core.
    fn pass_on_events(&mut self) {
        while let Some(event) = self.core.poll_event() {
            let event = event.into_api();
            match event {
                Event::StateChanged { session, state } => {
                    self.sessions.set_state(session, state);
                    tracing::info!(%session, ?state, "session changed state");
                }
                Event::TrackActive { session, track, active } => self.sessions.set_active(session, track, active),
                Event::Closed { session, reason } => self.note_closed(session, reason),
                _ => {}
            }
            self.control.broadcast(&event);
        }
    }

    fn note_closed(&mut self, session: SessionId, reason: CloseReason) {
        self.sessions.remove(session);
        match reason {
            CloseReason::Fault => tracing::error!(%session, "session ended by a panic on what its client sent"),
            _ => tracing::info!(%session, ?reason, "session closed"),
        }
    }

    fn report(&mut self, now: Now) {
        if self.meter.measure(now.mono) {
            self.media.close_idle(now, &mut self.core);
            self.wake_resting();
            self.broadcast_load();
        }
    }

    fn say_alive(&mut self, now: Instant) {
        if now >= self.alive_at {
            self.alive_at = now + ALIVE_INTERVAL;
            self.control.broadcast(&Event::Alive);
        }
    }

    pub(crate) fn boot(&self) -> Boot {
        self.identity.boot
    }

    pub(crate) fn broadcast_load(&mut self) {
        let draining = self.drain != Drain::Serving;
        let load =
            self.meter.report(&self.core, &self.media, self.failed_waits.count(), (self.overload.step(), draining));
        self.control.broadcast(&Event::Load(load));
    }

    fn write_control(&mut self, now: Instant) {
        let sessions = &self.sessions;
        let describe = |session| sessions.snapshot(now, session).map(|snapshot| Event::Session(Box::new(snapshot)));
        let ended = self.control.flush(&self.epoll, |id| PollSource::Control(id).token(), describe);
        for (client, why) in ended {
            self.drop_client(client, why);
        }
    }

    fn is_drained(&self, now: Instant) -> bool {
        match self.drain {
            Drain::Serving => false,
            Drain::Until(deadline) => self.sessions.len() == 0 || now >= deadline,
        }
    }

    pub(crate) fn next_wake(&self) -> Option<Instant> {
        if self.control.has_backlog() || self.media.has_more() || !self.media.handshakes.is_empty() {
            return Some(Instant::now());
        }
        let deadline = match self.drain {
            Drain::Serving => None,
            Drain::Until(deadline) => Some(deadline),
        };
        [self.core.poll_timeout(), deadline, Some(self.meter.due()), Some(self.alive_at)].into_iter().flatten().min()
    }

    /// Closes what is left, so that clients know at once instead of after the consent timeout.
    fn say_goodbye(&mut self) {
        let now = read_clock();
        for session in self.sessions.ids().collect::<Vec<_>>() {
            let (id, reason) = (session.to_core(), CloseReason::Drained.to_core());
            let epoch = self.sessions.spec(session).map(|spec| spec.epoch.to_core()).unwrap_or_default();
            if let Err(error) = self.core.close_session(now, id, epoch, reason) {
                tracing::warn!(%session, %error, "session not closed");
            }
        }
        self.flush(now);
        self.pass_on_events();
        self.write_control(now.mono);
    }

    pub(crate) fn hello(&self) -> Hello {
        Hello {
            version: PROTOCOL_VERSION,
            worker: self.identity.index,
            boot: self.identity.boot,
            pid: std::process::id(),
            media_port: self.identity.media_port,
            fingerprint: self.identity.fingerprint.clone(),
            draining: self.drain != Drain::Serving,
            sessions_max: self.identity.sessions_max,
            restarts: self.identity.restarts,
            started_ms: self.identity.started_ms,
        }
    }
}

/// Commands per turn of the loop. Opening a session takes some ten microseconds; a turn must stay far below
/// the millisecond of an egress tick.
const COMMANDS_PER_TURN: usize = 16;

/// Between two signs of life towards signaling.
const ALIVE_INTERVAL: Duration = Duration::from_millis(100);

/// How long a drain may last; longer deadlines are cut to it.
pub(crate) const DRAIN_MAX: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests;
