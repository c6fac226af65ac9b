//! Owns one client: its transport, what comes from it and what goes to it. Never sees another session.

use std::time::{Duration, Instant};

use chappe_sfu_rate::Known;

use crate::clients::alive::Tick;
use crate::clients::delivery::Delivery;
use crate::clients::ingest::Ingest;
use crate::clients::returning::ProvenClient;
use crate::crypto::srtp::Opener;
use crate::net::Route;
use crate::outputs::Outputs;
use crate::spec::{Epoch, Event, SessionId, SessionState};
use crate::stats::DropReason;
use crate::tracks::Tracks;
use crate::transport::{Transport, TransportState};
use crate::wire::rtp::Ssrc;

pub(crate) struct Session {
    pub id: SessionId,
    pub epoch: Epoch,
    pub opened: Instant,
    pub transport: Transport,
    /// Who the client is and where, as its handshake has proven.
    pub client: Option<ProvenClient>,
    pub ingest: Ingest,
    pub delivery: Delivery,
    /// Those of ours that answer.
    pub ufrags: Vec<String>,
    /// Every route by which the worker finds this session.
    pub routes: Vec<Route>,
    pub round_trip: Option<Duration>,
    /// How often the client wants to hear of us; `None` for one that did not ask.
    pub alive: Option<Alive>,
}

/// The signs of life that a client asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Alive {
    pub interval: Duration,
    /// The valid entry among those of this session's key; none before the keys.
    pub tick: Option<Tick>,
}

impl Session {
    pub fn new(now: Instant, id: SessionId, epoch: Epoch, transport: Transport, feedback_ssrc: Ssrc) -> Session {
        Session {
            id,
            epoch,
            opened: now,
            transport,
            client: None,
            ingest: Ingest::new(now),
            delivery: Delivery::new(feedback_ssrc),
            ufrags: Vec::new(),
            routes: Vec::new(),
            round_trip: None,
            alive: None,
        }
    }

    pub fn state(&self) -> SessionState {
        match self.transport.state() {
            TransportState::New => SessionState::New,
            TransportState::Connecting => SessionState::Connecting,
            TransportState::Connected => SessionState::Connected,
            TransportState::Disconnected | TransportState::Closed(_) => SessionState::Disconnected,
        }
    }

    /// An SRTP packet: opened in place, counted, and kept in the history of its layer.
    #[inline]
    pub fn handle_rtp(
        &mut self,
        now: Instant,
        packet: &mut [u8],
        tracks: &mut Tracks,
        out: &mut Outputs,
    ) -> Result<(), DropReason> {
        let opened = self.ingest.open(packet)?;
        self.transport.note_activity(now);
        let Some(mut received) = self.ingest.receive(now, opened)? else { return Ok(()) };
        if let Some(measured) = received.round_trip {
            note_round_trip(&mut self.round_trip, measured);
        }
        let selected = received.select(now)?;
        if selected.begins {
            let (session, track) = (self.id, received.source.spec.track);
            out.push_event(Event::TrackActive { session, track, active: true });
        }
        received.keep(now, &selected, tracks)
    }

    /// Reads what is needed to hear feedback. The sum means nothing.
    pub fn read_for_feedback(&self) -> u64 {
        let is_keyed = self.ingest.opener.as_ref().is_some_and(Opener::has_heard);
        let marks =
            [is_keyed, self.ingest.report_at.is_some(), self.round_trip.is_some(), self.transport.heard().is_some()];
        marks.into_iter().fold(self.delivery.read_for_feedback(), |sum, mark| sum ^ u64::from(mark))
    }

    /// What the line of its client carries, for the client's return. Nothing if that has moved to another network
    /// meanwhile: how much of it was measured there is not known.
    pub fn left_with(&self) -> Option<(ProvenClient, Known)> {
        let client = self.client?;
        let has_moved = self.delivery.path.route.is_some_and(|route| !client.is_at(route.remote().ip()));
        let known = self.delivery.acknowledged()?.known();
        known.filter(|_| !has_moved).map(|known| (client, known))
    }

    /// When the session next wants to be woken.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let own = [self.transport.poll_timeout(), self.ingest.poll_timeout(), self.delivery.poll_timeout()];
        own.into_iter().flatten().min()
    }
}

/// A round trip to the client was measured: by its answer to a sender report, or to a NACK of ours.
pub(crate) fn note_round_trip(known: &mut Option<Duration>, measured: Duration) {
    // Smoothed like TCP's (RFC 6298 section 2.3).
    let measured = measured.min(ROUND_TRIP_MAX);
    *known = Some(known.map_or(measured, |before| (before * 7 + measured) / 8));
}

/// Longer measurements are the trouble of one packet, or made up.
const ROUND_TRIP_MAX: Duration = Duration::from_secs(2);
