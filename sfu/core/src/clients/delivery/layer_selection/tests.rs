use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::codec::Codec;
use crate::codec::layer_reader::{LayerReader, Position};
use crate::sim::scalable::{Film, LayerSyntax, MODES, Made, Mode};

/// A viewer of a film, of whose packets some are lost before us or come late.
struct Showing {
    film: Film,
    reader: LayerReader,
    selection: LayerSelection,
    sequence: u64,
    now: Instant,
    random: u64,
    /// Of each hundred packets so many come later, and so many never.
    late: u64,
    lost: u64,
    waiting: Vec<(u32, u64, Made, FrameLayers)>,
    /// Frames of which packets were sent, and of which some were left out.
    sent: BTreeMap<usize, usize>,
    left_out: BTreeSet<usize>,
    /// The last packet of each picture that was sent, and whether it had the marker.
    ends: BTreeMap<u32, (usize, bool)>,
    pictures: u32,
    keyframes: usize,
}

impl Showing {
    fn new(mode: Mode, seed: u64) -> Showing {
        let mut selection = LayerSelection::new();
        selection.begin(1_000);
        Showing {
            film: Film::new(mode),
            reader: LayerReader::default(),
            selection,
            sequence: 999,
            now: crate::sim::start(),
            random: seed,
            late: 0,
            lost: 0,
            waiting: Vec::new(),
            sent: BTreeMap::new(),
            left_out: BTreeSet::new(),
            ends: BTreeMap::new(),
            pictures: 0,
            keyframes: 0,
        }
    }

    fn random(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % below
    }

    /// A picture passes, with a key frame if one is asked for and it is so decided.
    fn picture(&mut self, answers: bool) {
        let is_key = answers && self.selection.awaits_keyframe(self.now);
        self.keyframes += usize::from(is_key);
        let packets = std::array::from_fn(|_| 1 + self.random(3) as usize);
        let made = self.film.picture(is_key, packets);
        self.pictures += 1;
        self.now += Duration::from_millis(33);
        for made in made {
            self.sequence += 1;
            let (late, lost) = (self.random(100) < self.late, self.random(100) < self.lost);
            if lost {
                continue;
            }
            if late {
                let until = self.pictures + 1 + self.random(3) as u32;
                self.waiting.push((until, self.sequence, made, FrameLayers::NONE));
                continue;
            }
            self.arrive(self.sequence, &made);
        }
        while let Some(at) = self.waiting.iter().position(|(until, ..)| *until <= self.pictures) {
            let (_, sequence, made, _) = self.waiting.remove(at);
            self.arrive(sequence, &made);
        }
    }

    fn arrive(&mut self, sequence: u64, made: &Made) {
        let codec = match self.film.mode.syntax {
            LayerSyntax::Vp8 => Codec::Vp8,
            LayerSyntax::Vp9 { .. } => Codec::Vp9,
            LayerSyntax::Descriptor => Codec::Av1,
        };
        let position = Position { sequence, timestamp: made.timestamp, marker: made.marker, at_ms: self.pictures * 33 };
        let layers = self.reader.read(codec, made.descriptor.as_deref(), &made.payload, &position);
        let unit = self.film.frames[made.frame].unit;
        let passes = !layers.is_layered() || self.selection.passes(sequence, &layers, self.now);
        assert!(!passes || self.selection.wants(sequence, &layers), "it is the same later");
        if passes {
            *self.sent.entry(made.frame).or_default() += 1;
            let ends = made.marker || layers.is_layered() && self.selection.ends_picture(sequence, &layers);
            let before = self.ends.insert(unit, (made.frame, ends));
            // What is late may come after it.
            assert!(self.late > 0 || before.is_none_or(|(_, ended)| !ended), "something follows the end of a picture");
        } else {
            self.left_out.insert(made.frame);
        }
    }

    /// Whatever was sent of a frame, nothing of what it depends on was left out, nor of itself.
    fn check(&self) {
        for frame in self.sent.keys() {
            assert!(!self.left_out.contains(frame), "{frame} was sent in part: {:?}", self.film.frames[*frame]);
            for other in &self.film.frames[*frame].depends {
                let (frame, needed) = (&self.film.frames[*frame], &self.film.frames[*other]);
                assert!(!self.left_out.contains(other), "{:?}: {frame:?} without {needed:?}", self.film.mode);
            }
        }
    }

    fn check_ends(&self) {
        let newest = self.ends.keys().next_back().copied();
        for (unit, (frame, ended)) in self.ends.iter().filter(|(unit, _)| Some(**unit) != newest) {
            assert!(ended, "picture {unit} has no end: {:?}", self.film.frames[*frame]);
        }
    }

    /// The layers of the newest picture that was sent, and how many of the last twelve were.
    fn shown(&self) -> (u8, usize) {
        let units = |frame: &&usize| self.film.frames[**frame].unit;
        let newest = self.sent.keys().next_back().map_or(0, |frame| self.film.frames[*frame].spatial);
        let since = self.pictures.saturating_sub(12);
        let lately: BTreeSet<u32> = self.sent.keys().map(|frame| units(&frame)).filter(|unit| *unit > since).collect();
        (newest, lately.len())
    }
}

/// Of twelve pictures those of the temporal layers up to this one.
fn pictures_of(mode: Mode, temporal: u8) -> usize {
    match (mode.temporal, temporal) {
        (1, _) => 12,
        (2, 0) => 6,
        (3, 0) => 3,
        (3, 1) => 6,
        _ => 12,
    }
}

