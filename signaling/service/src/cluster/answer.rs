//! Owns answering what other nodes ask in the name of their clients. Never trusts that what they ask for is there.

use std::sync::Arc;

use chappe_signaling_sdp::{Offer, parse_fragment};

use crate::cluster::message::{NodeReply, NodeRequest};
use crate::refusal::Refusal;
use crate::request::{Answered, PublishRequest, WatchRequest};
use crate::service::Service;

impl Service {
    pub async fn answer_node(self: &Arc<Self>, request: NodeRequest) -> Result<NodeReply, Refusal> {
        if !matches!(request, NodeRequest::Ping) {
            self.wait_settled().await;
        }
        match request {
            NodeRequest::Ping => {
                let identity = &self.cluster.identity;
                Ok(NodeReply::Pong { instance: identity.instance, started_ms: identity.started_ms })
            }
            NodeRequest::Publish {
                room,
                stream,
                offer,
                owner,
                instead_of,
                listed,
                takes_over,
                alive_ms,
                caller,
                worker,
                known,
            } => {
                self.check_serving()?;
                let offer = Offer::parse(&offer)?;
                let request =
                    PublishRequest { room, stream, offer, owner, instead_of, listed, takes_over, alive_ms, caller };
                answered(self.open_here(&request, worker, known).await)
            }
            NodeRequest::Watch { room, slots, offer, owner, alive_ms, caller, worker } => {
                self.check_serving()?;
                let (offer, instead_of) = (Offer::parse(&offer)?, None);
                let request = WatchRequest { room, slots, offer, owner, instead_of, alive_ms, caller };
                answered(self.watch_here(request, worker).await)
            }
            NodeRequest::Republish { session, member, offer } => {
                answered(self.republish_here(session, member, &Offer::parse(&offer)?, None).await)
            }
            NodeRequest::Rewatch { session, member, offer, slots } => {
                answered(self.rewatch_here(session, member, &Offer::parse(&offer)?, slots, None).await)
            }
            NodeRequest::Patch { session, precondition, fragment, caller } => {
                let fragment = parse_fragment(&fragment)?;
                let outcome = self.patch_here(session, precondition, &fragment, caller.as_ref()).await?;
                Ok(NodeReply::Patched { outcome })
            }
            NodeRequest::Stats { session, member } => {
                let stats = match member {
                    Some(member) => self.stats_own_here(session, member).await?,
                    None => self.stats_here(session).await?,
                };
                Ok(NodeReply::Stats { stats })
            }
            NodeRequest::Moderate { session, chosen, muted } => {
                let tracks = self.moderate_here(session, &chosen, muted).await?;
                Ok(NodeReply::Moderated { tracks })
            }
            NodeRequest::View { session, member, tiles } => {
                self.show_here(session, member, tiles).await.map(|()| NodeReply::Done)
            }
            at_once => self.act_at_once(at_once),
        }
    }

    /// What needs no worker's answer.
    fn act_at_once(self: &Arc<Self>, request: NodeRequest) -> Result<NodeReply, Refusal> {
        match request {
            NodeRequest::Close { session } => Ok(NodeReply::Closed { was_there: self.close_here(session) }),
            NodeRequest::CloseOwn { session, caller } => {
                self.close_own_here(session, &caller).map(|()| NodeReply::Done)
            }
            NodeRequest::End { session, member, publishes } => {
                self.end_here(session, member, publishes).map(|()| NodeReply::Done)
            }
            NodeRequest::Mute { session, member, mid, muted } => {
                self.mute_here(session, member, &mid, muted).map(|()| NodeReply::Done)
            }
            NodeRequest::Claim { page, living, access } => {
                let mut state = self.state();
                let sessions = self.claim_here(&mut state, &page, &living, access.as_ref());
                Ok(NodeReply::Claimed { sessions })
            }
            NodeRequest::MemberGone { member, home } => {
                let mut state = self.state();
                let effects = state.registry.end_idle(member, &home);
                self.apply(&mut state, effects);
                Ok(NodeReply::Done)
            }
            NodeRequest::KnownPages { members } => Ok(NodeReply::KnownPages { members: self.known_here(members) }),
            NodeRequest::Streams { part } => Ok(NodeReply::Streams { list: self.state().log.list(part) }),
            NodeRequest::AcceptPeer { boot, with, .. } => {
                self.accept_peer(boot, with);
                Ok(NodeReply::Done)
            }
            NodeRequest::Drain { deadline_ms } => {
                self.start_drain(deadline_ms);
                Ok(NodeReply::Done)
            }
            NodeRequest::CancelDrain => {
                self.cancel_drain();
                Ok(NodeReply::Done)
            }
            _ => Err(Refusal::NodeSilent),
        }
    }

    /// A node that drains takes nothing on, whatever others still believe.
    fn check_serving(&self) -> Result<(), Refusal> {
        if self.state().drain.is_some() { Err(Refusal::NoWorker) } else { Ok(()) }
    }
}

fn answered(result: Result<Answered, Refusal>) -> Result<NodeReply, Refusal> {
    result.map(|answered| NodeReply::Answered { answered })
}
