//! Owns the tables of a worker and dispatches: datagrams to sessions, timers, events. The way of a media
//! packet is in `readers/forward.rs`, RTCP in `clients/feedback.rs`, commands in `sfu/control.rs`.

pub(crate) mod containment;
mod control;
pub(crate) mod snapshot;

use std::collections::VecDeque;
use std::time::Instant;

use crate::clients::alive::AliveSlots;
use crate::clients::routes::Routes;
use crate::clients::session::Session;
use crate::clients::template::Templates;
use crate::crypto::dtls::Certificate;
use crate::crypto::srtp::{Opener, Sealer};
use crate::egress::Egress;
use crate::keys::{Index, SenderKey, SessionKey, Table, TrackKey};
use crate::mesh::Relay;
use crate::net::{DatagramKind, Now, Route, classify};
use crate::readers::catch_up::Joiners;
use crate::sfu::containment::{AtWork, Containment};
use crate::spec::{CloseReason, Event, SessionId, SessionState, TrackId};
use crate::stats::{Counters, DropReason};
use crate::timers::Timers;
use crate::tracks::company::Turn;
use crate::tracks::history::CacheBudget;
use crate::tracks::playout::WallClock;
use crate::tracks::track::Track;
use crate::transport::{TransportCloseReason, TransportEvent, TransportState};
use crate::wire::stun;

/// One worker's media plane.
///
/// The worker feeds it datagrams, timeouts and commands, calls [`Sfu::flush`] at the end of each batch,
/// sends what [`Sfu::egress`] holds, and passes on what [`Sfu::poll_event`] yields.
pub struct Sfu {
    pub(crate) config: SfuConfig,
    pub(crate) sessions: Table<SessionKey, Box<Session>>,
    pub(crate) tracks: Table<TrackKey, Track>,
    pub(crate) by_id: Index<SessionId, SessionKey>,
    pub(crate) by_ufrag: Index<String, SessionKey>,
    pub(crate) by_track: Index<TrackId, TrackKey>,
    pub(crate) routes: Routes,
    pub(crate) timers: Timers<SessionKey>,
    /// Of the clients that asked to hear of us.
    pub(crate) alive: AliveSlots,
    /// The last one of the event loop.
    pub(crate) turn: Turn,
    /// Tracks with packets that wait to leave.
    pub(crate) waiting: Vec<TrackKey>,
    /// Tracks of which a viewer needs a key frame.
    pub(crate) keyframe_wanted: Vec<TrackKey>,
    /// Viewers who get what was there before they were.
    pub(crate) joiners: Joiners,
    pub(crate) egress: Egress,
    pub(crate) templates: Templates,
    pub(crate) counters: Counters,
    /// Memory of all histories.
    pub(crate) cache: CacheBudget,
    pub(crate) relay: Relay,
    /// Set by the first session or peer.
    pub(crate) wall: Option<WallClock>,
    pub(crate) containment: Containment,
    events: VecDeque<Event>,
    transmit: Vec<u8>,
}

pub struct SfuConfig {
    pub certificate: Certificate,
    pub sessions_max: usize,
    /// First sequence numbers, timestamps and our SSRCs are derived from it (RFC 3550 section 5.1 wants
    /// them unpredictable): draw it at random for each process.
    pub seed: u64,
}

impl Sfu {
    pub fn new(config: SfuConfig) -> Sfu {
        Sfu {
            config,
            sessions: Table::default(),
            tracks: Table::default(),
            by_id: Index::default(),
            by_ufrag: Index::default(),
            by_track: Index::default(),
            routes: Routes::default(),
            timers: Timers::default(),
            alive: AliveSlots::new(),
            turn: Turn::default(),
            waiting: Vec::new(),
            keyframe_wanted: Vec::new(),
            joiners: Joiners::default(),
            egress: Egress::new(),
            templates: Templates::new(),
            counters: Counters::default(),
            cache: CacheBudget::default(),
            relay: Relay::default(),
            wall: None,
            containment: Containment::default(),
            events: VecDeque::new(),
            transmit: Vec::new(),
        }
    }

