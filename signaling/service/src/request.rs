//! Owns what clients ask of this node and what they get, as values.

use chappe_sfu_api::{AliveMs, MediaKind, SessionId};
use chappe_signaling_rooms::{
    Owner, Proof, ResumeSecret, RoomName, Session, Slot, SlotState, StreamName, Takeover, TrackChoice,
};
use chappe_signaling_sdp::{LINES_MAX, Offer};
use serde::{Deserialize, Serialize};

use crate::callers::caller::Caller;
use crate::clock::unix_ms;
use crate::refusal::{Limit, Refusal};

pub struct PublishRequest {
    pub room: RoomName,
    pub stream: StreamName,
    pub offer: Offer,
    /// The page that publishes; none for WHIP.
    pub owner: Option<Owner>,
    /// A session of the client's own that this one takes the place of, on another worker if there is one. It need not
    /// live, or be known; if it has the name, it proves that the name is the client's.
    pub instead_of: Option<SessionId>,
    /// Everybody may find it in the list of what is live.
    pub listed: bool,
    /// Wanted although somebody publishes under the name, who may be stopped by this client's token.
    pub takes_over: bool,
    /// How often the client wants to hear of its worker; none: it did not ask.
    pub alive_ms: Option<AliveMs>,
    /// None: a node of an older version asks for its client.
    pub caller: Option<Caller>,
}

impl PublishRequest {
    pub(crate) fn proof(&self) -> Proof {
        Proof {
            member: self.owner.as_ref().map(|owner| owner.member),
            session: self.instead_of,
            address: self.caller.as_ref().map(|caller| caller.address),
            at_ms: unix_ms(),
            holder: self.caller.as_ref().and_then(Caller::holder),
            takeover: self.takeover(),
        }
    }

    fn takeover(&self) -> Takeover {
        let pass = self.caller.as_ref().and_then(|caller| caller.pass.as_ref());
        match pass.filter(|_| self.takes_over) {
            Some(pass) if pass.grants.admin => Takeover::Any,
            Some(_) => Takeover::Own,
            None => Takeover::No,
        }
    }
}

pub struct WatchRequest {
    pub room: RoomName,
    pub slots: Watched,
    pub offer: Offer,
    /// The page that watches; none for WHEP.
    pub owner: Option<Owner>,
    /// A session of the page's own that this one takes the place of, on another worker if there is one.
    pub instead_of: Option<SessionId>,
    /// How often the client wants to hear of its worker; none: it did not ask.
    pub alive_ms: Option<AliveMs>,
    /// None: a node of an older version asks for its client.
    pub caller: Option<Caller>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Watched {
    /// A page says which m-line shows what; whatever is not there is waited for.
    Chosen(Vec<Slot>),
    /// A WHEP player wants one stream: its m-lines show that stream's tracks in order.
    Player {
        stream: StreamName,
        wait: bool,
        #[serde(default)]
        height_max: Option<u16>,
    },
}

/// A page that is in a room, for as long as its connection lasts.
#[derive(Debug)]
pub struct Joined {
    pub room: RoomName,
    pub owner: Owner,
    pub connection: u64,
    pub caller: Caller,
}

/// What a page says on entering.
#[derive(Debug)]
pub struct Join {
    /// Number of its request.
    pub id: u64,
    pub room: RoomName,
    pub name: Option<String>,
    pub resume: Option<ResumeSecret>,
    /// Sessions whose peer connections are still up.
    pub living: Vec<SessionId>,
    pub caller: Caller,
}

/// What the client believes the session's ETag to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precondition {
    /// No `If-Match`.
    None,
    /// `If-Match: *`
    Any,
    /// The list of `If-Match`.
    OneOf(Vec<String>),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PatchOutcome {
    /// Candidates were noted: an ICE-lite agent learns addresses from the checks themselves.
    Trickled,
    Restarted {
        etag: String,
        fragment: String,
    },
    /// The ETag is another one.
    Stale,
    /// A publisher must say which ICE session it means (RFC 9725 section 4.3.1).
    PreconditionRequired,
}

/// A session as its client needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    pub session: SessionId,
    pub etag: String,
    pub sdp: String,
    /// Viewers only.
    pub slots: Vec<SlotState>,
    /// How often the client hears of its worker, if it asked for that.
    #[serde(default)]
    pub alive_ms: Option<AliveMs>,
}

impl Answered {
    pub(crate) fn of(session: &Session, sdp: String) -> Answered {
        let (etag, slots) = (session.etag(), session.shown.clone());
        Answered { session: session.id, etag, sdp, slots, alive_ms: session.alive_ms }
    }
}

impl Watched {
    pub(crate) fn of(&self, offer: &Offer) -> Vec<Slot> {
        match self {
            Watched::Chosen(slots) => slots.clone(),
            Watched::Player { stream, height_max, .. } => player_slots(offer, stream, *height_max),
        }
    }
}

/// The n-th m-line of a kind shows the stream's n-th track of that kind.
fn player_slots(offer: &Offer, stream: &StreamName, height_max: Option<u16>) -> Vec<Slot> {
    let (mut audio, mut video) = (0..LINES_MAX, 0..LINES_MAX);
    let slot = |(mid, kind): (&str, MediaKind)| {
        let track = match kind {
            MediaKind::Audio => TrackChoice::Audio(audio.next()?),
            MediaKind::Video => TrackChoice::Video(video.next()?),
        };
        Some(Slot { mid: mid.to_owned(), stream: stream.clone(), track, height_max })
    };
    offer.viewer_lines().filter_map(slot).collect()
}

pub(crate) fn check_slots(slots: &[Slot]) -> Result<(), Refusal> {
    if slots.len() > LINES_MAX { Err(Refusal::TooMany(Limit::Watched(LINES_MAX))) } else { Ok(()) }
}
