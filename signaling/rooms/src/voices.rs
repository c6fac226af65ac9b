//! Owns what the pages of a room are told of who speaks. Never hears anything.

use chappe_sfu_api::TrackId;

use crate::effect::{Effect, StreamNotice};
use crate::registry::Registry;

impl Registry {
    /// A worker of ours hears somebody speak in a track, or fall silent. Several that have it may say so.
    pub fn handle_speaking(&self, track: TrackId, speaking: bool) -> Vec<Effect> {
        let Some(home) = self.track_home(track) else { return Vec::new() };
        vec![Effect::TellRoom(home.room.clone(), StreamNotice::Speaking(home.stream.clone(), speaking))]
    }
}
