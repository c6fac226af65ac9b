//! Owns whether what clients were told for the TURN server of this node is good still: it asks the nodes that know of their
//! pages and sessions. Never relays.

use std::collections::{BTreeSet, HashSet};
use std::time::Instant;

use chappe_cluster::NodeName;
use chappe_signaling_rooms::{MemberId, SessionAlias};

use crate::cluster::message::{NodeReply, NodeRequest};
use crate::refusal::Refusal;
use crate::service::Service;

impl Service {
    /// Whether credentials that this node told somebody are good for as long as they say: those of a session end with
    /// it, as soon as that is known here, those of a page when it has left for good.
    pub fn is_served(&self, client: &str) -> bool {
        if !self.is_settled() {
            return true;
        }
        let state = self.state();
        match CredentialOwner::parse(client) {
            Some(CredentialOwner::Session(session)) if self.cluster.has_tag(session.tag()) => {
                state.registry.has_session(session)
            }
            Some(CredentialOwner::Session(session)) => state.relayed.goes_on(session),
            Some(CredentialOwner::Page(member)) => state.registry.is_there(member) || !state.departed.contains(member),
            None => false,
        }
    }

    /// An allocation that was made with such credentials goes on: what is not known here is asked of other nodes.
    pub fn note_relayed(&self, client: &str) {
        if !self.is_settled() {
            return;
        }
        let mut state = self.state();
        match CredentialOwner::parse(client) {
            Some(CredentialOwner::Session(session)) if !self.cluster.has_tag(session.tag()) => {
                state.relayed.note_used(Instant::now(), session);
            }
            Some(CredentialOwner::Page(member)) if !state.registry.is_there(member) => {
                state.departed.note_unheard(member);
            }
            _ => {}
        }
    }

    /// Asks other nodes whether those go on that the TURN server here relays for and of which this node knows nothing: the
    /// end of a session that no client told this node is known to its own node only, and so is that of a page that went to
    /// another one. What ended before this process began none may have told it.
    pub async fn ask_after_relayed(&self) {
        self.ask_after_sessions().await;
        self.ask_after_pages().await;
    }

    async fn ask_after_sessions(&self) {
        let mut silent = BTreeSet::new();
        let used = self.state().relayed.take_used(Instant::now());
        for (alias, session) in used {
            let Some(node) = self.elsewhere(session).filter(|node| !silent.contains(node)) else { continue };
            match self.stats_of(&node, session, None).await {
                Err(Refusal::Elsewhere(refusal)) if refusal.code == NO_SUCH_SESSION => {
                    self.state().relayed.end(alias);
                }
                Err(Refusal::NodeSilent) => drop(silent.insert(node)),
                _ => {}
            }
        }
    }

    async fn ask_after_pages(&self) {
        let members = self.state().departed.take_unheard();
        if members.is_empty() {
            return;
        }
        let Some(mut known) = self.known_elsewhere(&members).await else { return };
        known.extend(self.known_here(members.clone()));
        let mut state = self.state();
        for member in members {
            state.departed.handle_answers(Instant::now(), member, known.contains(&member));
        }
    }

    /// Which of these pages other nodes know. None: there may be one that was not asked, or it did not answer.
    async fn known_elsewhere(&self, members: &[MemberId]) -> Option<HashSet<MemberId>> {
        let mut known = HashSet::new();
        if self.cluster.alone {
            return Some(known);
        }
        let nodes: Vec<NodeName> = {
            let state = self.state();
            state.registry.is_complete().then(|| state.replica.nodes().map(|node| node.node.clone()).collect())?
        };
        for node in nodes {
            match self.ask(&node, NodeRequest::KnownPages { members: members.to_vec() }).await {
                Ok(NodeReply::KnownPages { members }) => known.extend(members),
                _ => return None,
            }
        }
        Some(known)
    }

    /// Those that are here, are waited for, or have sessions here.
    pub(crate) fn known_here(&self, mut members: Vec<MemberId>) -> Vec<MemberId> {
        let state = self.state();
        members.retain(|member| state.registry.is_there(*member));
        members
    }
}

/// Who is told credentials, as their user name says.
enum CredentialOwner {
    /// Of WHIP or WHEP.
    Session(SessionAlias),
    Page(MemberId),
}

impl CredentialOwner {
    fn parse(client: &str) -> Option<CredentialOwner> {
        let page = || MemberId::try_from(client.to_owned()).ok().map(CredentialOwner::Page);
        client.parse().ok().map(CredentialOwner::Session).or_else(page)
    }
}

/// As another node says it (`web/PROTOCOL.md`).
const NO_SUCH_SESSION: &str = "no_such_session";

#[cfg(test)]
mod tests;
