//! Owns finding a worker for a session and what the client must know to reach it.

use std::net::IpAddr;

use chappe_cluster::{Cost, NodeName, TrackRate, Wanted, WorkerRef, choose, node_tag, session_id, session_tag};
use chappe_sfu_api::{ErrorCode, Hello, IceCredentials, MediaKind, SessionId, TrackId};
use chappe_signaling_addresses::Candidates;
use chappe_signaling_rooms::{RoomName, Slot, Stream, StreamName, TrackChoice};
use chappe_signaling_sdp::{CandidateTransport, Local, LocalCandidate};
use chappe_signaling_traces::Span;
use rand::RngExt as _;
use tokio::time::Instant;

use crate::callers::caller::Caller;
use crate::refusal::Refusal;
use crate::service::Service;
use crate::sessions::admission::Verdict;
use crate::state::ServiceState;
use crate::workers::view::{WorkerState, WorkerView};

/// What a session is placed for.
pub(crate) enum Purpose<'a> {
    Publish,
    Watch(&'a [Slot]),
}

/// Workers that a session is rather not placed on.
#[derive(Debug, Default)]
pub(crate) struct Avoid {
    /// The session that this one takes the place of: its worker may be the reason why.
    instead_of: Option<SessionId>,
    /// They were asked, in vain.
    pub tried: Vec<WorkerRef>,
}

impl Avoid {
    pub fn new(instead_of: Option<SessionId>) -> Avoid {
        Avoid { instead_of, tried: Vec::new() }
    }

    /// With the worker of the session that is left. Of another node, all of them: which one it was is not known here,
    /// and a node out of reach would be asked in vain until it is known to be.
    fn all(&self, state: &ServiceState, own: &NodeName) -> Vec<WorkerRef> {
        let mut all = self.tried.clone();
        let Some(left) = self.instead_of else { return all };
        if let Some(session) = state.registry.session(left) {
            all.push(WorkerRef { node: own.clone(), index: session.worker });
            return all;
        }
        let there = state.replica.node_by_tag(session_tag(left)).and_then(|node| state.replica.node(node));
        let workers = there.into_iter().flat_map(|there| there.workers.iter().map(move |worker| (there, worker.index)));
        all.extend(workers.map(|(there, index)| WorkerRef { node: there.node.clone(), index }));
        all
    }
}

impl Service {
    /// Chooses a worker of the cluster.
    pub(crate) fn choose(
        &self,
        state: &mut ServiceState,
        room: &RoomName,
        purpose: &Purpose<'_>,
        avoid: &Avoid,
    ) -> Result<WorkerRef, Refusal> {
        let now = Instant::now().into_std();
        let holders = self.holders(state, room, purpose);
        let cost = match purpose {
            Purpose::Publish => Cost::publish(),
            Purpose::Watch(slots) => Cost::of_tracks(slots.iter().map(|slot| rate_of(state, room, slot))),
        };
        let region = self.cluster.identity.region.as_deref();
        let wanted =
            Wanted { region, cost, holders: &holders, node: self.node(), avoid: &avoid.all(state, self.node()) };
        let mut rng = rand::rng();
        let mut draw = |bound: usize| rng.random_range(0..bound.max(1));
        let chosen = choose(now, &state.view, &wanted, &state.reservations, &mut draw);
        // A worker that was to be left is better than none, one that was asked in vain is not.
        let anywhere = Wanted { avoid: &avoid.tried, ..wanted };
        let chosen = chosen.or_else(|| choose(now, &state.view, &anywhere, &state.reservations, &mut draw));
        let chosen = chosen.ok_or(Refusal::NoWorker)?;
        state.reservations.handle_placed(now, &chosen, &cost);
        Ok(chosen)
    }

    /// An operator can do something where nothing but the number of their sessions keeps this node's workers from more.
    pub(crate) fn why_no_worker(&self, told: Refusal) -> Refusal {
        let is_for_want_of_room = match &told {
            Refusal::NoWorker => true,
            Refusal::Worker(error) => error.code == ErrorCode::Limit,
            _ => false,
        };
        let state = self.state();
        let mut serving = state.workers.iter().filter(|worker| worker.state == WorkerState::Serving).peekable();
        let most = serving.peek().map_or(0, |worker| worker.sessions_max());
        let is_full = |worker: &WorkerView| {
            let sessions = u32::try_from(state.registry.sessions_on(worker.index)).unwrap_or(u32::MAX);
            sessions.max(worker.load.sessions) >= worker.sessions_max()
        };
        if is_for_want_of_room && most > 0 && serving.all(is_full) { Refusal::WorkersFull(most) } else { told }
    }

