//! Owns the parts of a worker's media plane and dispatches: a datagram, a deadline or a command goes to its owner, and
//! what the owners noted for each other is passed on after each step. Never does their work.

mod commands;
mod ending;
mod faults;
mod relays;
pub(crate) mod snapshot;

use std::time::{Duration, Instant};

use crate::blame::{AtWork, Blame};
use crate::clients::{Claim, Clients};
use crate::crypto::dtls::Certificate;
use crate::egress::Egress;
use crate::keys::SessionKey;
use crate::mesh::{Mesh, Scope};
use crate::net::{ConnectionId, Now, Route, before};
use crate::outputs::Outputs;
use crate::readers::{Parts, Readers};
use crate::relief::Relief;
use crate::spec::{Event, SessionId, SessionState};
use crate::stats::{Counters, DropReason};
use crate::tracks::Tracks;
use crate::wire::datagram::{DatagramKind, classify};

/// One worker's media plane.
///
/// The worker feeds it datagrams, timeouts and commands, calls [`Sfu::flush`] at the end of each batch,
/// sends what [`Sfu::egress`] holds, and passes on what [`Sfu::poll_event`] yields.
pub struct Sfu {
    config: SfuConfig,
    clients: Clients,
    tracks: Tracks,
    readers: Readers,
    mesh: Mesh,
    out: Outputs,
    blame: Blame,
}

pub struct SfuConfig {
    pub certificate: Certificate,
    pub sessions_max: usize,
    /// Of more than [`CROWD`](crate::CROWD) tracks of sound a viewer is sent so many, the loudest; 0 for all.
    pub loudest: usize,
    /// First sequence numbers, timestamps and our SSRCs are derived from it (RFC 3550 section 5.1 wants
    /// them unpredictable): draw it at random for each process.
    pub seed: u64,
}

impl Sfu {
    pub fn new(config: SfuConfig) -> Sfu {
        let readers = Readers::new(config.loudest);
        Sfu {
            config,
            clients: Clients::new(),
            tracks: Tracks::default(),
            readers,
            mesh: Mesh::default(),
            out: Outputs::new(),
            blame: Blame::default(),
        }
    }

    /// Packets were taken in from `began` on, and all that was due had been sent when it `ended`.
    pub fn note_turn(&mut self, began: Now, ended: Now) {
        self.tracks.note_turn(began.mono, ended.mono);
    }

    // ── In ──────────────────────────────────────────────────────────────────────────────────────────────

    /// One datagram, or one frame of a TCP connection. It is opened in place.
    pub fn handle_datagram(&mut self, now: Now, route: Route, datagram: &mut [u8]) {
        self.handle_late_datagram(now, Duration::ZERO, route, datagram);
    }

    /// The same of one that has lain with the kernel for so long: its media is as old, whenever it is taken.
    pub fn handle_late_datagram(&mut self, now: Now, waited: Duration, route: Route, datagram: &mut [u8]) {
        self.out.counters.packets_in += 1;
        self.out.counters.bytes_in += datagram.len() as u64;
        let result = self.contained(now.mono, |sfu| sfu.dispatch(now.mono, waited, route, datagram));
        if let Some(Err(reason)) = result {
            self.out.counters.drop(reason);
        }
    }

    fn dispatch(
        &mut self,
        now: Instant,
        waited: Duration,
        route: Route,
        datagram: &mut [u8],
    ) -> Result<(), DropReason> {
        let Sfu { clients, tracks, mesh, out, .. } = self;
        match classify(datagram) {
            Some(DatagramKind::Rtp) => clients.handle_rtp(before(now, waited), route, datagram, tracks, out),
            Some(DatagramKind::Rtcp) => clients.handle_rtcp(now, route, datagram, tracks, out),
            Some(DatagramKind::Stun) => clients.handle_stun(now, route, datagram, out),
            Some(DatagramKind::Dtls) => clients.handle_dtls(now, route, datagram, out),
            Some(DatagramKind::Relay) => {
                mesh.handle_datagram((route, waited), datagram, &mut Scope { now, tracks, out })
            }
            None => Err(DropReason::Unclassified),
        }
    }

    /// Whether a session has proven to be at an address: what else comes from there is nobody's.
    pub fn is_known(&mut self, route: Route) -> bool {
        self.clients.is_known(route)
    }

    /// RTCP of these clients is given next: what is known of them is read side by side.
    pub fn expect_feedback(&self, routes: impl Iterator<Item = Route>) {
        self.clients.read_for_feedback(routes);
    }

    /// The TCP connection of a route is gone.
    pub fn handle_connection_closed(&mut self, now: Now, route: Route) {
        self.contained(now.mono, |sfu| sfu.clients.forget_connection(now.mono, route, &mut sfu.out));
    }

    // ── Time ────────────────────────────────────────────────────────────────────────────────────────────

    /// To call when [`Sfu::poll_timeout`] has come; [`Sfu::flush`] after it.
    pub fn handle_timeout(&mut self, now: Now) {
        let now = now.mono;
        // Each session once at most: one that keeps a deadline in the past must not hold up the loop.
        for _ in 0..=self.clients.len() {
            let Some(key) = self.clients.pop_due(now) else { break };
            self.contained(now, |sfu| sfu.handle_session_due(now, key));
        }
        self.contained(now, |sfu| {
            let (mesh, mut scope) = sfu.mesh_parts(now);
            mesh.handle_timeouts(&mut scope);
        });
        self.readers.handle_timeout(now);
        self.tracks.handle_timeout(now);
        self.tell_unwatched();
        // Last: what was just sent is a sign, too.
        self.contained(now, |sfu| sfu.clients.send_signs_of_life(now, &mut sfu.out));
    }

