//! What signaling tells a worker.

use serde::{Deserialize, Serialize};

use crate::{CloseReason, Epoch, IceCredentials, Media, RequestId, SessionId, SessionSpec, TrackId};

/// One line from signaling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
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
    SetMedia { session: SessionId, epoch: Epoch, media: Media, note: String },
    /// RFC 9725 section 4.3.2: new credentials on both sides; the old ones answer until the new path works.
    RestartIce { session: SessionId, epoch: Epoch, local_ice: IceCredentials, remote_ice: IceCredentials, note: String },
    /// Success also when the session is not there.
    CloseSession { session: SessionId, epoch: Epoch, reason: CloseReason },
    /// Asks the publisher of a track for a key frame (merged and rate limited like a viewer's).
    RequestKeyframe { track: TrackId },
    /// Answered by [`crate::Event::Stats`] and `Done`.
    SessionStats { session: SessionId },
    /// No new sessions from now on; exits 0 once the last is gone or `deadline_ms` has passed.
    Drain { deadline_ms: u64 },
    /// Takes a drain back.
    CancelDrain,
}
