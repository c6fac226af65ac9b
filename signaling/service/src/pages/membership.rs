//! Owns pages as members of a room: joining, coming back, leaving.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chappe_cluster::{NodeName, NodePhase};
use chappe_engine::Health;
use chappe_sfu_api::SessionId;
use chappe_signaling_access::{Access, Action, Pass, TokenError};
use chappe_signaling_rooms::{MemberId, Owner, ResumeSecret};
use futures_util::future::join_all;
use tracing::info;

use crate::callers::caller::Caller;
use crate::cluster::handle::AskError;
use crate::cluster::message::{NodeReply, NodeRequest};
use crate::cluster::outgoing::Outgoing;
use crate::pages::event::{PageLink, PageMessage, ShownStream, Welcome};
use crate::refusal::Refusal;
use crate::request::{Join, Joined};
use crate::service::Service;
use crate::state::{PageConnection, ServiceState};

impl Service {
    /// Enters a page, or takes it up again, whichever node it was connected to before. The welcome is queued before
    /// anything else can be told to it.
    pub async fn join(self: &Arc<Self>, request: Join, link: Box<dyn PageLink>) -> Result<Joined, Refusal> {
        self.wait_settled().await;
        let Join { id, room, name, resume, living, caller } = request;
        self.check_grant(Some(&caller), &room, Action::Join)?;
        let name = caller.access().and_then(|access| access.name.clone()).or(name);
        let elsewhere = match &resume {
            Some(secret) => {
                let page = Owner { member: member_of(secret), name: name.clone(), home: self.node().clone() };
                self.claim_elsewhere(&page, &living, caller.access()).await
            }
            None => Vec::new(),
        };
        let mut state = self.state();
        // A page of another room is another page, and so is one with the token of somebody else.
        let is_the_same = |secret: &ResumeSecret| {
            let known = state.registry.member(member_of(secret));
            known.is_none_or(|member| member.room == room && member.holder == caller.holder())
        };
        let secret = resume.filter(is_the_same).unwrap_or_else(|| ResumeSecret(rand::random()));
        let member = member_of(&secret);
        let was_known = state.registry.member(member).is_some();
        let (connection, mut sessions) = match state.registry.resume(member, &room, &living) {
            Some((resumed, effects)) => {
                self.apply(&mut state, effects);
                state.registry.rename(member, name.clone(), caller.access());
                (resumed.connection, resumed.sessions)
            }
            None => {
                self.check_members(&state, &caller)?;
                (state.registry.join(member, room.clone(), name.clone(), caller.access())?, Vec::new())
            }
        };
        state.registry.note_address(member, caller.address);
        let name = state.registry.member(member).and_then(|known| known.name.clone()).or(name);
        let owner = Owner { member, name, home: self.node().clone() };
        let here = self.claim_here(&mut state, &owner, &living, caller.access());
        sessions.retain(|session| self.cluster.is_ours(*session) && here.contains(session));
        sessions.extend(here.into_iter().filter(|session| !sessions.contains(session)).collect::<Vec<_>>());
        for session in elsewhere {
            state.registry.note_session(member, session);
            sessions.push(session);
        }
        let was_resumed = was_known || !sessions.is_empty();
        info!(%room, %member, resumed = was_resumed, "page joined");
        if !caller.pass.as_ref().is_some_and(|pass| pass.grants.hidden) {
            self.enter_chat(&mut state, &room, &owner, caller.access());
        }
        let streams = state.registry.room(&room).into_iter().flat_map(|there| &there.streams);
        let welcome = Welcome {
            id,
            member,
            resume: secret,
            resumed: was_resumed,
            sessions,
            room: room.clone(),
            streams: streams.map(|(name, stream)| ShownStream::of(name, stream)).collect(),
            is_incomplete: !self.cluster.alone && !state.registry.is_complete(),
            here: state.chat.here(&room),
            players: state.registry.audience.of(&room),
            chat: state.chat.history(&room),
            servers: self.servers(&state),
            ice_servers: self.turn_for_member(member).into_iter().collect(),
        };
        state.departed.forget(member);
        let page = PageConnection { number: connection, link };
        page.push(PageMessage::Welcome(Box::new(welcome)));
        state.connect(member, page);
        Ok(Joined { room, owner, connection, caller })
    }

    /// Whether a client's address may have one more page.
    fn check_members(&self, state: &ServiceState, caller: &Caller) -> Result<(), Refusal> {
        let checked = state.registry.check_members_of(caller.address, self.limits.each_max(caller));
        checked.inspect_err(|error| self.limits.handle_refused(Instant::now(), caller, error))?;
        Ok(())
    }

