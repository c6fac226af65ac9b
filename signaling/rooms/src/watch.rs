//! Owns the connection between what is published and who watches it.

use chappe_cluster::{RoomName, StreamName};
use chappe_sfu_api::{Command, Media, PointedViewer, SendTrack, SessionId};
use chappe_signaling_sdp as sdp;
use chappe_signaling_sdp::Showing;

use crate::effect::{Effect, SessionNotice};
use crate::limits::VIEWERS_PER_TURN;
use crate::note::{Role, Slot};
use crate::registry::Registry;
use crate::session::{Session, SlotState};

impl Registry {
    /// A viewer's slots with the tracks that are live in them now, as the SDP side takes them.
    pub fn sources(&self, room: &RoomName, slots: &[Slot]) -> Vec<sdp::SlotSource> {
        let source =
            |slot: &Slot| self.stream(room, &slot.stream)?.chosen(&slot.track).map(|track| track.source.clone());
        let slot = |slot: &Slot| sdp::SlotSource {
            mid: slot.mid.clone(),
            stream: slot.stream.as_str().to_owned(),
            source: source(slot),
            height_max: slot.height_max,
        };
        slots.iter().map(slot).collect()
    }

    /// Sessions with a slot for a stream.
    pub fn viewers(&self, room: &RoomName, stream: &StreamName) -> impl ExactSizeIterator<Item = SessionId> {
        self.sessions.viewers(room, stream)
    }

    /// A stream came, went or changed: its viewers go on in the same m-lines with what is there now.
    pub(super) fn reattach(&mut self, room: &RoomName, stream: &StreamName) -> Vec<Effect> {
        let mut viewers: Vec<SessionId> = self.viewers(room, stream).collect();
        let later = viewers.split_off(viewers.len().min(VIEWERS_PER_TURN));
        let mut effects: Vec<Effect> = viewers.into_iter().flat_map(|viewer| self.attach_viewer(viewer)).collect();
        if !later.is_empty() {
            effects.push(Effect::AttachLater(later));
        }
        effects
    }

    /// Brings one viewer's session in line with what is published. Nothing happens if it is.
    pub fn attach_viewer(&mut self, viewer: SessionId) -> Vec<Effect> {
        let Some(session) = self.sessions.get(&viewer) else {
            return Vec::new();
        };
        let Role::Watch { slots, sdp: note } = &session.note.role else {
            return Vec::new();
        };
        let sources = self.sources(&session.note.room, slots);
        let (mut media, states) = sdp::attach(note, &sources);
        let mut shown = slot_states(slots, states);
        self.keep_unheard(session, &mut media, &mut shown);
        let Some(session) = self.sessions.get_mut(&viewer) else {
            return Vec::new();
        };
        let owner = session.note.owner.clone();
        let mut effects = Vec::new();
        if session.media != media {
            effects.extend(changed_media(session, media));
        }
        let before = std::mem::replace(&mut session.shown, shown.clone());
        if let Some(owner) = owner {
            let changed = shown.into_iter().filter(|state| !before.contains(state));
            effects.extend(changed.map(|state| self.tell(&owner, SessionNotice::SlotChanged(viewer, state))));
        }
        effects
    }

    /// A slot goes on with a track of a stream that no node has told of yet, as its worker has it. `session` is the
    /// viewer's as it was; `media` and `shown` are what it is to become.
    pub(super) fn keep_unheard(&self, session: &Session, media: &mut Media, shown: &mut [SlotState]) {
        let Role::Watch { slots, .. } = &session.note.role else {
            return;
        };
        for state in shown.iter_mut().filter(|state| state.showing == Showing::Waiting) {
            let before = self.unheard_line(session, &state.slot).filter(|_| slots.contains(&state.slot));
            let line = media.send.iter_mut().find(|line| line.mid == state.slot.mid);
            if let (Some(before), Some(line)) = (before, line) {
                (line.source, line.payload_types) = (before.source, before.payload_types.clone());
                state.showing = Showing::Live;
            }
        }
    }

    /// What a worker sends in a slot of which no node has told the stream yet.
    pub(super) fn unheard_line<'a>(&self, session: &'a Session, slot: &Slot) -> Option<&'a SendTrack> {
        if self.unheard.is_empty() || self.stream(&session.note.room, &slot.stream).is_some() {
            return None;
        }
        let line = session.media.send.iter().find(|line| line.mid == slot.mid)?;
        line.source.is_some_and(|track| self.unheard.contains(&track)).then_some(line)
    }
}

/// Tells the worker what changed: as a rule, where the sent tracks come from.
fn changed_media(session: &mut Session, media: Media) -> Option<Effect> {
    let (id, epoch) = (session.id, session.epoch);
    let pointed = session.media.pointing_to(&media);
    session.media = media;
    if let Some(tracks) = pointed {
        return Some(Effect::Point(session.worker, PointedViewer { session: id, epoch, tracks }));
    }
    match session.note.to_text() {
        Ok(note) => {
            let set = Command::SetMedia { session: id, epoch, media: session.media.clone(), note };
            Some(Effect::Command(session.worker, set))
        }
        // It had this size when the session was opened, so it fits.
        Err(refusal) => {
            tracing::error!(session = %id, %refusal, "note");
            None
        }
    }
}

/// Pairs the slots with what the SDP side says of them.
pub fn slot_states(slots: &[Slot], states: Vec<Showing>) -> Vec<SlotState> {
    slots.iter().cloned().zip(states).map(|(slot, showing)| SlotState { slot, showing }).collect()
}
