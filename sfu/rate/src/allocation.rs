//! Owns the choice of layers for one viewer: a pure function of its line, of what its page shows and of what the layers
//! take. Knows no packet and keeps no time; [`Allocator`] adds the hysteresis.

mod failures;
mod hysteresis;

use arrayvec::ArrayVec;

use crate::bitrate::Bitrate;

pub use hysteresis::Allocator;

/// Video tracks of one viewer; those beyond get nothing.
pub const TRACKS_MAX: usize = 32;
/// Layers of one track, temporal ones included; those beyond are not used.
pub const LAYERS_MAX: usize = 16;

/// One layer of a track, by its target rate: what the publisher announces, not the burst that was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Layer {
    pub rate: Bitrate,
    pub pixels: u32,
    pub frames_per_second: u16,
}

/// What is known of a viewer's line when layers are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    pub estimate: Bitrate,
    /// What is sent arrives without a queue.
    pub is_calm: bool,
    /// The estimate was measured just now, by a probe or while a queue drained, and not only raised.
    pub is_measured: bool,
}

impl Line {
    /// Of a line that is shared a part.
    #[must_use]
    pub fn at_most(self, part: Option<Bitrate>) -> Line {
        Line { estimate: part.map_or(self.estimate, |part| part.min(self.estimate)), ..self }
    }
}

impl From<Bitrate> for Line {
    fn from(estimate: Bitrate) -> Line {
        Line { estimate, is_calm: false, is_measured: false }
    }
}

/// How the page shows a track.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shown<'a> {
    /// The same in each call for the same track.
    pub track: u32,
    /// The size of its tile in device pixels; 0 if it is not known.
    pub pixels: u32,
    pub is_visible: bool,
    pub is_pinned: bool,
    /// 128 is usual; twice as much counts twice.
    pub priority: u8,
    /// A screen share: resolution before frame rate.
    pub is_detail: bool,
    /// From the smallest rate up.
    pub layers: &'a [Layer],
}

/// What a track gets, and why not more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    pub track: u32,
    /// Which of its layers, none for nothing.
    pub layer: Option<u8>,
    pub reason: Reason,
}

/// Why a track gets no more than it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It has all there is.
    Top,
    /// A larger layer would not be seen.
    Size,
    /// The line does not carry more.
    Line,
    /// The page does not show it.
    Hidden,
    /// The publisher sends none.
    NoLayers,
}

/// The layers of all tracks, in the order in which they were given.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Allocation {
    pub choices: ArrayVec<Choice, TRACKS_MAX>,
    /// What they take, audio included.
    pub total: Bitrate,
    /// What all that is wanted would take.
    pub demand: Bitrate,
    /// How much it brings, to compare two of the same tracks.
    pub value: f64,
}

impl Allocation {
    fn pictures(&self) -> usize {
        self.choices.iter().filter(|choice| choice.layer.is_some()).count()
    }
}

