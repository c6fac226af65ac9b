//! Owns who types in a room, whichever node that is at, and for how long that is shown. Never hears or tells another node.

use chappe_cluster::MemberId;

use super::{ChatRoom, Desk};
use crate::limits::TYPING_LASTS;
use crate::output::ChatNotice;
use crate::timers::Due;

impl ChatRoom {
    pub(super) fn types(&mut self, desk: &mut Desk<'_>, member: MemberId) {
        desk.timers.set(&self.name, Due::Typing(member), desk.now + TYPING_LASTS);
        if self.typing.insert(member) {
            self.tell(desk, ChatNotice::Typing { member, typing: true });
        }
    }

    pub(super) fn types_no_longer(&mut self, desk: &mut Desk<'_>, member: MemberId) {
        if self.forget_typing(desk, member) {
            self.tell(desk, ChatNotice::Typing { member, typing: false });
        }
    }

    /// Who speaks or leaves types no more, and pages know that.
    pub(super) fn forget_typing(&mut self, desk: &mut Desk<'_>, member: MemberId) -> bool {
        desk.timers.clear(&self.name, &Due::Typing(member));
        self.typing.remove(&member)
    }
}
