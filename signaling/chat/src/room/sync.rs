//! Owns how a room that was just opened, or was cut off, learns what was said before: it greets everybody,
//! and asks one of those that know more for their last messages, then another if no answer comes.

use std::collections::BTreeSet;
use std::sync::Arc;

use chappe_cluster::NodeName;

use super::sync_state::{Purpose, Sync};
use super::{ChatRoom, Desk};
use crate::limits::{ANSWER_INTERVAL, REMOTES_MAX, SYNC_ASK_AGAIN, SYNC_ASKS_MAX, SYNC_LASTS};
use crate::message::{Body, Kept, Life, PastLine};
use crate::numbering::Receipt;
use crate::output::ChatNotice;
use crate::remote_room::{RemoteRoom, Roster};
use crate::said::Gap;
use crate::timers::Due;

impl ChatRoom {
    pub(super) fn start_sync(&mut self, desk: &mut Desk<'_>) {
        self.begin_sync(desk, Purpose::Opening);
    }

    /// Messages get through again. A room that has not found its history yet still has to.
    pub fn sync_again(&mut self, desk: &mut Desk<'_>) {
        let purpose = if self.found { Purpose::CutOff } else { Purpose::Opening };
        self.hear_all_anew(desk);
        self.begin_sync(desk, purpose);
    }

    fn begin_sync(&mut self, desk: &mut Desk<'_>, purpose: Purpose) {
        let untold = self.sync.as_ref().is_some_and(|sync| sync.untold);
        self.sync = Some(Sync {
            purpose,
            until: desk.now + SYNC_LASTS,
            asked: BTreeSet::new(),
            asks: 0,
            waits_for: None,
            heard: BTreeSet::new(),
            answered: false,
            untold,
        });
        // Only those that answer this time are asked for more.
        self.remotes.values_mut().for_each(|remote| remote.kept = None);
        desk.timers.set(&self.name, Due::Sync, desk.now + SYNC_ASK_AGAIN);
        self.publish(desk, Body::Hello { roll: self.roll() });
    }

    pub(super) fn note_kept(&mut self, node: &NodeName, kept: Kept) {
        if let Some(remote) = self.remotes.get_mut(node) {
            remote.kept = Some(kept);
        }
    }

    /// Asks somebody who knows more, if nobody has been asked.
    pub(super) fn seek_history(&mut self, desk: &mut Desk<'_>) {
        if self.sync.as_ref().is_none_or(|sync| sync.waits_for.is_some()) {
            return;
        }
        let Some(node) = self.who_knows_more() else { return };
        let Some(sync) = &mut self.sync else { return };
        sync.asks += 1;
        sync.asked.insert(node.clone());
        sync.waits_for = Some(node.clone());
        desk.timers.set(&self.name, Due::Sync, desk.now + SYNC_ASK_AGAIN);
        self.publish(desk, Body::WantHistory { to: node });
    }

    pub(super) fn step_sync(&mut self, desk: &mut Desk<'_>) {
        let Some(sync) = &mut self.sync else { return };
        sync.waits_for = None;
        self.seek_history(desk);
        let Some(sync) = &self.sync else { return };
        if sync.waits_for.is_some() {
            return;
        }
        if desk.now >= sync.until {
            self.end_sync(desk);
            return;
        }
        desk.timers.set(&self.name, Due::Sync, desk.now + SYNC_ASK_AGAIN);
        if !self.remotes.values().any(|remote| remote.kept.is_some()) {
            self.publish(desk, Body::Hello { roll: self.roll() });
        }
    }

    /// What was said before, told by another node.
    /// `ends` is there on the last part: whether the node knows of nothing else.
    pub(super) fn take_past(&mut self, desk: &mut Desk<'_>, node: &NodeName, lines: Vec<PastLine>, ends: Option<bool>) {
        let Some(purpose) = self.sync.as_ref().map(|sync| sync.purpose) else { return };
        let mut touched = BTreeSet::new();
        for past in lines {
            if self.log.has(&past.life, past.line.number) || past.life.node == self.life.node && self.is_own(&past) {
                continue;
            }
            touched.insert(past.life.node.clone());
            match purpose {
                Purpose::Opening => self.insert_past(desk, past),
                Purpose::CutOff => self.show_past(desk, past),
            }
        }
        touched.iter().for_each(|node| self.repair(desk, node));
        let Some(sync) = &mut self.sync else { return };
        sync.untold |= purpose == Purpose::Opening && !touched.is_empty();
        if let Some(complete) = ends {
            sync.answered |= complete;
            self.found |= complete;
            sync.heard.insert(node.clone());
            sync.waits_for = None;
            self.tell_history(desk);
        }
    }

