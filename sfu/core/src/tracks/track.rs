//! Owns what is known of one track beside its packets: who publishes it and which encodings it has. Never touches a
//! packet.

use arrayvec::ArrayVec;

use crate::keys::{LayerKey, SourceKey};
use crate::spec::{ENCODINGS_MAX, Epoch, TrackId};

/// A track exists while it is published, relayed or watched.
pub(crate) struct Track {
    pub id: TrackId,
    pub publisher: Option<SourceKey>,
    /// Number of what a publisher of ours sends under this id: a new one each time it starts over.
    pub run: u64,
    /// Highest another worker asked for it under.
    pub(super) epoch: Epoch,
    /// What viewers here were sent of it, repeats and padding aside.
    pub(super) bytes_sent: u64,
    /// One for each encoding that is known, by its place: a track has one at least.
    pub(super) layers: ArrayVec<LayerKey, ENCODINGS_MAX>,
    /// Which encodings could be had when that was last looked at, lowest first, and whether each was switched off.
    pub(super) living: ArrayVec<(u8, bool), ENCODINGS_MAX>,
}

impl Track {
    pub(super) fn new(id: TrackId, run: u64, first: LayerKey) -> Track {
        let mut layers = ArrayVec::new();
        layers.push(first);
        Track { id, publisher: None, run, epoch: Epoch::default(), bytes_sent: 0, layers, living: ArrayVec::new() }
    }

    pub fn layers(&self) -> &[LayerKey] {
        &self.layers
    }
}
