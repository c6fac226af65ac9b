//! Owns pages as members of a room: joining, coming back, leaving, and what they may do to their own sessions.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use chappe_sfu_api::SessionId;
use tokio::sync::{Notify, mpsc};
use tracing::info;

use super::{App, Hub, Sink};
use crate::refusal::Refusal;
use crate::room::{MemberId, ResumeSecret, RoomName};
use crate::session::Owner;
use crate::ws::{ServerMessage, StreamText};

/// A page that is in a room, for as long as its connection lasts.
#[derive(Debug)]
pub struct Joined {
    pub room: RoomName,
    pub owner: Owner,
    pub connection: u64,
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
}

impl App {
    /// Enters a page, or takes it up again. The welcome is queued before anything else can be told to it.
    pub async fn join(
        self: &Arc<Self>,
        request: Join,
        messages: mpsc::Sender<Utf8Bytes>,
        stop: Arc<Notify>,
    ) -> Result<Joined, Refusal> {
        self.wait_settled().await;
        let Join { id, room, name, resume, living } = request;
        let mut hub = self.hub();
        let resumed = resume.and_then(|secret| hub.registry.resume(secret, &room, &living));
        let was_resumed = resumed.is_some();
        let (owner, connection, sessions) = match resumed {
            Some((resumed, effects)) => {
                self.apply(&hub, effects);
                let known = hub.registry.member(resumed.member).ok_or(Refusal::NoSuchSession)?;
                let owner = Owner { member: known.id, resume: known.resume, name: known.name.clone() };
                (owner, resumed.connection, resumed.sessions)
            }
            None => {
                let owner = Owner { member: MemberId(rand::random()), resume: ResumeSecret(rand::random()), name };
                hub.registry.join(owner.member, owner.resume, room.clone(), owner.name.clone())?;
                (owner, FIRST_CONNECTION, Vec::new())
            }
        };
        info!(%room, member = %owner.member, resumed = was_resumed, "page joined");
        let welcome = ServerMessage::Welcome {
            id,
            member: owner.member,
            resume: owner.resume,
            resumed: was_resumed,
            sessions,
            room: &room,
            streams: StreamText::all(&hub.registry, &room),
            ice_servers: Vec::new(),
        };
        // A page that can't take its welcome has gone already; its connection task notices.
        let _ = messages.try_send(welcome.to_text());
        hub.connect(owner.member, Sink { connection, messages, stop });
        Ok(Joined { room, owner, connection })
    }

    /// A page's connection ended. It has some time to come back.
    pub fn leave(self: &Arc<Self>, joined: &Joined) {
        let mut hub = self.hub();
        hub.disconnect(joined.owner.member, joined.connection);
        if hub.registry.handle_broken(joined.owner.member, joined.connection) {
            info!(room = %joined.room, member = %joined.owner.member, "page is gone");
            self.expire_later(joined.owner.member, joined.connection);
        }
    }

    pub(super) fn expire_later(self: &Arc<Self>, member: MemberId, connection: u64) {
        let app = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(MEMBER_GRACE).await;
            let mut hub = app.hub();
            let effects = hub.registry.handle_grace_over(member, connection);
            app.apply(&hub, effects);
        });
    }

    /// A page ends a session of its own. One that has gone already is as good.
    pub async fn end_own(&self, id: SessionId, member: MemberId, publishes: bool) -> Result<(), Refusal> {
        let mut hub = self.hub();
        let Some(session) = hub.registry.session(id) else {
            return Ok(());
        };
        if session.member() != Some(member) || session.publishes() != publishes {
            return Err(Refusal::NoSuchSession);
        }
        let effects = hub.registry.end(id, None);
        self.apply(&hub, effects);
        Ok(())
    }

    pub fn mute_own(&self, id: SessionId, member: MemberId, mid: &str, muted: bool) -> Result<(), Refusal> {
        let mut hub = self.hub();
        owns(&hub, id, member)?;
        let effects = hub.registry.mute(id, mid, muted)?;
        self.apply(&hub, effects);
        Ok(())
    }

    pub async fn stats_own(&self, id: SessionId, member: MemberId) -> Result<chappe_sfu_api::SessionStats, Refusal> {
        owns(&self.hub(), id, member)?;
        self.session_stats(id).await
    }
}

fn owns(hub: &Hub, id: SessionId, member: MemberId) -> Result<(), Refusal> {
    let own = hub.registry.session(id).is_some_and(|session| session.member() == Some(member));
    if own { Ok(()) } else { Err(Refusal::NoSuchSession) }
}

const FIRST_CONNECTION: u64 = 1;

/// How long a page is waited for (`web/PROTOCOL.md`).
const MEMBER_GRACE: Duration = Duration::from_secs(30);