    /// Packets were taken in from `began` on, and all that was due had been sent when it `ended`.
    pub fn note_turn(&mut self, began: Now, ended: Now) {
        self.turn = Turn::new(began.mono, ended.mono);
    }

    /// One datagram, or one frame of a TCP connection. It is opened in place.
    pub fn handle_datagram(&mut self, now: Now, route: Route, datagram: &mut [u8]) {
        self.counters.packets_in += 1;
        self.counters.bytes_in += datagram.len() as u64;
        let result = self.contained(now.mono, |sfu| sfu.dispatch(now, route, datagram));
        if let Some(Err(reason)) = result {
            self.counters.drop(reason);
        }
    }

    fn dispatch(&mut self, now: Now, route: Route, datagram: &mut [u8]) -> Result<(), DropReason> {
        match classify(datagram) {
            Some(DatagramKind::Rtp) => self.of_whose_keys_open_it(now.mono, route, datagram, Sfu::handle_rtp),
            Some(DatagramKind::Rtcp) => self.of_whose_keys_open_it(now.mono, route, datagram, Sfu::handle_rtcp),
            Some(DatagramKind::Stun) => self.handle_stun(now.mono, route, datagram),
            Some(DatagramKind::Dtls) => self.handle_dtls(now.mono, route, datagram),
            Some(DatagramKind::Relay) => self.handle_relay(now.mono, route, datagram),
            None => Err(DropReason::Unclassified),
        }
    }

    /// The TCP connection of a route is gone.
    pub fn handle_connection_closed(&mut self, now: Now, route: Route) {
        self.contained(now.mono, |sfu| sfu.forget_connection(now.mono, route));
    }

    /// To call when [`Sfu::poll_timeout`] has come; [`Sfu::flush`] after it.
    pub fn handle_timeout(&mut self, now: Now) {
        // Each session once at most: one that keeps a deadline in the past must not hold up the loop.
        for _ in 0..=self.sessions.len() {
            let Some(key) = self.timers.pop_due(now.mono) else { break };
            self.contained(now.mono, |sfu| sfu.handle_session_timeout(now, key));
        }
        self.contained(now.mono, |sfu| sfu.handle_relay_timeouts(now.mono));
        // Last: what was just sent is a sign, too.
        self.contained(now.mono, |sfu| sfu.send_signs_of_life(now.mono));
    }

    fn handle_session_timeout(&mut self, now: Now, key: SessionKey) {
        self.containment.note(AtWork::Session(key));
        if let Some(session) = self.sessions.get_mut(key) {
            session.transport.handle_timeout(now.mono);
            self.handle_reports_due(now, key);
            self.drain_transport(now.mono, key);
        }
    }

