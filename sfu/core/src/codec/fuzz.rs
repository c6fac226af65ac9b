//! Owns the way of dependency descriptors through the reader of layers, for the fuzz target. Never forwards a packet.

use crate::codec::layer_reader::{LayerReader, Position};
use crate::codec::layers::{FrameLayers, LAYERS, PointSet};
use crate::codec::{Codec, PictureSize};

/// Those of the packets of one stream, in their order. Panics if one of them is read as what it can't be.
pub fn read_descriptors<'a>(values: impl IntoIterator<Item = &'a [u8]>) {
    let mut reader = LayerReader::default();
    for (at, value) in (0..).zip(values) {
        let timestamp = at / PACKETS_OF_A_PICTURE * 3_000;
        let ends_picture = at % PACKETS_OF_A_PICTURE == PACKETS_OF_A_PICTURE - 1;
        let position = Position { sequence: at.into(), timestamp, marker: ends_picture, at_ms: at * 11 };
        let malformed = reader.malformed;
        let layers = reader.read(Codec::Av1, Some(value), &[], &position);
        assert!(layers.spatial < LAYERS, "a layer beyond those that can be chosen");
        assert!(layers.granted(PointSet::ALL).without(layers.switches).is_empty(), "a switch that nobody allowed");
        assert!(reader.malformed == malformed || layers == FrameLayers::NONE, "what can't be read said something");
        let _ = reader.size(layers.spatial, Some(PictureSize { width: 1_280, height: 720 }));
    }
}

const PACKETS_OF_A_PICTURE: u32 = 3;
