//! Owns carrying out what a change of the registry made necessary: commands to workers, messages to pages, and
//! what other nodes are told. Never decides what that is.

use std::sync::Arc;

use chappe_sfu_api::{Command, WorkerIndex};

use super::{App, Hub};
use crate::cluster::{NodeNotice, Outgoing};
use crate::refusal::Refusal;
use crate::room::{Effect, MemberId, Notice};
use crate::workers::Waiting;

impl App {
    /// The lock is still held.
    pub fn apply(self: &Arc<Self>, hub: &mut Hub, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Command(worker, command) => self.command(hub, worker, command),
                Effect::Tell(member, notice) => hub.tell(member, notice),
                Effect::TellAt(node, member, notice) => self.tell_at(hub, node, member, notice),
                Effect::TellRoom(room, notice) => hub.tell_room(&room, notice),
                Effect::Announce(room, stream) => {
                    let delta = hub.registry.record(&room, &stream).and_then(|record| hub.log.put(record));
                    delta.into_iter().for_each(|delta| self.cluster.send(Outgoing::Streams(delta)));
                }
                Effect::Withdraw(room, stream, epoch) => {
                    let delta = hub.log.gone(&room, &stream, epoch);
                    if hub.registry.stream(&room, &stream).is_none() {
                        self.release_name(&room, &stream);
                    }
                    delta.into_iter().for_each(|delta| self.cluster.send(Outgoing::Streams(delta)));
                }
            }
        }
        for track in hub.registry.take_gone_tracks() {
            for (worker, command) in hub.paths.remove_track(track) {
                self.send_plain(worker, command);
            }
        }
    }

    /// Hands in a command whose outcome nobody waits for, after all that its worker must know first.
    pub(super) fn command(&self, hub: &mut Hub, worker: WorkerIndex, command: Command) {
        self.prepare(hub, worker, &command);
        self.send_plain(worker, command);
    }

    /// The same for a command whose reply is awaited.
    pub(super) fn request(&self, hub: &mut Hub, worker: WorkerIndex, command: Command) -> Result<Waiting, Refusal> {
        self.prepare(hub, worker, &command);
        Ok(self.link(worker)?.request(command))
    }

    pub(super) fn send_plain(&self, worker: WorkerIndex, command: Command) {
        match self.link(worker) {
            Ok(link) => link.send(command),
            Err(_) => tracing::error!(worker = worker.0, "no such worker"),
        }
    }

    fn tell_at(&self, hub: &Hub, node: chappe_cluster::NodeName, member: MemberId, notice: Notice) {
        let ended = match &notice {
            Notice::SessionLost(session, _) => Some(*session),
            _ => None,
        };
        // What such a notice says does not depend on the room.
        let Some(text) = hub.render_for_page(&notice) else { return };
        let notice = NodeNotice::Deliver { member, text: text.to_string(), ended };
        self.cluster.send(Outgoing::Notice(node, notice));
    }
}
