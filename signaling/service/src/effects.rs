//! Owns carrying out what a change of the registry made necessary: commands to workers, messages to pages, and
//! what other nodes are told. Never decides what that is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chappe_sfu_api::{Command, PointedViewer, SessionId, TrackId, WorkerIndex};
use chappe_signaling_rooms::{Effect, LostReason, Registry, Session, VIEWERS_PER_TURN};
use tokio::task::yield_now;
use tokio::time::sleep;

use crate::cluster::outgoing::Outgoing;
use crate::pages::event::{PageEvent, PageMessage};
use crate::refusal::Refusal;
use crate::service::Service;
use crate::state::ServiceState;
use crate::workers::link::Waiting;

impl Service {
    /// The lock is still held.
    pub fn apply(self: &Arc<Self>, state: &mut ServiceState, effects: Vec<Effect>) {
        let mut pointed: BTreeMap<WorkerIndex, Vec<PointedViewer>> = BTreeMap::new();
        for effect in effects {
            match effect {
                Effect::Command(worker, command) => {
                    // In the order in which the registry decided.
                    if let Some(viewers) = pointed.remove(&worker).filter(|viewers| !viewers.is_empty()) {
                        self.command(state, worker, Command::PointTracks { viewers });
                    }
                    self.command(state, worker, command);
                }
                Effect::Point(worker, viewer) => {
                    let viewers = pointed.entry(worker).or_default();
                    viewers.push(viewer);
                    if viewers.len() >= VIEWERS_PER_COMMAND {
                        let viewers = std::mem::take(viewers);
                        self.command(state, worker, Command::PointTracks { viewers });
                    }
                }
                Effect::AttachLater(viewers) => self.in_later_turns(viewers, Registry::attach_viewer),
                Effect::EndSoon(session, why) => self.end_soon(session, why),
                Effect::Tell(member, notice) => state.tell(member, PageMessage::event(PageEvent::Session(notice))),
                Effect::TellAt(node, member, notice) => self.cluster.send(Outgoing::Page(node, member, notice)),
                Effect::TellRoom(room, notice) => {
                    if let Some(event) = state.shown(&room, notice) {
                        state.tell_room(&room, event);
                    }
                }
                Effect::Announce(room, stream) => {
                    let delta = state.registry.record(&room, &stream).and_then(|record| state.log.put(record));
                    delta.into_iter().for_each(|delta| self.cluster.send(Outgoing::Streams(delta)));
                }
                Effect::Withdraw(room, stream, epoch) => {
                    let delta = state.log.gone(&room, &stream, epoch);
                    if state.registry.stream(&room, &stream).is_none() {
                        self.release_name(&room, &stream);
                    }
                    delta.into_iter().for_each(|delta| self.cluster.send(Outgoing::Streams(delta)));
                }
            }
        }
        for (worker, viewers) in pointed.into_iter().filter(|(_, viewers)| !viewers.is_empty()) {
            self.command(state, worker, Command::PointTracks { viewers });
        }
        let gone = state.registry.take_gone_tracks();
        if !gone.is_empty() {
            self.forget_soon(gone);
        }
    }

    /// Does to many sessions what takes longer than one turn of the lock should: some now, the rest in turns between
    /// which others get the lock. What is done to a session follows from what there is when its turn comes, so that
    /// changes meanwhile need no order among them.
    pub(crate) fn in_turns(self: &Arc<Self>, state: &mut ServiceState, mut sessions: Vec<SessionId>, each: Each) {
        let later = sessions.split_off(sessions.len().min(VIEWERS_PER_TURN));
        let effects = sessions.into_iter().flat_map(|session| each(&mut state.registry, session)).collect();
        self.apply(state, effects);
        if !later.is_empty() {
            self.in_later_turns(later, each);
        }
    }

    /// Sessions whose tokens are void since a key is, end.
    pub fn end_revoked(self: &Arc<Self>, is_revoked: impl Fn(&str) -> bool) {
        let mut state = self.state();
        let void = |session: &&Session| session.note.access.as_ref().is_some_and(|access| is_revoked(&access.issuer));
        let revoked: Vec<SessionId> = state.registry.sessions().filter(void).map(|session| session.id).collect();
        self.in_turns(&mut state, revoked, Registry::end_revoked);
    }

    fn in_later_turns(self: &Arc<Self>, sessions: Vec<SessionId>, each: Each) {
        let service = Arc::clone(self);
        tokio::spawn(async move {
            for some in sessions.chunks(VIEWERS_PER_TURN) {
                {
                    let mut state = service.state();
                    let effects = some.iter().flat_map(|session| each(&mut state.registry, *session)).collect();
                    service.apply(&mut state, effects);
                }
                yield_now().await;
            }
        });
    }

