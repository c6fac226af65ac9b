//! Owns the way of dependency descriptors and of announced rates through their readers, for the fuzz targets. Never forwards
//! a packet.

use crate::codec::layer_reader::{LayerReader, Position};
use crate::codec::layers::{FrameLayers, LAYERS, OperatingPoint, PointSet};
use crate::codec::layers_allocation::{KBPS_MAX, LayersAllocation};
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

/// What a packet announces of the rates of its layers. Panics if it is read as what it can't be.
pub fn read_allocation(value: &[u8]) {
    let Some(allocation) = LayersAllocation::parse(value) else { return };
    let highest: u32 = (0..LAYERS).map(|spatial| allocation.kbps_at(OperatingPoint::new(spatial, LAYERS - 1))).sum();
    assert_eq!(allocation.kbps_max(), highest);
    assert!(allocation.kbps().is_none_or(|kbps| kbps == highest), "one spatial layer is all");
    for point in PointSet::ALL.iter() {
        let below = OperatingPoint::new(point.spatial, point.temporal.saturating_sub(1));
        let kbps = allocation.kbps_at(point);
        assert!(kbps <= KBPS_MAX && kbps >= allocation.kbps_at(below), "less than the layers below");
    }
}

const PACKETS_OF_A_PICTURE: u32 = 3;
