//! Owns the clients of a worker: their sessions, where each is found, and when each wants to be woken. Says by marks
//! what of them concerns others. Never sees a reader or another worker.

mod alive;
mod delivery;
mod due;
mod handshakes;
mod ingest;
mod lifecycle;
mod neighbours;
mod returning;
mod routes;
mod routing;
mod rtcp;
mod session;
mod strangers;

use std::hint::black_box;
use std::time::Instant;

use arrayvec::ArrayVec;
use chappe_sfu_rate::{Choice, Known, Shown, TRACKS_MAX};

pub(crate) use delivery::{
    Allotment, Awaited, Hearing, Limits, PASS_PACKETS_MAX, SPENT_MAX, Sender, Templates, line_bytes,
};
pub use delivery::{LayerReason, LineBasis, LineStats};
pub(crate) use ingest::Source;
pub use ingest::{nack, twcc};
pub use routes::Claim;
pub(crate) use session::{Alive, Session};

use crate::blame::AtWork;
use crate::clients::alive::AliveWheel;
use crate::clients::neighbours::Neighbours;
use crate::clients::returning::{ProvenClient, Returning};
use crate::clients::routes::Routes;
use crate::clients::strangers::Strangers;
use crate::keys::{Index, SenderKey, SessionKey, Table};
use crate::marks::Marks;
use crate::net::Route;
use crate::outputs::Outputs;
use crate::spec::{CloseReason, SessionId};
use crate::stats::DropReason;
use crate::timers::Timers;
use crate::tracks::Tracks;
use crate::wire::stun;

pub(crate) struct Clients {
    sessions: Table<SessionKey, Box<Session>>,
    by_id: Index<SessionId, SessionKey>,
    by_ufrag: Index<String, SessionKey>,
    routes: Routes,
    timers: Timers<SessionKey>,
    strangers: Strangers,
    /// Of the clients that asked to hear of us.
    alive: AliveWheel,
    /// Of the clients whose layers can be chosen.
    neighbours: Neighbours,
    /// Of the clients that are gone.
    returning: Returning,
    /// Senders whose client can be reached from now on: each begins with what is there of its track.
    pub reachable: Marks<SenderKey>,
    /// Senders that get what is cached of their track once more.
    pub repeating: Marks<SenderKey>,
    /// Sessions of whose line, or of whose page, something new is known.
    pub adapting: Marks<SessionKey>,
    /// Sessions whose transport has ended, and why.
    closed: Vec<(SessionKey, CloseReason)>,
    transmit: Vec<u8>,
}

impl Clients {
    pub fn new() -> Clients {
        Clients {
            sessions: Table::default(),
            by_id: Index::default(),
            by_ufrag: Index::default(),
            routes: Routes::default(),
            timers: Timers::default(),
            strangers: Strangers::default(),
            alive: AliveWheel::new(),
            neighbours: Neighbours::default(),
            returning: Returning::default(),
            reachable: Marks::default(),
            repeating: Marks::default(),
            adapting: Marks::default(),
            closed: Vec::new(),
            transmit: Vec::new(),
        }
    }

    // ── What is there ───────────────────────────────────────────────────────────────────────────────────

    pub fn find(&self, id: SessionId) -> Option<SessionKey> {
        self.by_id.get(&id).copied()
    }

    pub fn get(&self, key: SessionKey) -> Option<&Session> {
        self.sessions.get(key).map(Box::as_ref)
    }

