//! Owns publishing: from an offer to a live stream, on whichever node it is placed.

use std::sync::Arc;

use chappe_cluster::next_epoch;
use chappe_sfu_api::{Epoch, Media, WorkerIndex};
use chappe_signaling_access::Action;
use chappe_signaling_rooms::{Registry, Role};
use chappe_signaling_sdp::{self as sdp, Local, PublishTerms, SdpError};
use chappe_signaling_traces::{Kind, step};

use crate::callers::grants::sources_of;
use crate::cluster::message::NodeRequest;
use crate::refusal::Refusal;
use crate::request::{Answered, PublishRequest};
use crate::service::Service;
use crate::sessions::names::NameClaim;
use crate::sessions::opening::{Asked, Content, Moment, SessionRequest};
use crate::sessions::place::{Purpose, random_track};

impl Service {
    pub async fn publish(self: &Arc<Self>, request: PublishRequest) -> Result<Answered, Refusal> {
        self.wait_settled().await;
        let action = Action::Publish { stream: request.stream.as_str(), offered: sources_of(&request.offer) };
        self.check_grant(request.caller.as_ref(), &request.room, action)?;
        let claim = self.claim_for(&request).await?;
        let result = self.open_somewhere(&request).await;
        if let Some(claim) = claim.filter(|_| result.is_err()) {
            claim.give_back();
        }
        result
    }

    /// Where there are other nodes, a name that is new to this one is claimed in the store before a place is chosen. One
    /// that is taken over, or taken back, is settled by its epoch.
    async fn claim_for(self: &Arc<Self>, request: &PublishRequest) -> Result<Option<NameClaim>, Refusal> {
        if self.cluster.alone {
            return Ok(None);
        }
        let proof = request.proof();
        let is_known_here = {
            let state = self.state();
            state.registry.check_publish(&request.room, &request.stream, &proof)?;
            state.registry.stream(&request.room, &request.stream).is_some()
        };
        match is_known_here {
            true => Ok(None),
            false => {
                let mut claiming = step("claim name", Kind::Client);
                let claim = self.claim_name(&request.room, &request.stream, &proof).await;
                claiming.note_outcome(&claim);
                claim
            }
        }
    }
}

impl SessionRequest for PublishRequest {
    type Terms = PublishTerms;

    fn asked(&self) -> Asked<'_> {
        Asked {
            room: &self.room,
            owner: self.owner.as_ref(),
            instead_of: self.instead_of,
            alive_ms: self.alive_ms,
            caller: self.caller.as_ref(),
        }
    }

    fn purpose(&self) -> Purpose<'_> {
        Purpose::Publish
    }

    fn negotiate(&self) -> Result<PublishTerms, SdpError> {
        sdp::negotiate_publish(&self.offer, None, &mut random_track)
    }

    fn check(&self, registry: &Registry) -> Result<(), Refusal> {
        Ok(registry.check_publish(&self.room, &self.stream, &self.proof())?)
    }

    fn known_epoch(&self, registry: &Registry) -> Option<Epoch> {
        registry.stream(&self.room, &self.stream).map(|stream| stream.epoch)
    }

    fn content(&self, registry: &Registry, terms: &PublishTerms, at: Moment) -> Result<Content, Refusal> {
        let address = self.caller.as_ref().map(|caller| caller.address);
        let (proof, mut media) = (self.proof(), terms.media.clone());
        let moderated = registry.mute_as_before(&self.room, &self.stream, &proof, &mut media);
        let role = Role::Publish {
            stream: self.stream.clone(),
            muted: Vec::new(),
            moderated,
            listed: self.listed,
            sdp: terms.note.clone(),
        };
        Ok(Content {
            epoch: next_epoch(at.known.max(self.known_epoch(registry)), at.now_ms),
            since_ms: registry.publishes_since(&self.room, &self.stream, &proof),
            remote_ice: terms.remote_ice.clone(),
            dtls: terms.dtls.clone(),
            media,
            attempt: registry.attempt_for(&self.room, &self.stream, address, at.now_ms),
            role,
            shown: Vec::new(),
        })
    }

    fn answer(&self, terms: &PublishTerms, local: &Local, _: &Media) -> String {
        terms.answer(&self.offer, local)
    }

    fn for_node_of(&self, worker: WorkerIndex, known: Option<Epoch>) -> NodeRequest {
        NodeRequest::Publish {
            room: self.room.clone(),
            stream: self.stream.clone(),
            offer: self.offer.text().to_owned(),
            owner: self.owner.clone(),
            instead_of: self.instead_of,
            listed: self.listed,
            takes_over: self.takes_over,
            alive_ms: self.alive_ms,
            caller: self.caller.clone(),
            worker,
            known,
        }
    }
}
