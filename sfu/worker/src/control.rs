//! Owns the control connections: the Unix listener, the lines read from signaling and the lines written to it.
//! Never executes a command, and never waits for a reader.

mod lines;

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};

use chappe_sfu_api::{Event, LINE_BYTES_MAX, RequestId, SessionId};
use chappe_sfu_io::epoll::{Epoll, Interest};

pub(crate) use lines::LineReader;
use lines::OutQueue;

/// Names one accepted control connection; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ClientId(pub(crate) u32);

pub(crate) struct Control {
    listener: UnixListener,
    clients: BTreeMap<ClientId, Client>,
    next_id: u32,
    /// Clients with whole lines that were not taken yet.
    backlog: VecDeque<ClientId>,
    scratch: Vec<u8>,
}

struct Client {
    stream: UnixStream,
    reader: LineReader,
    out: OutQueue,
    waits_for_room: bool,
    snapshot: Option<Snapshot>,
    queued: bool,
}

/// A snapshot under way. It is written piece by piece, as the reader takes it: thousands of sessions with
/// their notes are more than the queue may hold.
struct Snapshot {
    request: RequestId,
    left: VecDeque<SessionId>,
}

/// Why a connection ended; for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disconnect {
    Closed,
    LineTooLong,
    /// Something else than JSON with a request id.
    NotALine,
    ReadsTooSlowly,
}

impl Control {
    pub(crate) fn new(listener: OwnedFd) -> io::Result<Control> {
        let listener = UnixListener::from(listener);
        listener.set_nonblocking(true)?;
        Ok(Control { listener, clients: BTreeMap::new(), next_id: 0, backlog: VecDeque::new(), scratch: Vec::new() })
    }

    pub(crate) fn listener(&self) -> &UnixListener {
        &self.listener
    }

    /// The next connection; none when nobody waits. `token` names it in `epoll`.
    pub(crate) fn accept(&mut self, epoll: &Epoll, token: impl Fn(ClientId) -> u64) -> io::Result<Option<ClientId>> {
        let stream = match self.listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        };
        if self.clients.len() >= CLIENTS_MAX {
            // Signaling holds one or two; whoever opens this many has lost count. Theirs is closed unheard.
            return Ok(None);
        }
        stream.set_nonblocking(true)?;
        let id = ClientId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        epoll.add(&stream, token(id), Interest::Read)?;
        let client = Client {
            stream,
            reader: LineReader::default(),
            out: OutQueue::default(),
            waits_for_room: false,
            snapshot: None,
            queued: false,
        };
        self.clients.insert(id, client);
        Ok(Some(id))
    }

    /// Reads once from a client, at most [`READ_BYTES_MAX`]. Its lines are then taken with [`Control::next_line`].
    pub(crate) fn read(&mut self, id: ClientId) -> Result<(), Disconnect> {
        let Some(client) = self.clients.get_mut(&id) else { return Ok(()) };
        if client.queued {
            // What it sent before comes first; the rest stays in the kernel and holds the sender back.
            return Ok(());
        }
        self.scratch.resize(READ_BYTES_MAX, 0);
        match client.stream.read(&mut self.scratch) {
            Ok(0) => Err(Disconnect::Closed),
            Ok(count) => {
                client.reader.push(self.scratch.get(..count).unwrap_or_default());
                client.queued = true;
                self.backlog.push_back(id);
                Ok(())
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(()),
            Err(_) => Err(Disconnect::Closed),
        }
    }

    /// Whether there is work that no readiness will announce: lines to take, or a snapshot whose reader
    /// has taken all of what was written so far.
    pub(crate) fn has_backlog(&self) -> bool {
        let goes_on = |client: &Client| client.snapshot.is_some() && !client.waits_for_room;
        !self.backlog.is_empty() || self.clients.values().any(goes_on)
    }

    /// One whole line of the clients that sent some, in turns, copied to `line`.
    pub(crate) fn next_line(&mut self, line: &mut Vec<u8>) -> Option<(ClientId, Result<(), Disconnect>)> {
        while let Some(id) = self.backlog.pop_front() {
            let Some(client) = self.clients.get_mut(&id) else { continue };
            match client.reader.next_line(LINE_BYTES_MAX) {
                Ok(Some(bytes)) => {
                    line.clear();
                    line.extend_from_slice(bytes);
                    self.backlog.push_back(id);
                    return Some((id, Ok(())));
                }
                Ok(None) => client.queued = false,
                Err(_) => return Some((id, Err(Disconnect::LineTooLong))),
            }
        }
        None
    }

    /// Queues an event for one client.
    pub(crate) fn send(&mut self, id: ClientId, event: &Event) {
        let line = encode(&mut self.scratch, event);
        if let Some(client) = self.clients.get_mut(&id) {
            client.out.push_line(line);
        }
    }

    /// Queues an event for every client.
    pub(crate) fn broadcast(&mut self, event: &Event) {
        if self.clients.is_empty() {
            return;
        }
        let line = encode(&mut self.scratch, event);
        for client in self.clients.values_mut() {
            client.out.push_line(line);
        }
    }

    /// Begins to send `sessions` one by one, and `Done` after the last. A second snapshot before the first is
    /// complete takes its place, and both requests are answered.
    pub(crate) fn start_snapshot(&mut self, id: ClientId, request: RequestId, sessions: VecDeque<SessionId>) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let replaced = client.snapshot.replace(Snapshot { request, left: sessions });
        if let Some(replaced) = replaced {
            self.send(id, &Event::Done { request: replaced.request });
        }
    }

    /// Writes what the clients take, and goes on with their snapshots. Returns those that ended.
    pub(crate) fn flush(
        &mut self,
        epoll: &Epoll,
        token: impl Fn(ClientId) -> u64,
        describe: impl Fn(SessionId) -> Option<Event>,
    ) -> Vec<(ClientId, Disconnect)> {
        let mut ended = Vec::new();
        for (id, client) in &mut self.clients {
            client.fill_from_snapshot(&mut self.scratch, &describe);
            if let Err(why) = client.flush(epoll, token(*id)) {
                ended.push((*id, why));
            }
        }
        ended
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = ClientId> {
        self.clients.keys().copied()
    }

    pub(crate) fn remove(&mut self, id: ClientId) {
        self.clients.remove(&id);
    }
}