    /// When to call [`Sfu::handle_timeout`] and [`Sfu::flush`] next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let tick = self.waiting.iter().filter_map(|key| self.tracks.get(*key)?.tick_at()).min();
        let own = [self.timers.next(), self.alive.poll_timeout(), self.joiners.poll_timeout(), tick];
        own.into_iter().chain([self.relay.poll_timeout()]).flatten().min()
    }

    /// What signaling should know.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// What to send. Clear it afterwards.
    pub fn egress(&mut self) -> &mut Egress {
        &mut self.egress
    }

    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    fn handle_stun(&mut self, now: Instant, route: Route, message: &[u8]) -> Result<(), DropReason> {
        let (local, _) = stun::username(message).ok_or(DropReason::StunMalformed)?;
        let key = *self.by_ufrag.get(local).ok_or(DropReason::StunUnknownUser)?;
        self.containment.note(AtWork::Session(key));
        let session = self.sessions.get_mut(key).ok_or(DropReason::StunUnknownUser)?;
        let result = session.transport.handle_stun(now, route, message);
        if result.is_ok() {
            self.learn_route(now, key, route);
        }
        self.drain_transport(now, key);
        result
    }

    /// Passes on what a transport has to say and to send, and sets its session's next deadline.
    pub(crate) fn drain_transport(&mut self, now: Instant, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        while let Some(route) = session.transport.poll_transmit(&mut self.transmit) {
            let bytes = &self.transmit;
            self.egress.control().push(route, bytes.len(), |out| {
                out.copy_from_slice(bytes);
                Some(bytes.len())
            });
        }
        while let Some(event) = self.sessions.get_mut(key).and_then(|session| session.transport.poll_event()) {
            self.handle_transport_event(now, key, event);
        }
        self.rearm(key);
    }

    fn handle_transport_event(&mut self, now: Instant, key: SessionKey, event: TransportEvent) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        match event {
            TransportEvent::RouteSelected(route) => session.outlet.route = Some(route),
            TransportEvent::Keys(keys) => {
                // Keys come once; a second set would restart indices that are already used.
                if session.outlet.sealer.is_none() {
                    session.outlet.sealer = Sealer::from_master(keys.seal).ok();
                    session.opener = Opener::from_master(keys.open).ok();
                    let proven = session.transport.proven_route();
                    self.start_media(now, key);
                    if let Some(route) = proven.filter(|route| self.routes.contender(*route) == Some(key)) {
                        self.take_route(now, key, route);
                    }
                }
            }
            TransportEvent::StateChanged(TransportState::Closed(_)) => {}
            TransportEvent::StateChanged(_) => {
                let (session, state) = (session.id, session.state());
                self.push_event(Event::StateChanged { session, state });
            }
            TransportEvent::UfragRetired(ufrag) => {
                session.ufrags.retain(|known| *known != ufrag);
                self.by_ufrag.remove(&ufrag);
            }
            TransportEvent::Closed(reason) => {
                if reason == TransportCloseReason::EngineFault {
                    self.counters.drop(DropReason::SessionFault);
                }
                self.remove_session(now, key, close_reason(reason));
            }
        }
    }

    /// The keys are there: reports start, and viewers want a picture at once.
    fn start_media(&mut self, now: Instant, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        if let Some(alive) = &mut session.alive {
            alive.slot = Some(self.alive.insert(now, key, now + alive.interval));
        }
        session.report_at = (!session.sources.is_empty()).then_some(now + crate::clients::feedback::REPORT_INTERVAL);
        let senders = session.senders.iter().enumerate();
        let watched: Vec<_> = senders.filter_map(|(at, sender)| Some((at, sender.as_ref()?.track?))).collect();
        for (at, track) in watched {
            if !self.join(SenderKey::of(key, at), track) {
                self.want_keyframe(track);
            }
        }
    }

    pub(crate) fn rearm(&mut self, key: SessionKey) {
        if let Some(session) = self.sessions.get(key) {
            self.timers.set(key, session.poll_timeout());
        }
    }

    /// A viewer of the track can't go on without a key frame. Asked for at the next flush.
    pub(crate) fn want_keyframe(&mut self, track: TrackKey) {
        if let Some(wanted) = self.tracks.get_mut(track)
            && !std::mem::replace(&mut wanted.keyframe_wanted, true)
        {
            self.keyframe_wanted.push(track);
        }
    }

    /// Signaling that does not read loses the oldest events and asks for a snapshot instead.
    pub(crate) fn push_event(&mut self, event: Event) {
        if self.events.len() >= EVENTS_MAX {
            self.events.pop_front();
            self.counters.drop(DropReason::EventUnread);
        }
        self.events.push_back(event);
    }

    pub fn session_state(&self, session: SessionId) -> Option<SessionState> {
        Some(self.sessions.get(*self.by_id.get(&session)?)?.state())
    }
}

fn close_reason(reason: TransportCloseReason) -> CloseReason {
    match reason {
        TransportCloseReason::Requested => CloseReason::Requested,
        TransportCloseReason::ClientClosed => CloseReason::ClientClosed,
        TransportCloseReason::ConnectTimeout => CloseReason::ConnectTimeout,
        TransportCloseReason::ConsentExpired => CloseReason::ConsentExpired,
        TransportCloseReason::FingerprintMismatch => CloseReason::FingerprintMismatch,
        TransportCloseReason::DtlsFailed => CloseReason::DtlsFailed,
        TransportCloseReason::EngineFault => CloseReason::Fault,
    }
}

/// Events that wait for the worker.
const EVENTS_MAX: usize = 1 << 16;
