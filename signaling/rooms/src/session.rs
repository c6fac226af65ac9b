//! Owns the record of one client's WebRTC session. Never talks to the worker that carries it.

use chappe_cluster::MemberId;
use chappe_sfu_api::{
    AliveMs, Boot, DtlsParameters, Epoch, IceCredentials, Media, SessionId, SessionSnapshot, SessionSpec, SessionState,
    WorkerIndex,
};
use chappe_signaling_access::Holder;
use chappe_signaling_sdp::Showing;
use serde::{Deserialize, Serialize};

use crate::error::RoomError;
use crate::note::{Note, Role, Slot};

/// What signaling believes of a session; the worker is where it lives.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    pub id: SessionId,
    pub worker: WorkerIndex,
    /// Start of the worker's life that it belongs to.
    pub boot: Boot,
    pub epoch: Epoch,
    pub phase: Phase,
    pub local_ice: IceCredentials,
    pub remote_ice: IceCredentials,
    pub dtls: DtlsParameters,
    /// As last wanted; the worker follows.
    pub media: Media,
    /// How often the client asked to hear of its worker.
    pub alive_ms: Option<AliveMs>,
    pub note: Note,
    /// Viewers only: what was last told to the client about each slot.
    pub shown: Vec<SlotState>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The worker has not confirmed it yet: nobody else knows of it.
    Opening,
    Open(SessionState),
}

pub const SESSION_STATES: [&str; 5] = ["opening", "new", "connecting", "connected", "disconnected"];

/// What a viewer is shown in one slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotState {
    pub slot: Slot,
    pub showing: Showing,
}

impl Session {
    pub fn spec(&self) -> Result<SessionSpec, RoomError> {
        Ok(SessionSpec {
            session: self.id,
            epoch: self.epoch,
            local_ice: self.local_ice.clone(),
            remote_ice: self.remote_ice.clone(),
            dtls: self.dtls.clone(),
            media: self.media.clone(),
            alive_ms: self.alive_ms,
            note: self.note.to_text()?,
        })
    }

    /// Takes up a session that the worker reports; none if its note is not ours to read.
    pub fn from_snapshot(worker: WorkerIndex, boot: Boot, snapshot: SessionSnapshot) -> Option<Session> {
        let SessionSnapshot { spec, state, .. } = snapshot;
        Some(Session {
            note: Note::from_text(&spec.note)?,
            id: spec.session,
            worker,
            boot,
            epoch: spec.epoch,
            phase: Phase::Open(state),
            local_ice: spec.local_ice,
            remote_ice: spec.remote_ice,
            dtls: spec.dtls,
            media: spec.media,
            alive_ms: spec.alive_ms,
            shown: Vec::new(),
        })
    }

    /// Identifies the ICE session (RFC 9725 section 4.3.1): it changes with each ICE restart, and can be
    /// told from the worker's snapshot alone.
    pub fn etag(&self) -> String {
        format!("\"{}\"", self.local_ice.ufrag)
    }

    pub fn member(&self) -> Option<MemberId> {
        self.note.owner.as_ref().map(|owner| owner.member)
    }

    /// Whose token it was made with; none where nobody is asked for one.
    pub fn holder(&self) -> Option<Holder> {
        self.note.access.as_ref().map(|access| access.holder)
    }

    pub fn publishes(&self) -> bool {
        matches!(self.note.role, Role::Publish { .. })
    }

    pub fn is_connected(&self) -> bool {
        matches!(self.phase, Phase::Open(SessionState::Connected))
    }

    /// One of [`SESSION_STATES`].
    pub fn state_text(&self) -> &'static str {
        match self.phase {
            Phase::Opening => "opening",
            Phase::Open(SessionState::New) => "new",
            Phase::Open(SessionState::Connecting) => "connecting",
            Phase::Open(SessionState::Connected) => "connected",
            Phase::Open(SessionState::Disconnected) => "disconnected",
        }
    }
}