    /// A node wants to know what was said before. All who do hear the answer.
    pub(super) fn owe_history(&mut self, desk: &mut Desk<'_>) {
        let at = self.recalled_at.map_or(desk.now, |at| at + ANSWER_INTERVAL);
        if at <= desk.now { self.recall(desk) } else { desk.timers.set(&self.name, Due::Past, at) }
    }

    pub(super) fn recall(&mut self, desk: &mut Desk<'_>) {
        desk.timers.clear(&self.name, &Due::Past);
        self.recalled_at = Some(desk.now);
        let complete = self.kept().complete;
        let parts = self.log.parts();
        let count = parts.len();
        for (index, lines) in parts.into_iter().enumerate() {
            let last = index + 1 == count;
            self.publish(desk, Body::Past { lines, last, complete });
        }
    }

    /// Of the current life, which knows itself best; or, after an outage, of an earlier one that this life
    /// learnt about when it began.
    fn is_own(&self, past: &PastLine) -> bool {
        let cut_off = self.sync.as_ref().is_some_and(|sync| sync.purpose == Purpose::CutOff);
        cut_off || past.life == self.life
    }

    /// One that knows of nothing else than it has is preferred, then one that has not been asked.
    fn who_knows_more(&self) -> Option<NodeName> {
        let sync = self.sync.as_ref().filter(|sync| sync.asks < SYNC_ASKS_MAX)?;
        let rank = |node: &NodeName, remote: &RemoteRoom| {
            let kept = remote.kept.filter(|kept| kept.lines > 0 && remote.roster.is_present())?;
            let wanted = match (kept.complete, sync.purpose) {
                (true, _) => !sync.answered || kept.lines > self.log.len() as u64,
                // It is looking for the history too, but has what was said since it opened the room.
                (false, Purpose::Opening) => true,
                (false, Purpose::CutOff) => false,
            };
            (wanted && !sync.heard.contains(node)).then_some((kept.complete, !sync.asked.contains(node), kept.lines))
        };
        let known = self.remotes.iter().filter_map(|(node, remote)| Some((rank(node, remote)?, node)));
        known.max_by_key(|(rank, _)| *rank).map(|(_, node)| node.clone())
    }

    fn end_sync(&mut self, desk: &mut Desk<'_>) {
        self.tell_history(desk);
        let Some(sync) = self.sync.take() else { return };
        if sync.answered {
            return;
        }
        // Whoever is alone, or only with others that came at the same time, is the first.
        self.found = !desk.cut_off;
        let silent = sync.asked.difference(&sync.heard);
        let kept = silent.filter_map(|node| self.remotes.get(node)?.kept).map(|kept| kept.lines).max();
        let lost = kept.unwrap_or(0).saturating_sub(self.log.len() as u64);
        if lost > 0 {
            self.show_gap(desk, Gap { before: self.log.first_id(), lost });
        }
    }

    fn tell_history(&mut self, desk: &mut Desk<'_>) {
        if let Some(sync) = self.sync.as_mut().filter(|sync| sync.untold) {
            sync.untold = false;
            self.tell(desk, ChatNotice::History(self.history()));
        }
    }

    /// To the front of the history, if it is not known to have been shown.
    fn insert_past(&mut self, desk: &mut Desk<'_>, past: PastLine) {
        let (life, mut lost) = (past.life.clone(), Vec::new());
        let numbering = self.remotes.get_mut(&life.node).and_then(|remote| remote.numbering_of(&life));
        let admission = numbering.map(|numbering| numbering.admit(desk.now, past.line.number, &mut lost));
        if admission != Some(Receipt::Known) {
            self.log.insert_past(desk.now, Arc::new(past));
        }
        self.show_gaps(desk, &life, lost);
    }

    /// To the end of the history, and to the pages, unless it has been shown.
    fn show_past(&mut self, desk: &mut Desk<'_>, past: PastLine) {
        if self.learn_of(desk, &past.life, past.line.number) {
            let PastLine { life, line } = past;
            self.take_line(desk, &life, line);
        }
    }

    /// Whether the messages of the life can be told apart. A life that was not known begins with this one.
    fn learn_of(&mut self, desk: &mut Desk<'_>, life: &Life, number: u64) -> bool {
        if let Some(remote) = self.remotes.get_mut(&life.node) {
            if remote.numbering_of(life).is_none() {
                remote.learn_of(life.clone(), number);
            }
            return true;
        }
        if self.remotes.len() >= REMOTES_MAX {
            return false;
        }
        let mut remote = RemoteRoom::new(desk.now, life.clone(), number);
        remote.roster = Roster::Gone;
        self.remotes.insert(life.node.clone(), remote);
        true
    }
}