    /// Those of a page's sessions that live on other nodes. One that can't be asked now is taken to live: the page
    /// watches its media itself.
    async fn claim_elsewhere(&self, page: &Owner, living: &[SessionId], access: Option<&Access>) -> Vec<SessionId> {
        let mut by_node: BTreeMap<NodeName, Vec<SessionId>> = BTreeMap::new();
        let mut unknown = Vec::new();
        for session in living.iter().take(SESSIONS_CLAIMED_MAX) {
            match self.elsewhere(*session) {
                Some(node) => by_node.entry(node).or_default().push(*session),
                None if self.may_live_elsewhere(*session) => unknown.push(*session),
                None => {}
            }
        }
        let claims = by_node.into_iter().map(|(node, living)| async move {
            let request = NodeRequest::Claim { page: page.clone(), living: living.clone(), access: access.cloned() };
            match self.cluster.ask(&node, &request, CLAIM_WITHIN).await {
                Ok(NodeReply::Claimed { sessions }) => sessions,
                Ok(_) | Err(AskError::Refused(_)) => Vec::new(),
                Err(AskError::Unreachable | AskError::Silent) if self.state().engine != Health::Up => living,
                Err(AskError::Unreachable | AskError::Silent) => Vec::new(),
            }
        });
        join_all(claims).await.into_iter().flatten().chain(unknown).collect()
    }

    /// Those of a page's sessions that live here: they follow it, and last as long as its token.
    pub(crate) fn claim_here(
        self: &Arc<Self>,
        state: &mut ServiceState,
        page: &Owner,
        living: &[SessionId],
        access: Option<&Access>,
    ) -> Vec<SessionId> {
        let holder = access.map(|access| access.holder);
        let own = |id: &&SessionId| state.registry.is_held_by(**id, holder);
        let living: Vec<SessionId> = living.iter().filter(own).copied().collect();
        let (sessions, mut effects) = state.registry.claim(page, &living);
        effects.extend(access.map(|access| state.registry.renew(&sessions, access)).unwrap_or_default());
        self.apply(state, effects);
        sessions
    }

    /// A page has a new token of the same holder: it and its sessions, wherever they are, last as long as that one.
    pub async fn renew(self: &Arc<Self>, joined: &mut Joined, pass: Pass) -> Result<(), Refusal> {
        if joined.caller.holder() != Some(pass.access.holder) {
            return Err(self.refuse_token(TokenError::Holder));
        }
        let caller = Caller { pass: Some(Box::new(pass)), ..joined.caller.clone() };
        self.check_grant(Some(&caller), &joined.room, Action::Join)?;
        joined.caller = caller;
        let access = joined.caller.access();
        let sessions: Vec<SessionId> = {
            let mut state = self.state();
            let member = state.registry.member(joined.owner.member);
            let sessions: Vec<SessionId> = member.into_iter().flat_map(|member| &member.sessions).copied().collect();
            self.claim_here(&mut state, &joined.owner, &sessions, access);
            sessions
        };
        self.claim_elsewhere(&joined.owner, &sessions, access).await;
        Ok(())
    }

    /// A node that has just started does not know yet which others there are.
    fn may_live_elsewhere(&self, session: SessionId) -> bool {
        !self.cluster.alone && !self.cluster.is_ours(session) && !self.state().registry.is_complete()
    }

    /// Where else a page can go, in no order: it shuffles them itself.
    fn servers(&self, state: &ServiceState) -> Vec<String> {
        let origins = state.replica.nodes().filter(|node| node.phase == NodePhase::Serving).flat_map(|s| &s.origins);
        let reach = self.addresses.now();
        let own = reach.origins.iter().filter(|_| state.drain.is_none() && !self.cluster.alone);
        own.chain(origins).take(SERVERS_TOLD_MAX).cloned().collect()
    }

    /// A page's connection ended. It has some time to come back.
    pub fn leave(self: &Arc<Self>, joined: &Joined) {
        let mut state = self.state();
        state.disconnect(joined.owner.member, joined.connection);
        if state.registry.handle_broken(joined.owner.member, joined.connection) {
            info!(room = %joined.room, member = %joined.owner.member, "page is gone");
            self.expire_later(joined.owner.member, joined.connection);
        }
    }

    /// A page said goodbye: it is not waited for, and its sessions end.
    pub async fn leave_for_good(self: &Arc<Self>, joined: &Joined) {
        let member = joined.owner.member;
        let elsewhere = {
            let mut state = self.state();
            state.disconnect(member, joined.connection);
            if !state.registry.handle_broken(member, joined.connection) {
                return;
            }
            info!(room = %joined.room, %member, "page has left");
            let elsewhere = state.registry.sessions_elsewhere(member);
            let effects = state.registry.leave(member);
            self.apply(&mut state, effects);
            state.departed.note(Instant::now(), member);
            self.leave_chat(&mut state, &joined.room, member);
            elsewhere
        };
        for session in elsewhere {
            self.close(session).await;
        }
    }

