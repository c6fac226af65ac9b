//! Owns the taking of connections, of clients and of signaling, and what happens where there are no descriptors for
//! them. Never reads one.

use chappe_sfu_api::Event;
use chappe_sfu_core::Now;
use chappe_sfu_io::epoll::Interest;

use crate::event_loop::Worker;
use crate::sources::PollSource;

impl Worker {
    pub(crate) fn accept_media(&mut self, now: Now) {
        // Strangers make room, and one of them may have found its session in this turn.
        self.media.note_claims(now, &mut self.core);
        let accepted = self.media.tcp.accept(now.mono, &self.epoll, |id| PollSource::Tcp(id).token());
        if let Err(error) = accepted {
            tracing::warn!(%error, "cannot accept ICE-TCP connections");
            self.rest(PollSource::TcpListener);
        }
    }

    pub(crate) fn accept_control(&mut self) {
        match self.control.accept(&self.epoll, |id| PollSource::Control(id).token()) {
            Ok(Some(client)) => {
                let hello = Event::Hello(self.hello());
                self.control.send(client, &hello);
                tracing::info!(client = client.0, "signaling connected");
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept control connections");
                self.rest(PollSource::ControlListener);
            }
        }
    }

    /// Stops waiting for a listener until the next report: out of descriptors it would be ready for ever.
    fn rest(&mut self, source: PollSource) {
        let removed = match source {
            PollSource::TcpListener => self.epoll.remove(self.media.tcp.listener()),
            _ => self.epoll.remove(self.control.listener()),
        };
        if removed.is_ok() {
            self.resting.push(source);
        }
    }

    pub(crate) fn wake_resting(&mut self) {
        for source in self.resting.drain(..) {
            let added = match source {
                PollSource::TcpListener => self.epoll.add(self.media.tcp.listener(), source.token(), Interest::Read),
                _ => self.epoll.add(self.control.listener(), source.token(), Interest::Read),
            };
            if let Err(error) = added {
                tracing::error!(%error, "a listener is lost");
            }
        }
    }
}
