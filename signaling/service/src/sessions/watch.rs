//! Owns watching: from an offer to slots that show what is live.

use std::sync::Arc;

use chappe_sfu_api::{Epoch, Media, WorkerIndex};
use chappe_signaling_access::Action;
use chappe_signaling_rooms::{Attempt, Registry, Role, RoomName, Showing, Slot, SlotState, slot_states};
use chappe_signaling_sdp::{self as sdp, Local, SdpError, WantedSlot, WatchTerms};

use crate::callers::caller::Caller;
use crate::cluster::message::NodeRequest;
use crate::refusal::Refusal;
use crate::request::{Answered, WatchRequest, Watched, check_slots};
use crate::service::Service;
use crate::sessions::opening::{Asked, Content, Moment, SessionRequest};
use crate::sessions::place::Purpose;

impl Service {
    pub async fn watch(self: &Arc<Self>, request: WatchRequest) -> Result<Answered, Refusal> {
        self.wait_settled().await;
        let viewing = Viewing::of(request)?;
        self.check_watch(viewing.request.caller.as_ref(), &viewing.request.room, &viewing.slots)?;
        self.open_somewhere(&viewing).await
    }

    /// For another node, which has chosen the worker.
    pub(crate) async fn watch_here(
        self: &Arc<Self>,
        request: WatchRequest,
        worker: WorkerIndex,
    ) -> Result<Answered, Refusal> {
        self.open_here(&Viewing::of(request)?, worker, None).await
    }

    /// Each stream that is to be shown has to be permitted, also one that is not there.
    pub(crate) fn check_watch(&self, caller: Option<&Caller>, room: &RoomName, slots: &[Slot]) -> Result<(), Refusal> {
        let streams = slots.iter().map(|slot| Action::Watch { stream: slot.stream.as_str() });
        [Action::Join].into_iter().chain(streams).try_for_each(|action| self.check_grant(caller, room, action))
    }
}

/// A viewer's request, with the slots that it comes to.
struct Viewing {
    request: WatchRequest,
    slots: Vec<Slot>,
}

impl Viewing {
    fn of(request: WatchRequest) -> Result<Viewing, Refusal> {
        let slots = request.slots.of(&request.offer);
        check_slots(&slots)?;
        Ok(Viewing { request, slots })
    }
}

impl SessionRequest for Viewing {
    type Terms = WatchTerms;

    fn asked(&self) -> Asked<'_> {
        let WatchRequest { room, owner, instead_of, alive_ms, caller, .. } = &self.request;
        let (owner, caller) = (owner.as_ref(), caller.as_ref());
        Asked { room, owner, instead_of: *instead_of, alive_ms: *alive_ms, caller }
    }

    fn purpose(&self) -> Purpose<'_> {
        Purpose::Watch(&self.slots)
    }

    fn negotiate(&self) -> Result<WatchTerms, SdpError> {
        let slots = self.slots.iter().map(|slot| WantedSlot { mid: &slot.mid, stream: slot.stream.as_str() });
        let wanted: Vec<WantedSlot<'_>> = slots.collect();
        sdp::negotiate_watch(&self.request.offer, &wanted, None, &mut rand::random)
    }

    fn check(&self, registry: &Registry) -> Result<(), Refusal> {
        let room = &self.request.room;
        if registry.room(room).is_none() {
            registry.check_new_room()?;
        }
        match &self.request.slots {
            Watched::Player { stream, wait: false, .. } if registry.stream(room, stream).is_none() => {
                Err(Refusal::NoSuchStream(format!("{room}/{stream}")))
            }
            Watched::Player { .. } | Watched::Chosen(_) => Ok(()),
        }
    }

    /// Of viewers: there is no name that two of them could have.
    fn known_epoch(&self, _: &Registry) -> Option<Epoch> {
        None
    }

    fn content(&self, registry: &Registry, terms: &WatchTerms, at: Moment) -> Result<Content, Refusal> {
        let sources = registry.sources(&self.request.room, &self.slots);
        let (media, states) = sdp::attach(&terms.note, &sources);
        let shown = slot_states(&self.slots, states);
        if matches!(self.request.slots, Watched::Player { .. }) {
            check_decodable(&shown)?;
        }
        Ok(Content {
            epoch: FIRST_EPOCH,
            since_ms: at.now_ms,
            remote_ice: terms.remote_ice.clone(),
            dtls: terms.dtls.clone(),
            media,
            attempt: Attempt::new(self.request.caller.as_ref().map(|caller| caller.address), at.now_ms),
            role: Role::Watch { slots: self.slots.clone(), sdp: terms.note.clone() },
            shown,
        })
    }

    fn answer(&self, terms: &WatchTerms, local: &Local, media: &Media) -> String {
        terms.answer(&self.request.offer, local, media)
    }

    fn for_node_of(&self, worker: WorkerIndex, _: Option<Epoch>) -> NodeRequest {
        let mut slots = self.request.slots.clone();
        if let Watched::Player { wait, .. } = &mut slots {
            // It is there; should that node not know it yet, it will in a moment.
            *wait = true;
        }
        NodeRequest::Watch {
            room: self.request.room.clone(),
            slots,
            offer: self.request.offer.text().to_owned(),
            owner: self.request.owner.clone(),
            alive_ms: self.request.alive_ms,
            caller: self.request.caller.clone(),
            worker,
        }
    }
}

/// A player has no other place to say that a picture will stay black, so it is refused.
fn check_decodable(shown: &[SlotState]) -> Result<(), Refusal> {
    let unsupported = |state: &SlotState| match &state.showing {
        Showing::Unsupported(message) => Some(message.clone()),
        Showing::Live | Showing::Waiting => None,
    };
    match shown.iter().find_map(unsupported) {
        Some(message) => Err(Refusal::NotDecodable(message)),
        None => Ok(()),
    }
}

/// Of viewers: their sessions do not move, so nothing ever raises it.
const FIRST_EPOCH: Epoch = Epoch(1);