    fn end_soon(self: &Arc<Self>, session: SessionId, why: LostReason) {
        let service = Arc::clone(self);
        tokio::spawn(async move {
            sleep(SWITCHED_WITHIN).await;
            let mut state = service.state();
            let effects = state.registry.end(session, Some(why));
            service.apply(&mut state, effects);
        });
    }

    /// Workers that relay a track go on with it for as long as the session that it may be of.
    fn forget_soon(self: &Arc<Self>, gone: Vec<TrackId>) {
        let service = Arc::clone(self);
        tokio::spawn(async move {
            sleep(SWITCHED_WITHIN).await;
            let mut state = service.state();
            for track in gone {
                if state.registry.track_home(track).is_some() {
                    continue;
                }
                for (worker, command) in state.paths.remove_track(track) {
                    service.send_plain(worker, command);
                }
            }
        });
    }

    /// Hands in a command whose outcome nobody waits for, after all that its worker must know first.
    pub(crate) fn command(&self, state: &mut ServiceState, worker: WorkerIndex, command: Command) {
        self.prepare(state, worker, &command);
        self.send_plain(worker, command);
    }

    /// The same for a command whose reply is awaited.
    pub(crate) fn request(
        &self,
        state: &mut ServiceState,
        worker: WorkerIndex,
        command: Command,
    ) -> Result<Waiting, Refusal> {
        self.prepare(state, worker, &command);
        Ok(self.link(worker)?.request(command))
    }
}

/// With the most m-lines and codecs that a viewer may have, half of what a line to a worker may be long.
const VIEWERS_PER_COMMAND: usize = 32;

/// What is done to one of many sessions.
type Each = fn(&mut Registry, SessionId) -> Vec<Effect>;

/// Viewers of a stream that moved are sent the old picture until a key frame of the new one is there
/// (`sfu/core/src/readers/switch.rs`). Publishers answer a request for one within a few hundred milliseconds.
const SWITCHED_WITHIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::{W0, caller, hello, node_with_workers, obey, page_link, publish, show};
    use crate::request::Join;
    use chappe_engine::Embedded;
    use chappe_sfu_api::{Boot, Epoch};
    use chappe_signaling_rooms::RoomName;
    use chappe_signaling_rooms::SessionNotice;

    #[tokio::test]
    async fn a_change_of_source_for_many_viewers_is_told_in_commands_of_bounded_length() {
        let (service, mut queues) = node_with_workers("n1", 1, 1, &Embedded::new());
        let viewer = |number| PointedViewer { session: SessionId(0, number), epoch: Epoch(1), tracks: Vec::new() };
        let effects = (0..100).map(|number| Effect::Point(W0, viewer(number))).collect();
        service.apply(&mut service.state(), effects);
        let mut told = Vec::new();
        while let Ok(outgoing) = queues[0].commands.try_recv() {
            let Command::PointTracks { viewers } = outgoing.command else { panic!("{:?}", outgoing.command) };
            told.push(viewers);
        }
        assert_eq!(told.iter().map(Vec::len).collect::<Vec<_>>(), [32, 32, 32, 4]);
        assert_eq!(told.concat(), (0..100).map(viewer).collect::<Vec<_>>());
    }

    #[tokio::test(start_paused = true)]
    async fn the_old_session_of_a_stream_that_moved_goes_on_for_a_second() {
        let (service, mut queues) = node_with_workers("n1", 1, 1, &Embedded::new());
        let told_worker = obey(queues.remove(0));
        let closed = || -> Vec<SessionId> {
            let told = told_worker.lock().unwrap();
            let closing = |command: &Command| match command {
                Command::CloseSession { session, .. } => Some(*session),
                _ => None,
            };
            told.iter().filter_map(closing).collect()
        };
        service.handle_worker_agreed(W0, hello(W0, Boot(1)), Vec::new());
        let (link, told) = page_link(64);
        let room = RoomName::parse("demo").unwrap();
        let join = Join { id: 1, room, name: None, resume: None, living: Vec::new(), caller: caller() };
        let owner = service.join(join, Box::new(link)).await.unwrap().owner;
        let old = publish(&service, Some(&owner), None).await;
        show(&service, old);
        let new = publish(&service, Some(&owner), Some(old)).await;
        show(&service, new);
        sleep(SWITCHED_WITHIN - Duration::from_millis(100)).await;
        assert!(service.state().registry.session(old).is_some());
        assert_eq!(closed(), []);
        sleep(Duration::from_millis(200)).await;
        assert!(service.state().registry.session(old).is_none());
        assert_eq!(closed(), [old]);
        let lost = PageEvent::Session(SessionNotice::SessionLost(old, LostReason::Moved));
        let told = told.events();
        assert_eq!(told.iter().filter(|event| **event == lost).count(), 1, "{told:?}");
    }
}
