//! Owns the wait for readiness. Never reads or writes the descriptors it watches.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::time::Timespec;

/// A level-triggered epoll set. Descriptors are named by the caller's tokens.
#[derive(Debug)]
pub struct Epoll {
    fd: OwnedFd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    Read,
    /// Only for room to write: what a connection asks for while nobody wants to read from it.
    Write,
    ReadWrite,
}

/// What one wait found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    pub token: u64,
    /// Readable, or closed, or failed: reading tells which.
    pub readable: bool,
    pub writable: bool,
}

impl Epoll {
    pub fn new() -> io::Result<Epoll> {
        Ok(Epoll { fd: epoll::create(CreateFlags::CLOEXEC)? })
    }

    /// Takes over a descriptor that is one. Of any other all calls fail: so a test gets an epoll that can't wait.
    pub fn adopt(fd: OwnedFd) -> Epoll {
        Epoll { fd }
    }

    pub fn add(&self, source: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::add(&self.fd, source, EventData::new_u64(token), interest.flags())?)
    }

    pub fn modify(&self, source: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::modify(&self.fd, source, EventData::new_u64(token), interest.flags())?)
    }

    /// Needed before a descriptor is closed only where another process holds it too.
    pub fn remove(&self, source: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.fd, source)?)
    }

    /// Waits until something is ready or `timeout` has passed (none: for ever). An interrupted wait
    /// returns with nothing ready.
    pub fn wait<'a>(
        &self,
        events: &'a mut Events,
        timeout: Option<Duration>,
    ) -> io::Result<impl Iterator<Item = Ready> + use<'a>> {
        let timeout = timeout.map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        });
        let count = match epoll::wait(&self.fd, &mut events.list[..], timeout.as_ref()) {
            Ok(count) => count,
            Err(rustix::io::Errno::INTR) => 0,
            Err(error) => return Err(error.into()),
        };
        Ok(events.list[..count].iter().map(Ready::from_event))
    }
}

impl Interest {
    fn flags(self) -> EventFlags {
        match self {
            Interest::Read => EventFlags::IN,
            Interest::Write => EventFlags::OUT,
            Interest::ReadWrite => EventFlags::IN | EventFlags::OUT,
        }
    }
}

impl Ready {
    fn from_event(event: &Event) -> Ready {
        let flags = event.flags;
        let data = event.data;
        Ready {
            token: data.u64(),
            readable: flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR | EventFlags::RDHUP),
            writable: flags.intersects(EventFlags::OUT | EventFlags::HUP | EventFlags::ERR),
        }
    }
}

/// Room for what one wait reports.
pub struct Events {
    list: Box<[Event]>,
}

impl Events {
    pub fn new() -> Events {
        let empty = Event { flags: EventFlags::empty(), data: EventData::new_u64(0) };
        Events { list: vec![empty; EVENTS_MAX].into_boxed_slice() }
    }
}

impl Default for Events {
    fn default() -> Self {
        Events::new()
    }
}

/// Descriptors reported by one wait at most; the rest are reported by the next.
const EVENTS_MAX: usize = 256;