impl Client {
    fn fill_from_snapshot(&mut self, scratch: &mut Vec<u8>, describe: impl Fn(SessionId) -> Option<Event>) {
        while self.out.unsent().len() < SNAPSHOT_QUEUE_BYTES {
            let Some(snapshot) = &mut self.snapshot else { return };
            match snapshot.left.pop_front() {
                Some(session) => {
                    // One that closed meanwhile was announced as closed.
                    if let Some(event) = describe(session) {
                        self.out.push_line(encode(scratch, &event));
                    }
                }
                None => {
                    let done = Event::Done { request: snapshot.request };
                    self.out.push_line(encode(scratch, &done));
                    self.snapshot = None;
                }
            }
        }
    }

    fn flush(&mut self, epoll: &Epoll, token: u64) -> Result<(), Disconnect> {
        while !self.out.unsent().is_empty() {
            match self.stream.write(self.out.unsent()) {
                Ok(count) => self.out.advance(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return Err(Disconnect::Closed),
            }
        }
        let waiting = self.out.unsent().len();
        if waiting > OUT_QUEUE_BYTES_MAX {
            return Err(Disconnect::ReadsTooSlowly);
        }
        if (waiting > 0) != self.waits_for_room {
            self.waits_for_room = waiting > 0;
            let interest = if self.waits_for_room { Interest::ReadWrite } else { Interest::Read };
            epoll.modify(&self.stream, token, interest).map_err(|_| Disconnect::Closed)?;
        }
        Ok(())
    }
}

fn encode<'a>(scratch: &'a mut Vec<u8>, event: &Event) -> &'a [u8] {
    scratch.clear();
    serde_json::to_writer(&mut *scratch, event).expect("events have string keys and write to memory");
    scratch
}

/// Control connections at once.
const CLIENTS_MAX: usize = 16;
/// Bytes read from one client per turn of the loop.
const READ_BYTES_MAX: usize = 64 << 10;
/// A client that lets more than this wait is dropped; it connects again and asks for a snapshot.
const OUT_QUEUE_BYTES_MAX: usize = 4 << 20;
/// A snapshot goes on while less than this waits.
const SNAPSHOT_QUEUE_BYTES: usize = 256 << 10;
