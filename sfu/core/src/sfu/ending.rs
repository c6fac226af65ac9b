//! Owns the end of sessions and of their m-lines. Never decides that one is over.

use std::time::Instant;

use crate::clients::Source;
use crate::keys::{Key, SendLine, SenderKey, SessionKey};
use crate::sfu::Sfu;
use crate::spec::{CloseReason, Event};

impl Sfu {
    pub(super) fn remove_session(&mut self, now: Instant, key: SessionKey, reason: CloseReason) {
        let Some(session) = self.clients.get(key) else { return };
        for at in (0..session.delivery.senders.len()).map(SendLine::new) {
            self.end_sender(now, key, at, true);
        }
        let Some(session) = self.clients.get_mut(key) else { return };
        for source in std::mem::take(&mut session.ingest.sources) {
            self.end_source(now, key, &source);
        }
        self.clients.remove(now, key, reason, &mut self.out);
    }

    /// Viewers keep their m-lines and wait for whoever comes next.
    pub(super) fn end_source(&mut self, now: Instant, session: SessionKey, source: &Source) {
        if source.active
            && let Some(session) = self.clients.get(session)
        {
            let (session, track) = (session.id, source.spec.track);
            self.out.push_event(Event::TrackActive { session, track, active: false });
        }
        let (mesh, mut scope) = self.mesh_parts(now);
        mesh.end_children_of(source.track, &mut scope);
        self.tracks.end(source.track);
    }

    pub(super) fn end_sender(&mut self, now: Instant, key: SessionKey, at: SendLine, says_goodbye: bool) {
        let (readers, mut parts) = self.reader_parts(now);
        readers.unfollow(SenderKey::of(key, at), &mut parts);
        let Some(session) = self.clients.get_mut(key) else { return };
        session.delivery.end_sender(now, at, says_goodbye, &mut self.out.egress);
    }
}
