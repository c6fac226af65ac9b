//! Owns a place with what is started in it: the life of its processes, and how often there was another. Never decides
//! whether one is to end.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use chappe_supervisor_api::ProcessName;
use rustix::event::epoll;
use tracing::{error, info};

use crate::backoff::Backoff;
use crate::lifecycle::State;
use crate::process::{ChildSpec, Process};
use crate::token::Token;

/// A place that has a process, or is about to.
pub struct Supervised {
    pub spec: ChildSpec,
    pub state: State<Process>,
    pub backoff: Backoff,
    pub restarts: u64,
}

impl Supervised {
    pub fn new(spec: ChildSpec) -> Supervised {
        Supervised { spec, state: State::Starting, backoff: Backoff::default(), restarts: 0 }
    }

    pub fn start(&mut self, epoll: &OwnedFd, now: Instant) {
        let (name, restarts) = (self.spec.name, self.restarts);
        match Process::spawn(&self.spec, restarts).and_then(|process| watch(epoll, name, process)) {
            Ok(process) => {
                info!(process = %name, pid = process.pid(), restarts, "started");
                self.state.handle_started(process, now);
            }
            Err(e) => {
                // The first failure waits too: nothing was started, so nothing suggests the second try works.
                let pause = self.backoff.pause_after(Duration::ZERO).max(SPAWN_PAUSE);
                error!(process = %name, error = %e, pause_ms = pause.as_millis() as u64, "cannot start");
                self.state.handle_not_started(now + pause);
            }
        }
    }
}

fn watch(epoll: &OwnedFd, name: ProcessName, process: Process) -> io::Result<Process> {
    let data = |token: Token| epoll::EventData::new_u64(token.encode());
    epoll::add(epoll, process.death(), data(Token::Death(name)), epoll::EventFlags::IN)?;
    epoll::add(epoll, process.log(), data(Token::Log(name)), epoll::EventFlags::IN)?;
    Ok(process)
}

const SPAWN_PAUSE: Duration = Duration::from_millis(500);
