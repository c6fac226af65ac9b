//! A session's transport: who it is, how ICE and DTLS recognise it, how it ended.

use serde::{Deserialize, Serialize};

use crate::{Epoch, Media, SessionId};

/// Everything a worker needs to serve one client, and everything signaling needs to find its bearings
/// again after a restart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionSpec {
    pub session: SessionId,
    #[serde(default)]
    pub epoch: Epoch,
    /// Credentials this worker answers checks with. The ufrag is unique on the worker: it finds the session.
    pub local_ice: IceCredentials,
    /// Credentials of the client, from its offer.
    pub remote_ice: IceCredentials,
    pub dtls: DtlsParameters,
    pub media: Media,
    /// The client hears of its worker at least this often; none for one that did not ask for that.
    #[serde(default)]
    pub alive_ms: Option<AliveMs>,
    /// Opaque to the worker and given back in snapshots: what signaling must remember across its own
    /// death (room, stream, role, ETag, negotiated codecs). At most [`crate::NOTE_BYTES_MAX`] bytes.
    pub note: String,
}

/// How often a client wants to hear of its worker at the least, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct AliveMs(u16);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AliveMsOutOfRange;

impl AliveMs {
    /// Shorter would be a load, longer would tell no more than the client's own consent checks.
    pub const RANGE: std::ops::RangeInclusive<u16> = 50..=1_000;
}

impl TryFrom<u64> for AliveMs {
    type Error = AliveMsOutOfRange;

    fn try_from(ms: u64) -> Result<AliveMs, AliveMsOutOfRange> {
        let ms = u16::try_from(ms).ok().filter(|ms| AliveMs::RANGE.contains(ms));
        ms.map(AliveMs).ok_or(AliveMsOutOfRange)
    }
}

impl From<AliveMs> for u64 {
    fn from(AliveMs(ms): AliveMs) -> u64 {
        ms.into()
    }
}

impl std::fmt::Display for AliveMsOutOfRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let range = AliveMs::RANGE;
        write!(f, "`alive_ms` must be a whole number of milliseconds from {} to {}", range.start(), range.end())
    }
}

impl std::error::Error for AliveMsOutOfRange {}

/// RFC 8445 section 5.3: ufrag of 4–256 and password of 22–256 ice-chars.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceCredentials {
    pub ufrag: String,
    pub pwd: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DtlsParameters {
    /// The role of the **worker** (`a=setup` of the answer: passive is server, active is client).
    pub role: DtlsRole,
    /// The client's certificate must match one of these.
    pub remote_fingerprints: Vec<Fingerprint>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DtlsRole {
    Client,
    Server,
}

/// RFC 8122 `a=fingerprint`, for example `sha-256` and `AB:CD:…` (upper case).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    pub hash: String,
    pub value: String,
}

/// Life of a session on a worker. It only moves forward, but for `Connected` ⇄ `Disconnected`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// Waits for the client's first authenticated connectivity check.
    New,
    /// ICE works, DTLS is under way.
    Connecting,
    /// Media may flow.
    Connected,
    /// No consent (RFC 7675) for a while; a check brings it back.
    Disconnected,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseReason {
    /// Signaling asked for it.
    Requested,
    /// The client said goodbye (DTLS close_notify).
    ClientClosed,
    /// No first check, or no DTLS, within the limit.
    ConnectTimeout,
    /// Consent expired (RFC 7675) and did not come back.
    ConsentExpired,
    /// The certificate does not match the fingerprint of the offer.
    FingerprintMismatch,
    /// DTLS failed for another reason.
    DtlsFailed,
    /// The worker panicked on what the client sent: a bug, whose place is in the worker's log.
    Fault,
    /// The worker drains and its deadline passed.
    Drained,
}

impl std::fmt::Debug for IceCredentials {
    /// The password is a secret and never reaches a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceCredentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}