    /// Workers that have what is wanted already, or something of the room, best first.
    fn holders(&self, state: &ServiceState, room: &RoomName, purpose: &Purpose<'_>) -> Vec<WorkerRef> {
        let Some(there) = state.registry.room(room) else {
            return Vec::new();
        };
        let home = |stream: &Stream| WorkerRef { node: stream.home.node.clone(), index: stream.home.worker };
        let mut holders: Vec<WorkerRef> = Vec::new();
        let mut add = |worker: WorkerRef| {
            if holders.len() < HOLDERS_MAX && !holders.contains(&worker) {
                holders.push(worker);
            }
        };
        if let Purpose::Watch(slots) = purpose {
            let wanted = streams_of(slots).into_iter().filter_map(|name| there.streams.get(name));
            wanted.map(home).for_each(&mut add);
        }
        let ours = there.workers().into_iter().map(|index| WorkerRef { node: self.node().clone(), index });
        ours.for_each(&mut add);
        there.streams.values().take(HOLDERS_MAX).map(home).for_each(&mut add);
        holders
    }

    /// The worker's side of a session's transport.
    pub(crate) fn local(
        &self,
        hello: &Hello,
        ice: IceCredentials,
        session: SessionId,
        reached_at: Option<IpAddr>,
    ) -> Local {
        let Candidates { addresses, first_is_proven } = self.addresses.candidates(reached_at);
        let both = [CandidateTransport::Udp, CandidateTransport::TcpPassive];
        let candidate = |ip| both.map(|transport| LocalCandidate { ip, port: hello.media_port, transport });
        Local {
            ice,
            fingerprint: hello.fingerprint.clone(),
            proven: addresses.first().copied().filter(|_| first_is_proven),
            candidates: addresses.into_iter().flat_map(candidate).collect(),
            trickle: true,
            origin: (session.1 >> 64) as u64,
        }
    }

    /// Names this node, so that any node knows where the session is.
    pub(crate) fn random_session(&self) -> SessionId {
        session_id(node_tag(self.node()), rand::random())
    }
}

/// Which place was found.
pub(crate) fn note_place(placing: &mut Span, worker: &WorkerRef) {
    placing.note("chappe.to_node", &worker.node);
    placing.note_number("chappe.worker", worker.index.0);
}

/// What looking for a place came to. There may be room in a moment where load reports do not show yet what was placed, or
/// still what its joins took, unless a place was tried in vain; and where a worker of this node is about to be there again.
pub(crate) fn verdict<T>(state: &ServiceState, avoid: &Avoid, found: Result<T, Refusal>) -> Verdict<T> {
    let reports_lag = || {
        !state.reservations.is_settled(Instant::now().into_std())
            && state.view.open_workers() > 0
            && avoid.tried.is_empty()
    };
    match found {
        Err(Refusal::NoWorker) if state.awaits_worker() || reports_lag() => Verdict::FullForNow,
        outcome => Verdict::Settled(outcome),
    }
}

/// What a slot will cost per second: what its track brings, as far as a worker of ours has measured that.
fn rate_of(state: &ServiceState, room: &RoomName, slot: &Slot) -> TrackRate {
    let track = state.registry.stream(room, &slot.stream).and_then(|stream| stream.chosen(&slot.track));
    let measured =
        track.and_then(|track| state.workers.iter().find_map(|worker| worker.track_rate(track.source.track)));
    let is_audio = match track {
        Some(track) => track.source.kind == MediaKind::Audio,
        None => matches!(slot.track, TrackChoice::Audio(_)),
    };
    measured.unwrap_or(if is_audio { TrackRate::AUDIO } else { TrackRate::VIDEO })
}

fn streams_of(slots: &[Slot]) -> Vec<&StreamName> {
    let mut names: Vec<&StreamName> = Vec::new();
    for slot in slots {
        if !names.contains(&&slot.stream) {
            names.push(&slot.stream);
        }
    }
    names
}

/// The address of ours that a client has reached, if that is known.
pub(crate) fn reached_at(caller: Option<&Caller>) -> Option<IpAddr> {
    caller.and_then(|caller| caller.reached_at)
}

/// RFC 8445 section 5.3 asks for 24 bits in the ufrag and 128 in the password; the ufrag also has to be
/// unique on the worker and is the ETag of the session, so it gets 71.
pub(crate) fn random_credentials() -> IceCredentials {
    IceCredentials { ufrag: random_text(UFRAG_CHARS), pwd: random_text(PWD_CHARS) }
}

pub(crate) fn random_track() -> TrackId {
    TrackId(rand::random())
}

fn random_text(chars: usize) -> String {
    rand::rng().sample_iter(rand::distr::Alphanumeric).take(chars).map(char::from).collect()
}

const UFRAG_CHARS: usize = 12;
const PWD_CHARS: usize = 24;
/// Workers that are told to placement as having the room.
const HOLDERS_MAX: usize = 8;
