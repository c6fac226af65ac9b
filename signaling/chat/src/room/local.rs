//! Owns what local pages do: join, leave, speak, type. Never trusts a page with who it is or with the time.

use std::sync::Arc;

use chappe_cluster::MemberId;

use super::local_member::LocalMember;
use super::{ChatRoom, Desk};
use crate::error::{JoinError, SayError};
use crate::limits::{ROOM_LINGERS, ROOM_MEMBERS_MAX, ROOM_METADATA_BYTES_MAX, TYPING_INTERVAL};
use crate::message::{Body, Line, PastLine, is_shown_metadata};
use crate::output::ChatNotice;
use crate::said::{Person, Said, Shown};
use crate::text::{clean_name, clean_text};
use crate::timers::Due;

impl ChatRoom {
    pub fn join(&mut self, desk: &mut Desk<'_>, person: Person) -> Result<(), JoinError> {
        let (member, Shown { name, metadata }) = person.into_shown();
        let old = self.local.get(&member).map(|local| local.shown.clone());
        let shown = Shown { name: clean_name(name), metadata: self.metadata_within(metadata, old.as_ref()) };
        if old.as_ref() == Some(&shown) {
            return Ok(());
        }
        if old.is_none() && self.local.len() >= ROOM_MEMBERS_MAX {
            return Err(JoinError::RoomFull);
        }
        desk.timers.clear(&self.name, &Due::Close);
        let mut changes = Vec::from_iter(self.presence.add(member, &shown));
        let local = LocalMember { shown: shown.clone(), fresh_at: desk.now, typing_at: desk.now };
        self.local.entry(member).or_insert(local).shown.clone_from(&shown);
        if let Some(old) = old {
            changes.extend(self.take_off(member, &old));
        }
        self.version += 1;
        self.tell_changes(desk, changes);
        if self.version == 1 {
            self.start_sync(desk);
        } else {
            let person = Person::of(member, &shown);
            self.publish(desk, Body::Join { version: self.version, person });
        }
        Ok(())
    }

    pub fn leave(&mut self, desk: &mut Desk<'_>, member: MemberId) {
        let Some(local) = self.local.remove(&member) else { return };
        self.version += 1;
        let change = self.take_off(member, &local.shown);
        self.tell_changes(desk, Vec::from_iter(change));
        self.forget_typing(desk, member);
        self.publish(desk, Body::Leave { version: self.version, member });
        if self.local.is_empty() {
            desk.timers.set(&self.name, Due::Close, desk.now + ROOM_LINGERS);
        }
    }

    pub fn say(&mut self, desk: &mut Desk<'_>, unix_ms: u64, member: MemberId, text: &str) -> Result<Said, SayError> {
        let local = self.local.get_mut(&member).ok_or(SayError::NotHere)?;
        let text = clean_text(text)?;
        let name = local.shown.name.clone();
        local.spend(desk.now)?;
        let at_ms = unix_ms.max(self.log.last_own_at_ms());
        let line = Line { number: self.next, member, name, text, at_ms };
        self.next += 1;
        let past = Arc::new(PastLine { life: self.life.clone(), line: line.clone() });
        let said = past.said();
        self.log.push_own(desk.now, past);
        self.forget_typing(desk, member);
        self.tell(desk, ChatNotice::Chat(said.clone()));
        self.publish(desk, Body::Chat { line });
        Ok(said)
    }

    pub fn typing(&mut self, desk: &mut Desk<'_>, member: MemberId, typing: bool) {
        let Some(local) = self.local.get_mut(&member) else { return };
        if !typing {
            if self.typing.contains(&member) {
                self.types_no_longer(desk, member);
                self.publish(desk, Body::Typing { member, typing });
            }
            return;
        }
        if desk.now < local.typing_at {
            return;
        }
        local.typing_at = desk.now + TYPING_INTERVAL;
        self.types(desk, member);
        self.publish(desk, Body::Typing { member, typing });
    }

    /// What others are told all at once has to fit into a message. What is too much is left out: a part of it would mean
    /// nothing to its application.
    fn metadata_within(&self, metadata: Option<String>, old: Option<&Shown>) -> Option<String> {
        let metadata = metadata.filter(|text| is_shown_metadata(Some(text)))?;
        if old.is_some_and(|old| old.metadata.as_deref() == Some(&metadata)) {
            return Some(metadata);
        }
        let taken: usize = self.local.values().filter_map(|local| local.shown.metadata.as_deref()).map(written).sum();
        Some(metadata).filter(|text| taken + written(text) <= ROOM_METADATA_BYTES_MAX)
    }
}

/// Bytes in JSON, where a quote is two.
fn written(text: &str) -> usize {
    text.len() + text.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count()
}
