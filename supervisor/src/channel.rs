//! Owns the Unix socket in the private directory on which our own programs ask the supervisor: its connections,
//! their requests, and what is still to be written to them. Never decides what a request does.
//!
//! Everything is bounded: connections, the length of a line, the bytes that wait for a reader. The socket is in a
//! directory that only its owner may enter, and only programs of the same user (or root) are listened to.

mod client;
mod fuzz;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use chappe_supervisor_api::{LogSource, ProcessStatus, SupervisorReply, SupervisorRequest};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::net::sockopt::socket_peercred;
use tracing::warn;

use crate::log_ring::LogRing;
use client::Client;
pub use fuzz::requests as fuzz_requests;

/// Has a set of descriptors of its own, which is one descriptor in that of the loop.
pub struct Channel {
    epoll: OwnedFd,
    listener: UnixListener,
    clients: BTreeMap<ClientKey, Client>,
    next: ClientKey,
    events: Vec<epoll::Event>,
}

/// A connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientKey(u64);

impl Channel {
    pub fn listen(path: &Path) -> io::Result<Channel> {
        let listener = UnixListener::bind(path)?;
        listener.set_nonblocking(true)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &listener, epoll::EventData::new_u64(LISTENER), epoll::EventFlags::IN)?;
        let events = Vec::with_capacity(CLIENTS_MAX + 1);
        Ok(Channel { epoll, listener, clients: BTreeMap::new(), next: ClientKey(LISTENER + 1), events })
    }

    /// Takes what came since the last call.
    pub fn handle_ready(&mut self) -> Vec<(ClientKey, SupervisorRequest)> {
        let mut requests = Vec::new();
        self.events.clear();
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        if epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&at_once)).is_err() {
            return requests;
        }
        let ready: Vec<u64> = self.events.iter().map(|event| event.data.u64()).collect();
        for key in ready {
            if key == LISTENER {
                self.accept();
            } else if let Some(client) = self.clients.get_mut(&ClientKey(key)) {
                requests.extend(client.read().into_iter().map(|request| (ClientKey(key), request)));
            }
        }
        requests
    }

    /// A client that is gone has no use for it.
    pub fn reply(&mut self, client: ClientKey, reply: &SupervisorReply) {
        if let Some(client) = self.clients.get_mut(&client) {
            client.push(reply);
        }
    }

    /// The client gets all processes with each change from now on.
    pub fn follow_processes(&mut self, client: ClientKey) {
        if let Some(client) = self.clients.get_mut(&client) {
            client.follow_processes();
        }
    }

    /// The client gets the last `lines` log lines of `of`, or of all, and where it follows those to come.
    pub fn send_log(&mut self, client: ClientKey, of: Option<LogSource>, lines: usize, follow: bool, log: &LogRing) {
        if let Some(client) = self.clients.get_mut(&client) {
            client.send_log(of, lines, follow, log);
        }
    }

    /// To whoever follows them.
    pub fn tell_processes(&mut self, processes: &[ProcessStatus]) {
        for client in self.clients.values_mut().filter(|client| client.follows_processes()) {
            processes.iter().for_each(|status| client.push(&SupervisorReply::Process(*status)));
            client.push(&SupervisorReply::Ok);
        }
    }

    /// Writes what can be written now, and ends connections that are over.
    pub fn flush(&mut self, log: &LogRing) {
        let epoll = &self.epoll;
        self.clients.retain(|key, client| {
            let stays = client.flush(log);
            if stays && let Some(flags) = client.changed_interest() {
                let watched = epoll::modify(epoll, client.socket(), epoll::EventData::new_u64(key.0), flags);
                return watched.is_ok();
            }
            // Closing it takes it out of the set.
            stays
        });
    }

    fn accept(&mut self) {
        while let Ok((socket, _)) = self.listener.accept() {
            if self.clients.len() >= CLIENTS_MAX {
                warn!(CLIENTS_MAX, "too many programs ask the supervisor at a time: one is turned away");
                continue;
            }
            if !is_ours(&socket) || socket.set_nonblocking(true).is_err() {
                continue;
            }
            let key = self.next;
            let data = epoll::EventData::new_u64(key.0);
            if epoll::add(&self.epoll, &socket, data, epoll::EventFlags::IN).is_ok() {
                self.next = ClientKey(key.0 + 1);
                self.clients.insert(key, Client::new(socket));
            }
        }
    }
}

/// Readable when a client has connected, asked, or can be written to again.
impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

/// The directory keeps others out already; this holds should its mode be changed.
fn is_ours(socket: &UnixStream) -> bool {
    let own = rustix::process::geteuid();
    socket_peercred(socket).is_ok_and(|peer| peer.uid == own || peer.uid.is_root())
}

const LISTENER: u64 = 0;
/// Signaling has two or three; the rest are operators.
const CLIENTS_MAX: usize = 32;

#[cfg(test)]
mod tests;
