//! What signaling tells a worker.

use serde::{Deserialize, Serialize};

use crate::{
    Boot, CloseReason, Epoch, IceCredentials, Media, OriginSpec, PeerSpec, PointedViewer, RequestId, SessionId,
    SessionSpec, Tile, TrackId,
};

/// One line from signaling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkerRequest {
    pub request: RequestId,
    pub command: Command,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    /// Answered by one [`crate::Event::Session`] per session and then `Done`.
    Snapshot,
    /// Fails with `limit`, `exists`, `stale_epoch` or `invalid`. A session that is there already with the
    /// same id and spec is success.
    OpenSession(Box<SessionSpec>),
    /// Replaces all m-lines and the note.
    SetMedia {
        session: SessionId,
        epoch: Epoch,
        media: Media,
        note: String,
    },
    /// A stream changed its source: what these viewers' sent tracks forward from now on. All else of their media
    /// stays as it was set. Viewers and tracks that are not there (any more) and stale epochs are passed over.
    PointTracks {
        viewers: Vec<PointedViewer>,
    },
    /// RFC 9725 section 4.3.2: new credentials on both sides; the old ones answer until the new path works.
    RestartIce {
        session: SessionId,
        epoch: Epoch,
        local_ice: IceCredentials,
        remote_ice: IceCredentials,
        note: String,
    },
    /// Success also when the session is not there.
    CloseSession {
        session: SessionId,
        epoch: Epoch,
        reason: CloseReason,
    },
    /// How a viewer's page shows what it is sent: the whole list; an m-line that is not in it is shown as usual.
    SetView {
        session: SessionId,
        epoch: Epoch,
        tiles: Vec<Tile>,
    },
    /// Asks the publisher of a track for a key frame (merged and rate limited like a viewer's).
    RequestKeyframe {
        track: TrackId,
    },
    /// Answered by [`crate::Event::Stats`] and `Done`.
    SessionStats {
        session: SessionId,
    },
    /// How another worker is reached; sent before an origin names it. The same again changes nothing.
    SetPeer(Box<PeerSpec>),
    /// Success also when the peer is not there. Its relays end.
    RemovePeer {
        peer: Boot,
    },
    /// Where a track comes from that is not published on this worker. The relay itself is opened with the first
    /// viewer and closed soon after the last left. Another peer than before takes the old one's place without
    /// a gap. Fails with `stale_epoch`, or `not_found` when the peer was not set.
    SetOrigin(OriginSpec),
    RemoveOrigin {
        track: TrackId,
    },
    /// Answered by [`crate::Event::Relays`] and `Done`.
    Relays,
    /// Workers that get a relayed track from here get it from our parent instead, without a gap.
    ReleaseRelays,
    /// No new sessions from now on; relays are released; exits 0 once the last is gone or `deadline_ms` has passed.
    Drain {
        deadline_ms: u64,
    },
    /// Takes a drain back.
    CancelDrain,
}

impl Command {
    /// The session that it changes or asks about. It may end by itself while the command is on its way.
    pub fn session(&self) -> Option<SessionId> {
        match self {
            Command::SetMedia { session, .. }
            | Command::RestartIce { session, .. }
            | Command::CloseSession { session, .. }
            | Command::SetView { session, .. }
            | Command::SessionStats { session } => Some(*session),
            Command::Snapshot
            | Command::OpenSession(_)
            | Command::PointTracks { .. }
            | Command::RequestKeyframe { .. }
            | Command::SetPeer(_)
            | Command::RemovePeer { .. }
            | Command::SetOrigin(_)
            | Command::RemoveOrigin { .. }
            | Command::Relays
            | Command::ReleaseRelays
            | Command::Drain { .. }
            | Command::CancelDrain => None,
        }
    }
}
