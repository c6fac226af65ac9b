//! Owns what other nodes' members say in a room: each message is shown once, and what is missing is asked for
//! and, if it does not come, shown as a gap.

use std::sync::Arc;

use chappe_cluster::{MemberId, NodeName};

use super::{ChatRoom, Desk};
use crate::limits::ANSWER_INTERVAL;
use crate::message::{Body, Life, Line, PastLine};
use crate::numbering::{Lost, Receipt};
use crate::output::ChatNotice;
use crate::said::Gap;
use crate::timers::Due;

impl ChatRoom {
    /// A message of this life, fresh or repeated.
    pub(super) fn take_line(&mut self, desk: &mut Desk<'_>, life: &Life, line: Line) {
        let Some(numbering) = self.remotes.get_mut(&life.node).and_then(|remote| remote.numbering_of(life)) else {
            return;
        };
        let mut lost = Vec::new();
        let admission = numbering.admit(desk.now, line.number, &mut lost);
        // It may have been told with the history.
        if admission == Receipt::New && !self.log.has(life, line.number) {
            self.show(desk, Arc::new(PastLine { life: life.clone(), line }));
        }
        self.show_gaps(desk, life, lost);
    }

    pub(super) fn take_repeated(&mut self, desk: &mut Desk<'_>, life: &Life, lines: Vec<Line>, absent: &[u64]) {
        for line in lines {
            self.take_line(desk, life, line);
        }
        let Some(numbering) = self.remotes.get_mut(&life.node).and_then(|remote| remote.numbering_of(life)) else {
            return;
        };
        let mut lost = Vec::new();
        absent.iter().for_each(|&number| numbering.give_up(number, &mut lost));
        self.show_gaps(desk, life, lost);
    }

    /// The node has said everything before `next`.
    pub(super) fn take_number(&mut self, desk: &mut Desk<'_>, node: &NodeName, next: u64) {
        let Some(remote) = self.remotes.get_mut(node) else { return };
        let (life, mut lost) = (remote.life.clone(), Vec::new());
        remote.numbering.reveal(desk.now, next, None, &mut lost);
        self.show_gaps(desk, &life, lost);
    }

    /// Asks for what is missing, and gives up what has been missing for long.
    pub(super) fn repair(&mut self, desk: &mut Desk<'_>, node: &NodeName) {
        let Some(remote) = self.remotes.get_mut(node) else { return };
        let current = remote.life.clone();
        let (mut want, mut lost, mut next) = (Vec::new(), Vec::new(), None);
        for (life, numbering) in remote.numberings() {
            let repair = numbering.repair(desk.now, desk.patience);
            // Nobody is there any more to answer for an earlier life.
            if *life == current {
                want = repair.want;
            }
            if !repair.lost.is_empty() {
                lost.push((life.clone(), repair.lost));
            }
            next = next.into_iter().chain(numbering.next_repair(desk.patience)).min();
        }
        match next {
            Some(at) => desk.timers.set(&self.name, Due::Repair(node.clone()), at),
            None => desk.timers.clear(&self.name, &Due::Repair(node.clone())),
        }
        if !want.is_empty() {
            self.publish(desk, Body::Want { of: current, numbers: want });
        }
        for (life, lost) in lost {
            self.show_gaps(desk, &life, lost);
        }
    }

    /// Somebody misses own messages. All who do hear the answer.
    pub(super) fn repeat(&mut self, desk: &mut Desk<'_>, numbers: &[u64]) {
        let (parts, mut absent) = self.log.repeat(desk.now, numbers);
        let told = self.absent_told.filter(|(_, at)| desk.now < *at + ANSWER_INTERVAL).map(|(number, _)| number);
        absent.retain(|&number| told.is_none_or(|told| number > told));
        if let Some(&highest) = absent.iter().max() {
            self.absent_told = Some((highest, desk.now));
        }
        for lines in parts {
            let absent = std::mem::take(&mut absent);
            if !lines.is_empty() || !absent.is_empty() {
                self.publish(desk, Body::Again { lines, absent });
            }
        }
    }

    pub(super) fn member_types(&mut self, desk: &mut Desk<'_>, node: &NodeName, member: MemberId, typing: bool) {
        if !self.remotes.get(node).is_some_and(|remote| remote.members.contains_key(&member)) {
            return;
        }
        if typing { self.types(desk, member) } else { self.types_no_longer(desk, member) }
    }

    pub(super) fn show(&mut self, desk: &mut Desk<'_>, line: Arc<PastLine>) {
        let said = line.said();
        self.log.push(desk.now, line);
        self.forget_typing(desk, said.member);
        self.tell(desk, ChatNotice::Chat(said));
    }

    pub(super) fn show_gaps(&mut self, desk: &mut Desk<'_>, life: &Life, lost: Vec<Lost>) {
        for Lost { before, count } in lost {
            let gap = Gap { before: before.map(|number| life.id_of(number)), lost: count };
            self.show_gap(desk, gap);
        }
    }

    pub(super) fn show_gap(&mut self, desk: &mut Desk<'_>, gap: Gap) {
        self.log.gap(&gap);
        self.tell(desk, ChatNotice::Gap(gap));
    }
}
