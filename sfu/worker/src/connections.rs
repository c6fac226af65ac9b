//! Owns the accepted ICE-TCP connections: their names, their limits, their readiness to write. Never looks
//! into a frame.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use chappe_sfu_core::{Claim, ConnectionId, Route};
use chappe_sfu_io::epoll::{Epoll, Interest};
use chappe_sfu_io::tcp::{FrameKind, Read, TcpConnection, TcpListener};

use crate::places::{Holder, Limits, Places};

pub(crate) struct Connections {
    listener: TcpListener,
    open: HashMap<ConnectionId, Connection>,
    places: Places,
    next_id: u32,
    /// Those with bytes queued since the last flush.
    touched: Vec<ConnectionId>,
    /// Frames dropped because a peer reads too slowly.
    frames_dropped: u64,
    /// Connections that were refused, or took the place of a stranger: their address had its share, or all
    /// places were taken.
    past_share: u64,
    past_all: u64,
}

struct Connection {
    tcp: TcpConnection,
    holder: Holder,
    touched: bool,
    waits_for_room: bool,
    claimed: Claimed,
    heard: Instant,
}

/// Whether a session has the connection for its own. What a core answers alone proves nothing: a refusal is an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claimed {
    Yes,
    /// A stranger: not yet, or no more.
    NotSince(Instant),
}

impl Connections {
    pub(crate) fn new(listener: TcpListener) -> Connections {
        Connections {
            listener,
            open: HashMap::new(),
            places: Places::new(LIMITS),
            next_id: 0,
            touched: Vec::new(),
            frames_dropped: 0,
            past_share: 0,
            past_all: 0,
        }
    }

    pub(crate) fn listener(&self) -> &TcpListener {
        &self.listener
    }

    /// Takes the connections that wait, a bounded number per turn.
    pub(crate) fn accept(
        &mut self,
        now: Instant,
        epoll: &Epoll,
        token: impl Fn(ConnectionId) -> u64,
    ) -> io::Result<()> {
        for _ in 0..ACCEPTS_PER_TURN_MAX {
            let Some(tcp) = self.listener.accept()? else { return Ok(()) };
            if !self.make_room(tcp.remote_addr().ip()) {
                // Closed at once: the client falls back to its other candidates.
                continue;
            }
            let id = self.name_next();
            epoll.add(&tcp, token(id), Interest::Read)?;
            self.insert(now, id, tcp);
        }
        Ok(())
    }

    fn name_next(&mut self) -> ConnectionId {
        let id = ConnectionId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        id
    }

    fn insert(&mut self, now: Instant, id: ConnectionId, tcp: TcpConnection) {
        let holder = Holder::of(tcp.remote_addr().ip());
        self.places.take(holder);
        let connection = Connection {
            tcp,
            holder,
            touched: false,
            waits_for_room: false,
            claimed: Claimed::NotSince(now),
            heard: now,
        };
        self.open.insert(id, connection);
    }

    /// Sees to it that there is a place for a connection from there. Who has its share makes room among its own.
    fn make_room(&mut self, ip: IpAddr) -> bool {
        let holder = Holder::of(ip);
        if self.places.has_share(holder) {
            self.past_share += 1;
            return self.evict_stranger(|connection| connection.holder == holder);
        }
        if self.places.are_taken() {
            self.past_all += 1;
            return self.evict_stranger(|_| true);
        }
        true
    }

    /// Reads a bounded amount from a connection and gives each frame to `handle`. False when it ended.
    pub(crate) fn receive(&mut self, now: Instant, id: ConnectionId, mut handle: impl FnMut(&mut [u8])) -> bool {
        let Some(connection) = self.open.get_mut(&id) else { return true };
        for _ in 0..READS_PER_TURN_MAX {
            match connection.tcp.receive() {
                Read::Nothing => return true,
                Read::Closed => return false,
                Read::Some => connection.heard = now,
            }
            loop {
                match connection.tcp.next_frame() {
                    Ok(Some(frame)) => handle(frame),
                    Ok(None) => break,
                    Err(_) => return false,
                }
            }
        }
        true
    }

    /// Queues a run for a connection; [`Connections::flush`] sends it.
    pub(crate) fn queue(&mut self, id: ConnectionId, bytes: &[u8], segment: usize, kind: FrameKind) {
        let Some(connection) = self.open.get_mut(&id) else { return };
        self.frames_dropped += connection.tcp.queue(bytes, segment, kind);
        if !connection.touched {
            connection.touched = true;
            self.touched.push(id);
        }
    }