/// Audio first, then a smallest layer for all that is visible, then up in order of what each bit brings.
pub fn allocate(estimate: Bitrate, audio: Bitrate, shown: &[Shown<'_>]) -> Allocation {
    let mut tracks: ArrayVec<Track<'_>, TRACKS_MAX> = shown.iter().take(TRACKS_MAX).map(Track::new).collect();
    let mut left = estimate.less(audio);
    let mut order: ArrayVec<usize, TRACKS_MAX> = (0..tracks.len()).collect();
    order.sort_by(|&a, &b| tracks[b].weight.total_cmp(&tracks[a].weight));
    for index in order {
        tracks[index].take_smallest(&mut left);
    }
    loop {
        let steps = tracks.iter().enumerate().filter_map(|(index, track)| Some((index, track.best_step(left)?)));
        let Some((index, step)) = steps.max_by(|a, b| a.1.worth.total_cmp(&b.1.worth)) else { break };
        left = left.less(step.more);
        tracks[index].layer = Some(step.layer);
    }
    collected(audio, &tracks)
}

fn collected(audio: Bitrate, tracks: &[Track<'_>]) -> Allocation {
    let mut allocation = Allocation { total: audio, demand: audio, ..Allocation::default() };
    for track in tracks {
        allocation.total = allocation.total + track.rate();
        allocation.demand = allocation.demand + track.highest.map_or(Bitrate::ZERO, |layer| track.rate_of(layer));
        allocation.value += track.weight * track.layer.map_or(0.0, |layer| track.utility(layer));
        let layer = track.layer.map(|layer| layer as u8);
        allocation.choices.push(Choice { track: track.shown.track, layer, reason: track.reason() });
    }
    allocation
}

struct Track<'a> {
    shown: &'a Shown<'a>,
    layers: &'a [Layer],
    weight: f64,
    /// The highest layer that is of use.
    highest: Option<usize>,
    layer: Option<usize>,
}

struct Step {
    layer: usize,
    more: Bitrate,
    /// Utility per bit.
    worth: f64,
}

impl<'a> Track<'a> {
    fn new(shown: &'a Shown<'a>) -> Track<'a> {
        let layers = shown.layers.get(..LAYERS_MAX).unwrap_or(shown.layers);
        let wanted = (f64::from(shown.pixels) * SHOWN_ENOUGH) as u32;
        let enough = |layer: &Layer| layer.pixels >= wanted;
        // All frame rates of the smallest resolution that is enough.
        let pixels = layers.iter().filter(|layer| shown.pixels > 0 && enough(layer)).map(|layer| layer.pixels).min();
        let is_useful = |layer: &Layer| pixels.is_none_or(|pixels| layer.pixels <= pixels);
        let highest = if shown.is_visible { layers.iter().rposition(is_useful) } else { None };
        let weight = f64::from(shown.priority.max(1)) / 128.0 * if shown.is_pinned { PINNED } else { 1.0 };
        Track { shown, layers, weight, highest, layer: None }
    }

    fn rate_of(&self, layer: usize) -> Bitrate {
        self.layers.get(layer).map_or(Bitrate::ZERO, |layer| layer.rate)
    }

    fn rate(&self) -> Bitrate {
        self.layer.map_or(Bitrate::ZERO, |layer| self.rate_of(layer))
    }

    fn take_smallest(&mut self, left: &mut Bitrate) {
        if self.highest.is_some() && self.rate_of(0) <= *left {
            *left = left.less(self.rate_of(0));
            self.layer = Some(0);
        }
    }

    /// The step up that brings most per bit, of those that fit.
    fn best_step(&self, left: Bitrate) -> Option<Step> {
        let (from, highest) = (self.layer?, self.highest?);
        let steps = (from + 1..=highest).map(|layer| {
            let more = self.rate_of(layer).less(self.rate());
            let gain = self.weight * (self.utility(layer) - self.utility(from));
            Step { layer, more, worth: gain / more.kbps().max(1.0) }
        });
        let useful = steps.filter(|step| step.more <= left && step.worth > 0.0);
        useful.max_by(|a, b| a.worth.total_cmp(&b.worth))
    }

    /// Each doubling of pixels brings as much as the one before, and of frames half of it.
    fn utility(&self, place: usize) -> f64 {
        let Some(layer) = self.layers.get(place) else { return 0.0 };
        let pixels = if self.shown.pixels > 0 { layer.pixels.min(self.shown.pixels) } else { layer.pixels };
        let motion = if self.shown.is_detail { 0.1 } else { 0.5 };
        // The last terms tell layers apart that say nothing of themselves but a rate, or not even that.
        (1.0 + f64::from(pixels) / 1e3).log2()
            + motion * (1.0 + f64::from(layer.frames_per_second)).log2()
            + 0.01 * (1.0 + layer.rate.kbps()).log2()
            + 1e-3 * place as f64
    }

    fn reason(&self) -> Reason {
        match (self.layer, self.highest) {
            _ if self.layers.is_empty() => Reason::NoLayers,
            _ if !self.shown.is_visible => Reason::Hidden,
            (Some(layer), _) if layer + 1 == self.layers.len() => Reason::Top,
            (Some(layer), Some(highest)) if layer == highest => Reason::Size,
            _ => Reason::Line,
        }
    }
}

/// A layer of so much of the tile's pixels is as good as a larger one: 0.8 of each side.
const SHOWN_ENOUGH: f64 = 0.64;
const PINNED: f64 = 8.0;

#[cfg(test)]
mod tests;