#[test]
fn five_hundred_switches_of_each_structure_break_no_dependency() {
    for mode in MODES {
        let mut showing = Showing::new(mode, 1);
        for _ in 0..500 {
            let target = OperatingPoint::new(
                showing.random(u64::from(mode.spatial)) as u8,
                showing.random(u64::from(mode.temporal)) as u8,
            );
            showing.selection.set_target(target);
            (0..4 + showing.random(8)).for_each(|_| showing.picture(true));
            if showing.random(10) == 0 {
                (0..48).for_each(|_| showing.picture(true));
                let (spatial, pictures) = showing.shown();
                assert_eq!(spatial, target.spatial, "{mode:?} {target:?}");
                let wanted = pictures_of(mode, target.temporal);
                assert!(pictures.abs_diff(wanted) <= 1, "{mode:?} {target:?}: {pictures} of 12 pictures");
            }
        }
        showing.check();
        showing.check_ends();
    }
}

#[test]
fn what_is_lost_or_late_breaks_no_dependency_of_what_is_sent() {
    for (seed, mode) in (1..20).flat_map(|seed| MODES.map(|mode| (seed, mode))) {
        let mut showing = Showing { late: 5, lost: 2, ..Showing::new(mode, seed) };
        (0..60).for_each(|at| {
            // A viewer begins with a key frame that is there.
            (showing.late, showing.lost) = if at == 0 { (0, 0) } else { (5, 2) };
            let spatial = showing.random(u64::from(mode.spatial)) as u8;
            let temporal = showing.random(u64::from(mode.temporal)) as u8;
            showing.selection.set_target(OperatingPoint::new(spatial, temporal));
            (0..9).for_each(|_| showing.picture(true));
        });
        showing.check();
    }
}

#[test]
fn temporal_layers_and_full_svc_go_down_at_once() {
    for mode in MODES.into_iter().filter(|mode| !mode.is_key && mode.temporal == 3) {
        let mut showing = Showing::new(mode, 3);
        (0..20).for_each(|_| showing.picture(false));
        assert_eq!(showing.shown(), (mode.spatial - 1, 12), "{mode:?}");
        showing.selection.set_target(OperatingPoint::new(0, 0));
        (0..12).for_each(|_| showing.picture(false));
        assert_eq!(showing.shown(), (0, 3), "{mode:?}");
        // And up in time without a key frame, where frames are switched at.
        showing.selection.set_target(OperatingPoint::new(0, 2));
        (0..20).for_each(|_| showing.picture(false));
        assert_eq!(showing.shown(), (0, 12), "{mode:?}");
        showing.check();
        showing.check_ends();
    }
}

#[test]
fn k_svc_changes_its_picture_at_key_frames_and_its_rate_at_once() {
    for mode in MODES.into_iter().filter(|mode| mode.is_key && mode.temporal == 3) {
        let mut showing = Showing::new(mode, 5);
        (0..20).for_each(|_| showing.picture(false));
        showing.selection.set_target(OperatingPoint::new(0, 0));
        (0..12).for_each(|_| showing.picture(false));
        assert_eq!(showing.shown(), (2, 3), "the lower picture can't be begun with: {mode:?}");
        assert!(showing.selection.awaits_keyframe(showing.now));
        showing.picture(true);
        assert!(!showing.selection.awaits_keyframe(showing.now));
        (0..12).for_each(|_| showing.picture(false));
        assert_eq!(showing.shown(), (0, 3), "{mode:?}");
        assert_eq!(showing.keyframes, 1);
        showing.check();
        showing.check_ends();
    }
}

/// The trap of others: a viewer of the top layer gets nothing of those below, and was black when it stopped.
#[test]
fn a_top_layer_that_stops_is_left_for_the_one_below() {
    for mode in MODES.into_iter().filter(|mode| mode.spatial == 3) {
        let mut showing = Showing::new(mode, 7);
        (0..20).for_each(|_| showing.picture(true));
        showing.film.active = 2;
        (0..30).for_each(|_| showing.picture(true));
        assert_eq!(showing.shown(), (1, 12), "{mode:?}");
        assert!(showing.keyframes <= 1, "{} key frames", showing.keyframes);
        showing.film.active = 3;
        (0..60).for_each(|_| showing.picture(true));
        assert_eq!(showing.shown(), (2, 12), "it comes back: {mode:?}");
        assert!(showing.keyframes <= 4, "{} key frames", showing.keyframes);
        showing.check();
    }
}

#[test]
fn a_key_frame_that_does_not_help_is_not_asked_for_for_ever() {
    let mut selection = LayerSelection::new();
    let now = crate::sim::start();
    selection.begin(1);
    let row = PointSet::row_from(0, 0);
    let frame = FrameLayers { needed: row, switches: row, enough: row, points: PointSet::ALL, ..FrameLayers::NONE };
    let flags = [FrameFlag::Layered, FrameFlag::Starts, FrameFlag::StartsPicture, FrameFlag::Independent];
    let frame = flags.into_iter().fold(frame, |frame, flag| frame.with(flag, true));
    assert!(selection.passes(1, &frame, now));
    assert!(selection.awaits_keyframe(now));
    assert!(!selection.awaits_keyframe(now + ASK_MAX));
    selection.set_target(OperatingPoint::new(1, 3));
    assert!(selection.passes(2, &frame, now + ASK_MAX));
    assert!(selection.awaits_keyframe(now + ASK_MAX), "another target");
}
