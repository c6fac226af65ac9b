//! Owns what is known of the layers within one encoding (SVC, temporal layers): what its packets say of them, and what each
//! operating point brings. Never decides what a viewer gets.

use arrayvec::ArrayVec;

use crate::codec::PictureSize;
use crate::codec::layer_reader::{LayerReader, Position};
use crate::codec::layers::{FrameFlag, FrameLayers, LAYERS, OperatingPoint, PointSet};
use crate::tracks::history::Arrived;
use crate::tracks::meter::LayerMeter;

#[derive(Debug, Default)]
pub(crate) struct Scalable {
    reader: LayerReader,
    meters: [[LayerMeter; LAYERS as usize]; LAYERS as usize],
    /// Those that packets told of last.
    points: PointSet,
}

/// An operating point of an encoding that can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PointRate {
    pub point: OperatingPoint,
    pub bits_per_second: u64,
    /// The same as it is measured, whatever is announced.
    pub measured: u64,
    pub frames_per_second: u16,
    pub size: Option<PictureSize>,
}

/// Those of one encoding, lowest first.
pub(crate) type PointRates = ArrayVec<PointRate, POINTS_MAX>;

impl Scalable {
    /// What a packet says of its layers, and whether there are others than before.
    pub fn read(&mut self, packet: &Arrived, descriptor: Option<&[u8]>, payload: &[u8]) -> (FrameLayers, bool) {
        let Arrived { sequence, timestamp, marker, at_ms, .. } = *packet;
        let position = Position { sequence, timestamp, marker, at_ms };
        let layers = self.reader.read(packet.codec, descriptor, payload, &position);
        if !layers.is_layered() {
            return (layers, false);
        }
        for point in layers.needed.and(layers.points).iter() {
            let ends = layers.is(FrameFlag::Ends) && layers.spatial == point.spatial;
            let meter = self.meters.get_mut(usize::from(point.spatial));
            if let Some(meter) = meter.and_then(|row| row.get_mut(usize::from(point.temporal))) {
                meter.add(payload.len(), ends, at_ms);
            }
        }
        (layers, std::mem::replace(&mut self.points, layers.points) != layers.points)
    }

    /// What can be chosen: the temporal layers of the lowest spatial one, and the others with all of theirs. Half the frames
    /// of a picture are worth less than all of a smaller one.
    pub fn rates(&self, whole: Option<PictureSize>) -> PointRates {
        let Some(lowest) = self.points.lowest() else { return PointRates::new() };
        let is_top = |point: &OperatingPoint| {
            self.points.and(PointSet::row_from(point.spatial, 0)).best().is_none_or(|best| best == *point)
        };
        let chosen = self.points.iter().filter(|point| point.spatial == lowest.spatial || is_top(point));
        chosen.filter_map(|point| self.rate(point, whole)).take(POINTS_MAX).collect()
    }

    /// Of the pictures of a spatial layer; `whole` is the largest.
    pub fn size(&self, spatial: u8, whole: Option<PictureSize>) -> Option<PictureSize> {
        self.reader.size(spatial, whole)
    }

    fn rate(&self, point: OperatingPoint, whole: Option<PictureSize>) -> Option<PointRate> {
        let meter = self.meters.get(usize::from(point.spatial))?.get(usize::from(point.temporal))?;
        let measured = meter.bits_per_second();
        Some(PointRate {
            point,
            bits_per_second: measured,
            measured,
            frames_per_second: meter.frames_per_second(),
            size: self.size(point.spatial, whole),
        })
    }

    /// Whether a descriptor could not be read since the last call.
    pub fn take_unread(&mut self) -> bool {
        std::mem::take(&mut self.reader.malformed) > 0
    }
}

/// The temporal layers of one spatial layer, and the other spatial ones.
pub(crate) const POINTS_MAX: usize = 2 * LAYERS as usize - 1;
