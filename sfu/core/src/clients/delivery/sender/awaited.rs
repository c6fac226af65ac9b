//! Owns what a sender goes over to while something else flows. Never decides when.

use std::time::Instant;

use crate::keys::LayerKey;
use crate::spec::SendTrack;

/// What a sender follows next. Until something of it arrives that a decoder can begin with, the picture that is
/// there goes on.
#[derive(Debug)]
pub(crate) struct Awaited {
    pub layer: LayerKey,
    /// What the m-line is from then on, if that is something else: until then its payload types may mean others.
    pub spec: Option<SendTrack>,
    pub began: Instant,
    /// When to look again whether the old track flows and whether the wait was long enough.
    pub look_at: Instant,
}

impl Awaited {
    /// The old encoding is at its end: there is nothing to go on with.
    pub fn hurry(&mut self) -> Instant {
        self.look_at = self.began;
        self.began
    }
}
