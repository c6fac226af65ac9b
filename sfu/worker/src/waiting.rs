//! Owns the wait for what comes next, and what a worker does while the kernel refuses to wait for it: it rests for a
//! moment, and then looks at every source itself. So no error of that call ends a worker, or keeps it from serving. Never
//! reads a source.

use std::time::{Duration, Instant};

use chappe_sfu_io::epoll::Ready;

use crate::event_loop::Worker;
use crate::media::time_until;
use crate::sources::PollSource;

impl Worker {
    /// Waits until a source is ready or something is due.
    pub(crate) fn wait(&mut self) {
        let timeout = self.next_wake().map(time_until);
        self.ready.clear();
        let waited = self.epoll.wait(&mut self.events, timeout).map(|ready| self.ready.extend(ready));
        if let Err(error) = waited {
            self.failed_waits.note(Instant::now(), &error);
            // In the place of the wait: without it a worker would use up its core.
            std::thread::sleep(timeout.map_or(PAUSE, |timeout| timeout.min(PAUSE)));
            self.take_all_for_ready();
        }
    }

    /// No source waits for what is not there, so that looking in vain costs a system call and nothing else. A listener
    /// that rests goes on resting.
    fn take_all_for_ready(&mut self) {
        let lone = [PollSource::Termination, PollSource::Udp, PollSource::TcpListener, PollSource::ControlListener];
        let lone = lone.into_iter().filter(|source| !self.resting.contains(source));
        let tcp = self.media.tcp.ids().map(PollSource::Tcp);
        let control = self.control.ids().map(PollSource::Control);
        let all = lone.chain(tcp).chain(control);
        self.ready.extend(all.map(|source| Ready { token: source.token(), readable: true, writable: true }));
    }
}

/// An egress tick.
const PAUSE: Duration = Duration::from_millis(1);
