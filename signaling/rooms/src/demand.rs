//! Owns what the page of a publisher is told of who watches: which of its encodings need not be sent. Never decides it.

use chappe_sfu_api::{SessionId, TrackId};

use crate::effect::{Effect, SessionNotice};
use crate::note::Role;
use crate::registry::Registry;

impl Registry {
    /// Which encodings of a published track nobody watches: a bit for each. Only pages can be told.
    pub fn handle_unwatched(&mut self, id: SessionId, track: TrackId, encodings: u8) -> Vec<Effect> {
        let Some(session) = self.sessions.get(&id) else { return Vec::new() };
        let (Role::Publish { sdp, .. }, Some(owner)) = (&session.note.role, &session.note.owner) else {
            return Vec::new();
        };
        let Some(mid) = sdp.tracks().find_map(|(mid, source)| (source.track == track).then(|| mid.to_owned())) else {
            return Vec::new();
        };
        let encodings = (0..u8::BITS as u8).filter(|place| encodings & (1 << place) != 0).collect();
        vec![self.tell(owner, SessionNotice::Unwatched { session: id, mid, encodings })]
    }
}