    #[inline]
    pub fn get_mut(&mut self, key: SessionKey) -> Option<&mut Session> {
        self.sessions.get_mut(key).map(Box::as_mut)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Session> + Clone {
        self.sessions.iter().map(|(_, session)| session.as_ref())
    }

    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    pub fn sender(&self, key: SenderKey) -> Option<&Sender> {
        self.get(key.session())?.delivery.sender(key.line())
    }

    pub fn sender_mut(&mut self, key: SenderKey) -> Option<&mut Sender> {
        self.get_mut(key.session())?.delivery.sender_mut(key.line())
    }

    /// Whether the client of a sender can be reached.
    pub fn is_open(&self, key: SenderKey) -> bool {
        self.get(key.session()).is_some_and(|session| session.delivery.path.is_open())
    }

    /// What the line of a client carries is estimated from now on, if the client can be reached and will tell.
    pub fn start_estimate(&mut self, now: Instant, key: SessionKey) {
        let starts = self.get(key).filter(|session| session.delivery.may_start_estimate());
        let Some(client) = starts.map(|session| session.client) else { return };
        let known = client.and_then(|client| self.known_of(now, key, client));
        if let Some(session) = self.sessions.get_mut(key) {
            session.delivery.start_estimate(now, known);
        }
    }

    /// What the line of a client carried when it left. Another session of the same client, such as one of another tab,
    /// sends over the same line, and what it leaves of that was not measured: then what was known is forgotten.
    fn known_of(&mut self, now: Instant, key: SessionKey, client: ProvenClient) -> Option<Known> {
        let known = self.returning.take(now, client)?;
        let shares_line =
            |session: &Session| session.client == Some(client) && session.delivery.acknowledged().is_some();
        let is_shared = self.sessions.iter().any(|(other, session)| other != key && shares_line(session));
        (!is_shared).then_some(known)
    }

    /// Reads what is needed to send to these, before the first is sent anything.
    #[inline]
    pub fn read_for_sending(&self, viewers: impl Iterator<Item = SenderKey>) {
        let read =
            viewers.filter_map(|viewer| Some(self.get(viewer.session())?.delivery.read_for_sending(viewer.line())));
        black_box(read.fold(0, |sum, read| sum ^ read));
    }

    /// Reads what is needed to hear the feedback of the clients at these addresses, before the first is heard.
    pub fn read_for_feedback(&self, routes: impl Iterator<Item = Route>) {
        let sessions = routes.filter_map(|route| self.get(self.routes.peek(route)?));
        black_box(sessions.fold(0, |sum, session| sum ^ session.read_for_feedback()));
    }

    /// The layers of these tracks for a client, in their order. Clients behind one address may have to share a line.
    pub fn allot(&mut self, now: Instant, key: SessionKey, shown: &[Shown<'_>]) -> ArrayVec<Choice, TRACKS_MAX> {
        let Some(session) = self.sessions.get_mut(key) else { return ArrayVec::new() };
        let address = session.delivery.path.route.map(|route| route.remote().ip());
        let taken = session.delivery.taken(shown);
        let part = address.zip(taken).and_then(|(address, taken)| self.neighbours.part(now, key, address, taken));
        session.delivery.allot(now, shown, part)
    }

    // ── In ──────────────────────────────────────────────────────────────────────────────────────────────

    pub fn handle_rtp(
        &mut self,
        now: Instant,
        route: Route,
        packet: &mut [u8],
        tracks: &mut Tracks,
        out: &mut Outputs,
    ) -> Result<(), DropReason> {
        self.of_whose_keys_open_it(route, packet, out, |clients, key, packet, out| {
            let session = clients.sessions.get_mut(key).ok_or(DropReason::RouteUnknown)?;
            let result = session.handle_rtp(now, packet, tracks, out);
            if let Some(at) = session.ingest.take_wake() {
                clients.timers.lower(key, at);
            }
            result
        })
    }

    pub fn handle_rtcp(
        &mut self,
        now: Instant,
        route: Route,
        packet: &mut [u8],
        tracks: &mut Tracks,
        out: &mut Outputs,
    ) -> Result<(), DropReason> {
        self.of_whose_keys_open_it(route, packet, out, |clients, key, packet, out| {
            let result = clients.handle_rtcp_of(now, key, packet, tracks, out);
            clients.rearm(key);
            result
        })
    }

    pub fn handle_stun(
        &mut self,
        now: Instant,
        route: Route,
        message: &[u8],
        out: &mut Outputs,
    ) -> Result<(), DropReason> {
        let Some((local, _)) = stun::username(message) else {
            self.strangers.handle_stun(now, route, message, &mut out.egress);
            return Err(DropReason::StunMalformed);
        };
        let key = *self.by_ufrag.get(local).ok_or(DropReason::StunUnknownUser)?;
        out.note(AtWork::Session(key));
        let session = self.sessions.get_mut(key).ok_or(DropReason::StunUnknownUser)?;
        let result = session.transport.handle_stun(now, route, message);
        if result.is_ok() {
            for loser in self.learn_route(now, key, route) {
                self.drain_transport(now, loser, out);
            }
        }
        self.drain_transport(now, key, out);
        result
    }

    // ── Time ────────────────────────────────────────────────────────────────────────────────────────────

    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.timers.next(), self.alive.poll_timeout()].into_iter().flatten().min()
    }

    /// The next session whose deadline has come.
    pub fn pop_due(&mut self, now: Instant) -> Option<SessionKey> {
        self.timers.pop_due(now)
    }

    /// The session is to be woken at `at`, or earlier.
    #[inline]
    pub fn wake(&mut self, key: SessionKey, at: Instant) {
        self.timers.lower(key, at);
    }

    pub fn rearm(&mut self, key: SessionKey) {
        if let Some(session) = self.sessions.get(key) {
            self.timers.set(key, session.poll_timeout());
        }
    }

    // ── What concerns others ────────────────────────────────────────────────────────────────────────────

    /// A session that is to be removed, because its transport has ended.
    #[inline]
    pub fn take_closed(&mut self) -> Option<(SessionKey, CloseReason)> {
        self.closed.pop()
    }

    /// What all clients get is to be chosen again.
    pub fn mark_adapting(&mut self) {
        self.sessions.iter().for_each(|(key, _)| self.adapting.mark(key));
    }

    /// Whether nothing waits to be told to readers.
    #[inline]
    pub fn is_settled(&self) -> bool {
        self.reachable.is_empty() && self.repeating.is_empty() && self.adapting.is_empty()
    }
}
