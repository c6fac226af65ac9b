//! Owns the judgement of what a client's token permits.

use chappe_signaling_access::{Action, Sources, TokenError};
use chappe_signaling_rooms::{RoomError, RoomName};
use chappe_signaling_sdp::Offer;

use crate::callers::caller::Caller;
use crate::refusal::Refusal;
use crate::service::Service;

impl Service {
    /// Whether a client's token permits it, before anything is looked at that a forbidden room would tell. Without a
    /// token it is the listener that asks for none.
    pub(crate) fn check_grant(
        &self,
        caller: Option<&Caller>,
        room: &RoomName,
        action: Action<'_>,
    ) -> Result<(), Refusal> {
        let Some(pass) = caller.and_then(|caller| caller.pass.as_ref()) else { return Ok(()) };
        pass.grants.check(room.as_str(), action).map_err(|denied| {
            self.refusals.access.count(denied.reason());
            Refusal::Denied(denied)
        })
    }

    /// A session of somebody else: its client is told that there is none, and operators that it was asked for.
    pub(crate) fn refuse_foreign_session(&self) -> Refusal {
        self.refusals.access.count("another_session");
        RoomError::NoSuchSession.into()
    }

    /// A token that is not good.
    pub fn refuse_token(&self, error: TokenError) -> Refusal {
        self.refusals.access.count(error.reason());
        Refusal::Token(error)
    }
}

/// What a publisher's offer would send.
pub(crate) fn sources_of(offer: &Offer) -> Sources {
    let (audio, video) = offer.publishes();
    Sources { audio, video }
}
