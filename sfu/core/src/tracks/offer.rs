//! Owns what can be chosen of a track: its encodings, what each of them brings, and which one a viewer should read. Never
//! knows who reads it.

use std::time::{Duration, Instant};

use arrayvec::ArrayVec;

use crate::codec::PictureSize;
use crate::codec::layers::OperatingPoint;
use crate::spec::ENCODINGS_MAX;
use crate::tracks::announced::Announced;
use crate::tracks::layer::Layer;

/// What a viewer reads of a track: with simulcast one of its encodings, with SVC the layers up to these of the one
/// encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct LayerChoice {
    pub encoding: u8,
    pub spatial: u8,
    pub temporal: u8,
}

/// One thing that can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OfferedLayer {
    pub choice: LayerChoice,
    /// As its publisher announces it or, where it does not, as it is measured.
    pub bits_per_second: u64,
    /// The same as it is measured here, whatever is announced; 0 where it is not.
    pub measured: u64,
    pub frames_per_second: u16,
    /// Of its last key frame, where that says it.
    pub size: Option<PictureSize>,
    /// Packets of it come, or would if it were watched.
    pub is_alive: bool,
    /// Its publisher does not send it because nobody watched it, and sends it when somebody does.
    pub is_off: bool,
}

/// All of a track, lowest first.
pub(crate) type Offered = ArrayVec<OfferedLayer, ENCODINGS_MAX>;

impl LayerChoice {
    /// All of an encoding.
    pub fn of_encoding(encoding: u8) -> LayerChoice {
        LayerChoice { encoding, spatial: u8::MAX, temporal: u8::MAX }
    }
}

impl LayerChoice {
    /// Up to which layers of its encoding.
    pub fn point(self) -> OperatingPoint {
        OperatingPoint::new(self.spatial, self.temporal)
    }
}

impl OfferedLayer {
    /// Packets of it come.
    pub fn flows(&self) -> bool {
        self.is_alive && !self.is_off
    }
}

/// What there is of these encodings of one track, which come in the publisher's order.
pub(super) fn offer<'a>(layers: impl Iterator<Item = &'a Layer> + Clone) -> Offered {
    let newest = layers.clone().filter_map(|layer| layer.heard).max();
    let mut offered: Offered = layers
        .take(ENCODINGS_MAX)
        .map(|layer| {
            let Announced { bits_per_second, frames_per_second, size, is_alive, is_off } =
                layer.announced.unwrap_or_else(|| measure(layer, newest));
            let choice = LayerChoice::of_encoding(layer.encoding);
            let measured = layer.meter.bits_per_second();
            OfferedLayer { choice, bits_per_second, measured, frames_per_second, size, is_alive, is_off }
        })
        .collect();
    // Publishers list their encodings from the best to the worst or the other way round: the picture tells. One that never
    // came has none, and is not waited for with that: a line may not carry it for long.
    if offered.iter().all(|layer| layer.size.is_some() || !layer.is_alive) {
        offered.sort_by_key(|layer| (layer.size.is_none(), layer.size, layer.choice.encoding));
    }
    offered
}

/// What we see of it ourselves, and its publisher says.
fn measure(layer: &Layer, newest: Option<Instant>) -> Announced {
    let flows = flows(layer, newest);
    let is_off = !flows && layer.demand.is_off();
    Announced {
        bits_per_second: layer.bits_per_second(),
        frames_per_second: layer.meter.frames_per_second(),
        size: layer.size,
        is_alive: flows || is_off,
        is_off,
    }
}

/// An encoding stands still when another one of its track goes on: when none does, the whole track is silent.
fn flows(layer: &Layer, newest: Option<Instant>) -> bool {
    let interval = Duration::from_secs(1).checked_div(layer.meter.frames_per_second().into()).unwrap_or_default();
    let patience = (interval * FRAMES_MISSED).clamp(STOPPED_AFTER, STOPPED_AFTER_MAX);
    layer.heard.zip(newest).is_some_and(|(heard, newest)| newest <= heard + patience)
}

/// The encoding that a viewer should read: the best that lives, is not above `choice` and not higher than `height_max`
/// lines. The lowest that lives if all are; `None` if none lives.
pub(crate) fn decide_encoding(
    offered: &[OfferedLayer],
    choice: Option<LayerChoice>,
    height_max: Option<u16>,
) -> Option<u8> {
    let place = |choice: LayerChoice| offered.iter().position(|layer| layer.choice.encoding == choice.encoding);
    let top = choice.and_then(place).unwrap_or(offered.len());
    let is_too_high =
        |layer: &OfferedLayer| height_max.is_some_and(|max| layer.size.is_some_and(|size| size.lines() > max));
    let fits = |(at, layer): &(usize, &OfferedLayer)| layer.is_alive && *at <= top && !is_too_high(layer);
    let best = offered.iter().enumerate().filter(fits).map(|(_, layer)| layer).next_back();
    best.or(offered.iter().find(|layer| layer.is_alive)).map(|layer| layer.choice.encoding)
}

/// An encoding of which nothing came for this long while another one went on has stopped.
const STOPPED_AFTER: Duration = Duration::from_millis(300);
/// One that has few frames a second has missed some of them by then.
const FRAMES_MISSED: u32 = 3;
const STOPPED_AFTER_MAX: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
