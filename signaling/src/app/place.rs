//! Owns finding a worker for a session and what the client must know to reach it.

use chappe_sfu_api::{Boot, Hello, IceCredentials, SessionId, TrackId, WorkerIndex};
use rand::RngExt as _;

use super::{App, Hub};
use crate::placement::choose_worker;
use crate::refusal::Refusal;
use crate::room::RoomName;
use crate::sdp::{CandidateTransport, Local, LocalCandidate};

/// Where a session goes.
pub struct Place {
    pub worker: WorkerIndex,
    pub boot: Boot,
    pub local: Local,
}

impl App {
    pub(super) fn place(&self, hub: &mut Hub, room: &RoomName, session: SessionId) -> Result<Place, Refusal> {
        let mut rng = rand::rng();
        let mut draw = |bound: usize| rng.random_range(0..bound);
        let worker = choose_worker(&hub.workers, hub.registry.worker_of(room), &mut draw).ok_or(Refusal::NoWorker)?;
        let view = hub.worker_mut(worker).ok_or(Refusal::NoWorker)?;
        view.opened_since_report = view.opened_since_report.saturating_add(1);
        let hello = view.hello.as_ref().ok_or(Refusal::NoWorker)?;
        Ok(Place { worker, boot: hello.boot, local: self.local(hello, random_credentials(), session) })
    }

    /// The worker's side of a session's transport.
    pub(super) fn local(&self, hello: &Hello, ice: IceCredentials, session: SessionId) -> Local {
        let both = [CandidateTransport::Udp, CandidateTransport::TcpPassive];
        let candidate = |ip| both.map(|transport| LocalCandidate { ip, port: hello.media_port, transport });
        Local {
            ice,
            fingerprint: hello.fingerprint.clone(),
            candidates: self.addresses.iter().copied().flat_map(candidate).collect(),
            trickle: true,
            origin: (session.0 >> 64) as u64,
        }
    }
}

/// RFC 8445 section 5.3 asks for 24 bits in the ufrag and 128 in the password; the ufrag also has to be
/// unique on the worker and is the ETag of the session, so it gets 71.
pub(super) fn random_credentials() -> IceCredentials {
    IceCredentials { ufrag: random_text(UFRAG_CHARS), pwd: random_text(PWD_CHARS) }
}

pub(super) fn random_session() -> SessionId {
    SessionId(rand::random())
}

pub(super) fn random_track() -> TrackId {
    TrackId(rand::random())
}

fn random_text(chars: usize) -> String {
    rand::rng().sample_iter(rand::distr::Alphanumeric).take(chars).map(char::from).collect()
}

const UFRAG_CHARS: usize = 12;
const PWD_CHARS: usize = 24;