    /// Sends what was queued. Connections that broke are added to `broken`.
    pub(crate) fn flush(&mut self, epoll: &Epoll, token: impl Fn(ConnectionId) -> u64, broken: &mut Vec<ConnectionId>) {
        for id in self.touched.drain(..) {
            let Some(connection) = self.open.get_mut(&id) else { continue };
            connection.touched = false;
            if connection.tcp.flush().is_err() {
                broken.push(id);
                continue;
            }
            let waits = connection.tcp.wants_write();
            if waits != connection.waits_for_room {
                connection.waits_for_room = waits;
                let interest = if waits { Interest::ReadWrite } else { Interest::Read };
                if epoll.modify(&connection.tcp, token(id), interest).is_err() {
                    broken.push(id);
                }
            }
        }
    }

    /// There is room to write again.
    pub(crate) fn note_writable(&mut self, id: ConnectionId) {
        if let Some(connection) = self.open.get_mut(&id).filter(|connection| !connection.touched) {
            connection.touched = true;
            self.touched.push(id);
        }
    }

    /// A session takes a connection for its own, or leaves it. False: it has enough others, and this one has to go.
    pub(crate) fn note_claim(&mut self, now: Instant, id: ConnectionId, claim: Claim) -> bool {
        if let Some(connection) = self.open.get_mut(&id) {
            connection.claimed = match claim {
                Claim::Taken => Claimed::Yes,
                Claim::Left | Claim::Surplus => Claimed::NotSince(now),
            };
        }
        claim != Claim::Surplus
    }

    /// Connections of no session, or of one whose client says nothing at all for long.
    pub(crate) fn idle(&self, now: Instant, idle: &mut Vec<ConnectionId>) {
        idle.extend(self.open.iter().filter_map(|(id, connection)| {
            // What a stranger says counts for nothing, or saying anything would hold the place for ever.
            let (since, limit) = match connection.claimed {
                Claimed::Yes => (connection.heard, SILENCE_MAX),
                Claimed::NotSince(since) => (since, STRANGER_STAY_MAX),
            };
            (now.saturating_duration_since(since) > limit).then_some(*id)
        }));
    }

    /// Makes room by closing the stranger among these that has been one longest. The core has no session for it.
    fn evict_stranger(&mut self, among: impl Fn(&Connection) -> bool) -> bool {
        let strangers = self.open.iter().filter_map(|(id, connection)| match connection.claimed {
            Claimed::NotSince(since) if among(connection) => Some((since, *id)),
            Claimed::NotSince(_) | Claimed::Yes => None,
        });
        let oldest = strangers.min_by_key(|(since, _)| *since).map(|(_, id)| id);
        oldest.is_some_and(|id| self.close(id).is_some())
    }

    /// The route that ended with it.
    pub(crate) fn close(&mut self, id: ConnectionId) -> Option<Route> {
        let connection = self.open.remove(&id)?;
        self.places.give_back(connection.holder);
        Some(Route::Tcp { connection: id, remote: connection.tcp.remote_addr() })
    }

    pub(crate) fn route(&self, id: ConnectionId) -> Option<Route> {
        let remote = self.open.get(&id)?.tcp.remote_addr();
        Some(Route::Tcp { connection: id, remote })
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = ConnectionId> {
        self.open.keys().copied()
    }

    pub(crate) fn frames_dropped(&self) -> u64 {
        self.frames_dropped
    }

    pub(crate) fn past_share(&self) -> u64 {
        self.past_share
    }

    pub(crate) fn past_all(&self) -> u64 {
        self.past_all
    }
}

/// ICE-TCP connections of one worker at once. Each costs a descriptor and 8 kB of read buffer. All behind one NAT are
/// one address.
const LIMITS: Limits = Limits { all: 4_096, address: 512, proxy: 3_072 };
const ACCEPTS_PER_TURN_MAX: usize = 16;
/// Reads of 8 kB per connection and turn.
const READS_PER_TURN_MAX: usize = 4;
/// Twice the time in which ICE consent expires (RFC 7675).
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long a connection may stay open that no session has for its own.
const STRANGER_STAY_MAX: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