    pub(crate) fn expire_later(self: &Arc<Self>, member: MemberId, connection: u64) {
        let service = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(MEMBER_GRACE).await;
            let mut state = service.state();
            let room = state.registry.member(member).map(|member| member.room.clone());
            let elsewhere = state.registry.sessions_elsewhere(member);
            let effects = state.registry.handle_grace_over(member, connection);
            service.apply(&mut state, effects);
            let is_over = state.registry.member(member).is_none_or(|member| !member.connection.is_up());
            if is_over && elsewhere.is_empty() && !state.registry.is_there(member) {
                state.departed.note(Instant::now(), member);
            }
            if let Some(room) = room.filter(|_| is_over) {
                service.leave_chat(&mut state, &room, member);
                service.forget_elsewhere(member, &elsewhere);
            }
        });
    }

    /// Nodes that have sessions of a page that is gone judge for themselves which of them go on.
    fn forget_elsewhere(&self, member: MemberId, sessions: &[SessionId]) {
        let mut nodes: Vec<NodeName> = sessions.iter().filter_map(|session| self.elsewhere(*session)).collect();
        nodes.sort();
        nodes.dedup();
        for node in nodes {
            self.cluster.send(Outgoing::Request(node, NodeRequest::MemberGone { member, home: self.node().clone() }));
        }
    }
}

/// A page's secret proves who it is to any node, because the id that others know is its hash.
fn member_of(secret: &ResumeSecret) -> MemberId {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &secret.0.to_be_bytes());
    let first = digest.as_ref().first_chunk().copied().unwrap_or_default();
    MemberId(u128::from_be_bytes(first))
}

/// Sessions of one page that are asked about when it comes back.
const SESSIONS_CLAIMED_MAX: usize = 64;
/// Other nodes are waited for only so long: a page that comes back wants to go on.
const CLAIM_WITHIN: Duration = Duration::from_millis(500);
const SERVERS_TOLD_MAX: usize = 32;

/// How long a page is waited for (`web/PROTOCOL.md`).
const MEMBER_GRACE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::{W0, caller, hello, lone_node, node, obey, page_link, publish};
    use chappe_engine::Embedded;
    use chappe_sfu_api::Boot;
    use chappe_signaling_rooms::{RoomName, SessionAlias};

    async fn page(service: &Arc<Service>) -> Joined {
        let room = RoomName::parse("demo").unwrap();
        let join = Join { id: 1, room, name: None, resume: None, living: Vec::new(), caller: caller() };
        service.join(join, Box::new(page_link(64).0)).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_that_has_no_place_for_its_welcome_loses_its_connection() {
        let service = node("n1", 1, &Embedded::new());
        let (link, unread) = page_link(1);
        assert!(link.push(PageMessage::Rendered("an answer from before".to_owned())));
        let room = RoomName::parse("demo").unwrap();
        let join = Join { id: 1, room, name: None, resume: None, living: Vec::new(), caller: caller() };
        service.join(join, Box::new(link)).await.unwrap();
        assert!(unread.is_stopped(), "it is told to end");
    }

    /// They are good for minutes, and whoever has them need not be the client that was told them.
    #[tokio::test(start_paused = true)]
    async fn credentials_for_the_turn_server_end_with_the_session_or_page_that_was_told_them() {
        let (service, mut queues) = lone_node(1);
        let _obeys = obey(queues.remove(0));
        service.handle_worker_agreed(W0, hello(W0, Boot(1)), Vec::new());
        let player = publish(&service, None, None).await;
        let name = SessionAlias::of(player).to_string();
        assert!(service.is_served(&name) && !service.is_served(&player.to_string()), "its id is no user's name");
        service.close(player).await;
        assert!(!service.is_served(&name));

        let moving = page(&service).await.owner;
        let session = publish(&service, Some(&moving), None).await;
        let moved = Owner { home: NodeName::parse("n2").unwrap(), ..moving.clone() };
        service.claim_here(&mut service.state(), &moved, &[session], None);
        assert!(service.is_served(&moving.member.to_string()), "the media of a page that has moved goes on");
        service.close(session).await;
        assert!(service.is_served(&moving.member.to_string()), "and may go on at another node");

        let leaving = page(&service).await;
        let member = leaving.owner.member.to_string();
        assert!(service.is_served(&member));
        service.leave_for_good(&leaving).await;
        assert!(!service.is_served(&member) && !service.is_served("nobody"));

        let (silent, cut_off) = (page(&service).await, page(&service).await);
        let theirs = SessionId(player.0.wrapping_add(1), 7);
        service.state().registry.note_session(cut_off.owner.member, theirs);
        [&silent, &cut_off].into_iter().for_each(|page| service.leave(page));
        tokio::time::sleep(2 * MEMBER_GRACE).await;
        assert!(!service.is_served(&silent.owner.member.to_string()));
        assert!(service.is_served(&cut_off.owner.member.to_string()), "its media at another node goes on");
        let elsewhere = SessionId(player.0.wrapping_add(1), player.1);
        assert!(service.is_served(&SessionAlias::of(elsewhere).to_string()), "its end is not known here");
    }
}