    /// Publishers need not send what nobody watches.
    fn tell_unwatched(&mut self) {
        while let Some(key) = self.tracks.unwatched.take() {
            let Some(track) = self.tracks.get(key) else { continue };
            let session = track.publisher.and_then(|publisher| self.clients.get(publisher.session()));
            let Some(session) = session.map(|session| session.id) else { continue };
            let (track, encodings) = (track.id, self.tracks.unwatched_of(key));
            self.out.push_event(Event::Unwatched { session, track, encodings });
        }
    }

    fn handle_session_due(&mut self, now: Instant, key: SessionKey) {
        self.out.note(AtWork::Session(key));
        self.clients.handle_due(now, key, &self.tracks, &mut self.out);
        let (readers, mut parts) = self.reader_parts(now);
        readers.settle_awaited(key, &mut parts);
        self.clients.drain_transport(now, key, &mut self.out);
    }

    /// When to call [`Sfu::handle_timeout`] and [`Sfu::flush`] next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let Sfu { clients, tracks, readers, mesh, .. } = self;
        let of_all = [clients.poll_timeout(), tracks.poll_timeout(), readers.poll_timeout(), mesh.poll_timeout()];
        of_all.into_iter().flatten().min()
    }

    /// Gives so much up of what viewers get, until it is told otherwise.
    pub fn relieve(&mut self, now: Now, relief: Relief) {
        self.contained(now.mono, |sfu| {
            sfu.readers.relieve(relief, &mut sfu.clients);
            sfu.settle(now.mono);
        });
    }

    // ── Out ─────────────────────────────────────────────────────────────────────────────────────────────

    /// The end of a batch: what should leave now is sealed. True when the arena is full and more is to come:
    /// send, clear, and call again.
    pub fn flush(&mut self, now: Now) -> bool {
        self.contained_flush(now.mono, |sfu| sfu.flush_due(now.mono)).unwrap_or(true)
    }

    fn flush_due(&mut self, now: Instant) -> bool {
        let (mesh, mut scope) = self.mesh_parts(now);
        mesh.settle_demand(&mut scope);
        self.settle(now);
        let (readers, mut parts) = self.reader_parts(now);
        let is_complete = readers.flush(&mut parts);
        self.ask_for_keyframes(now);
        while let Some((track, speaking)) = self.tracks.take_speaking() {
            self.out.push_event(Event::Speaking { track, speaking });
        }
        self.out.counters.drop_many(DropReason::ControlFull, self.out.egress.take_refused());
        !is_complete
    }

    /// Asks the publishers of all layers of which somebody needs a key frame.
    fn ask_for_keyframes(&mut self, now: Instant) {
        while let Some(layer) = self.tracks.keyframe_wanted.take() {
            let Some(key) = self.tracks.track_of(layer) else { continue };
            let encoding = self.tracks.layer(layer).map_or(0, |layer| layer.encoding);
            match self.tracks.get(key).and_then(|track| track.publisher) {
                Some(publisher) => {
                    let pause = self.readers.keyframe_pause();
                    self.clients.request_keyframe(now, (publisher, encoding), pause, &mut self.out.egress);
                }
                None => {
                    let (mesh, mut scope) = self.mesh_parts(now);
                    mesh.ask_parent_for_keyframe(layer, &mut scope);
                }
            }
        }
    }

    /// How long what waits to be sent live has waited, here and with the kernel.
    pub fn oldest_wait(&self, now: Now) -> Duration {
        let since = self.tracks.waiting_since();
        since.map_or(Duration::ZERO, |since| now.mono.saturating_duration_since(since))
    }

    /// What to send. Clear it afterwards.
    pub fn egress(&mut self) -> &mut Egress {
        &mut self.out.egress
    }

    /// What signaling should know.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.out.poll_event()
    }

    /// What became of TCP connections since this was asked last, in order.
    pub fn take_claims(&mut self) -> Vec<(ConnectionId, Claim)> {
        self.clients.take_claims()
    }

    pub fn counters(&self) -> &Counters {
        &self.out.counters
    }

    pub fn session_state(&self, session: SessionId) -> Option<SessionState> {
        self.clients.state(session)
    }

    // ── What the owners noted for each other ────────────────────────────────────────────────────────────

    /// Ends each step: sessions that are over go, and readers learn what changed.
    #[inline]
    fn settle(&mut self, now: Instant) {
        while let Some((key, reason)) = self.clients.take_closed() {
            self.remove_session(now, key, reason);
        }
        if !(self.tracks.is_settled()
            && self.clients.is_settled()
            && self.mesh.is_settled()
            && self.readers.is_settled())
        {
            let (readers, mut parts) = self.reader_parts(now);
            readers.settle(&mut parts);
        }
    }

    fn mesh_parts(&mut self, now: Instant) -> (&mut Mesh, Scope<'_>) {
        let Sfu { tracks, mesh, out, .. } = self;
        (mesh, Scope { now, tracks, out })
    }

    fn reader_parts(&mut self, now: Instant) -> (&mut Readers, Parts<'_>) {
        let Sfu { clients, tracks, readers, mesh, out, .. } = self;
        (readers, Parts { now, tracks, clients, mesh, out })
    }
}
