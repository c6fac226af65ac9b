//! Owns what is known of one track beside its packets: where it comes from and who wants it. Never touches a packet.

use crate::keys::{FeedKey, LayerKey, SourceKey};
use crate::spec::{Epoch, TrackId};

/// A track exists while it is published, relayed or watched.
pub(crate) struct Track {
    pub id: TrackId,
    pub publisher: Option<SourceKey>,
    /// The relay it comes by. A publisher of our own has precedence.
    pub feed: Option<FeedKey>,
    /// Number of what a publisher of ours sends under this id: a new one each time it starts over.
    pub run: u64,
    /// Highest another worker asked for it under.
    pub(super) epoch: Epoch,
    /// Viewers that get it or wait for it.
    pub(super) viewers: usize,
    /// Workers that get it from here or wait for it.
    pub(super) children: usize,
    /// One for each encoding.
    layers: [LayerKey; ENCODINGS],
}

impl Track {
    pub(super) fn new(id: TrackId, run: u64, layer: LayerKey) -> Track {
        Track {
            id,
            publisher: None,
            feed: None,
            run,
            epoch: Epoch::default(),
            viewers: 0,
            children: 0,
            layers: [layer],
        }
    }

    /// The layer that is forwarded.
    pub fn layer(&self) -> LayerKey {
        let [layer] = self.layers;
        layer
    }

    /// Somebody here watches it, or another worker gets it from here.
    pub fn is_wanted(&self) -> bool {
        self.viewers > 0 || self.children > 0
    }

    pub fn is_unused(&self) -> bool {
        self.publisher.is_none() && self.feed.is_none() && !self.is_wanted()
    }
}

/// Encodings of one track: publishers are asked for one.
const ENCODINGS: usize = 1;
