//! Reads the dependency descriptor, a header extension that tells the layers of any codec (AV1 RTP specification, appendix
//! A; <https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension>). Keeps the structure that
//! its templates make. Never decides what follows.

use arrayvec::ArrayVec;

use crate::codec::PictureSize;
use crate::codec::bits::Bits;
use crate::codec::layers::{DecodeTargets, LAYERS, OperatingPoint, PointSet};

/// What comes with key frames and holds until the next one does: the templates that descriptors name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Structure {
    offset: u8,
    templates: ArrayVec<Template, TEMPLATES_MAX>,
    /// The operating point of each decode target.
    targets: ArrayVec<OperatingPoint, TARGETS_MAX>,
    pub decode_targets: DecodeTargets,
    /// Of the pictures of each spatial layer, where it says so.
    pub sizes: ArrayVec<PictureSize, SPATIAL_MAX>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Template {
    spatial: u8,
    temporal: u8,
    marks: TargetMarks,
    /// Frames back to the farthest it is predicted from; 0 if it is predicted from none.
    farthest: u16,
}

/// What a frame is for the decode targets, as points.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct TargetMarks {
    needed: PointSet,
    switches: PointSet,
    /// The same for each decode target, before it is known which point it is.
    raw: u64,
}

/// What the descriptor of one packet says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Descriptor {
    pub starts_frame: bool,
    pub ends_frame: bool,
    pub frame: u16,
    pub spatial: u8,
    pub temporal: u8,
    pub needed: PointSet,
    pub switches: PointSet,
    /// Frames back to the farthest it is predicted from; 0 if it is predicted from none.
    pub farthest: u16,
    /// The points that are active from here on, where it says so.
    pub active: Option<PointSet>,
}

impl Structure {
    /// Reads a descriptor; a structure in it takes the place of `known`. `None` where it is malformed or names a template that
    /// is not there: then `known` stays as it is.
    pub fn read(known: &mut Option<Structure>, value: &[u8]) -> Option<Descriptor> {
        let [first, high, low, extended @ ..] = value else { return None };
        let (id, frame) = (first & 0x3f, u16::from_be_bytes([*high, *low]));
        let mut bits = Bits::plain(extended);
        let flags = if extended.is_empty() { 0 } else { bits.take(5)? };
        let fresh = if flags & HAS_STRUCTURE != 0 { Some(Structure::parse(&mut bits)?) } else { None };
        let structure = fresh.as_ref().or(known.as_ref())?;
        let active = match flags & HAS_ACTIVE != 0 {
            true => Some(structure.points_of(bits.take(structure.targets.len() as u32)?)),
            false => fresh.as_ref().map(Structure::points),
        };
        let place = id.wrapping_sub(structure.offset) & 0x3f;
        let template = structure.templates.get(usize::from(place))?;
        let marks = match flags & HAS_MARKS != 0 {
            true => TargetMarks::new(&structure.targets, take_marks(&mut bits, structure.targets.len())?),
            false => template.marks,
        };
        let farthest = if flags & HAS_DIFFS != 0 { take_frame_diffs(&mut bits)? } else { template.farthest };
        let descriptor = Descriptor {
            starts_frame: first & 0x80 != 0,
            ends_frame: first & 0x40 != 0,
            frame,
            spatial: template.spatial,
            temporal: template.temporal,
            needed: marks.needed,
            switches: marks.switches,
            farthest,
            active,
        };
        if fresh.is_some() {
            *known = fresh;
        }
        Some(descriptor)
    }

    /// Whether a descriptor that can be read has one.
    pub fn is_in(value: &[u8]) -> bool {
        let flags = value.get(MANDATORY_BYTES).map(|first| u32::from(first >> 3));
        flags.is_some_and(|flags| flags & HAS_STRUCTURE != 0)
    }

    /// What the first packet of a key frame tells without any before it: libwebrtc, too, takes a frame of the lowest spatial
    /// layer that brings a structure for one (video/rtp_video_stream_receiver2.cc). `Some(None)` for another packet, `None`
    /// where that cannot be read.
    pub fn of_key_frame(value: &[u8]) -> Option<Option<Structure>> {
        value.first_chunk::<MANDATORY_BYTES>()?;
        if !Structure::is_in(value) {
            return Some(None);
        }
        let mut told = None;
        let descriptor = Structure::read(&mut told, value)?;
        let begins = descriptor.starts_frame && descriptor.spatial == 0 && descriptor.farthest == 0;
        Some(told.filter(|_| begins))
    }

    pub(super) fn parse(bits: &mut Bits<'_>) -> Option<Structure> {
        let offset = bits.take(6)? as u8;
        let targets = bits.take(5)? as usize + 1;
        let mut templates = take_layers(bits)?;
        for template in &mut templates {
            template.marks.raw = take_marks(bits, targets)?;
        }
        for template in &mut templates {
            while bits.bit()? == 1 {
                template.farthest = template.farthest.max(bits.take(4)? as u16 + 1);
            }
        }
        let chains = take_non_symmetric(bits, targets as u32 + 1)?;
        if chains > 0 {
            for _ in 0..targets {
                take_non_symmetric(bits, chains)?;
            }
            bits.skip(4 * chains * templates.len() as u32)?;
        }
        let spatial = templates.iter().map(|template| template.spatial).max()?;
        let mut sizes = ArrayVec::new();
        if bits.bit()? == 1 {
            for _ in 0..=spatial {
                let (width, height) = (bits.take(16)? + 1, bits.take(16)? + 1);
                let size = PictureSize { width: width.try_into().ok()?, height: height.try_into().ok()? };
                sizes.try_push(size).ok()?;
            }
        }
        let targets: ArrayVec<_, TARGETS_MAX> = (0..targets).map(|target| point_of(&templates, target)).collect();
        for template in &mut templates {
            template.marks = TargetMarks::new(&targets, template.marks.raw);
        }
        let decode_targets = DecodeTargets::new(&targets, is_nested(&templates, &targets));
        Some(Structure { offset, templates, targets, decode_targets, sizes })
    }

    /// Of all decode targets.
    pub fn points(&self) -> PointSet {
        self.points_of(u32::MAX)
    }

    /// The highest bit of the mask is of the last decode target.
    fn points_of(&self, mask: u32) -> PointSet {
        let is_active = |(target, _): &(usize, &OperatingPoint)| mask >> target & 1 == 1;
        let active = self.targets.iter().enumerate().filter(is_active);
        active.fold(PointSet::NONE, |set, (_, point)| set.or(PointSet::of(*point)))
    }
}

impl TargetMarks {
    fn new(targets: &[OperatingPoint], raw: u64) -> TargetMarks {
        let mut marks = TargetMarks { raw, ..TargetMarks::default() };
        let mut spoiled = PointSet::NONE;
        for (target, point) in targets.iter().enumerate() {
            let (mark, point) = (mark(raw, target), PointSet::of(*point));
            if mark != NOT_PRESENT {
                marks.needed = marks.needed.or(point);
            }
            match mark {
                SWITCH => marks.switches = marks.switches.or(point),
                // Of two decode targets that we take to be one point both must allow it.
                _ => spoiled = spoiled.or(point),
            }
        }
        marks.switches = marks.switches.without(spoiled);
        marks
    }
}

/// A decode target is as high as the highest of the templates that it has.
fn point_of(templates: &[Template], target: usize) -> OperatingPoint {
    let of = templates.iter().filter(|template| mark(template.marks.raw, target) != NOT_PRESENT);
    let highest = of
        .fold((0, 0), |(spatial, temporal), template| (template.spatial.max(spatial), template.temporal.max(temporal)));
    OperatingPoint::new(highest.0, highest.1)
}

/// Whether each frame that a decode target needs is needed by those of the same temporal layer above it.
fn is_nested(templates: &[Template], targets: &[OperatingPoint]) -> bool {
    let needs = |template: &Template, target: usize| mark(template.marks.raw, target) != NOT_PRESENT;
    let above =
        |low: &OperatingPoint, high: &OperatingPoint| high.spatial > low.spatial && high.temporal == low.temporal;
    targets.iter().enumerate().all(|(low, point)| {
        let mut higher = targets.iter().enumerate().filter(|(_, other)| above(point, other)).map(|(high, _)| high);
        higher.all(|high| templates.iter().all(|template| !needs(template, low) || needs(template, high)))
    })
}

fn take_layers(bits: &mut Bits<'_>) -> Option<ArrayVec<Template, TEMPLATES_MAX>> {
    let mut templates = ArrayVec::new();
    let (mut spatial, mut temporal) = (0, 0);
    loop {
        let marks = TargetMarks::default();
        templates.try_push(Template { spatial, temporal, marks, farthest: 0 }).ok()?;
        match bits.take(2)? {
            SAME_LAYER => {}
            NEXT_TEMPORAL => temporal += 1,
            NEXT_SPATIAL => (spatial, temporal) = (spatial + 1, 0),
            _ => return Some(templates),
        }
        if usize::from(spatial) >= SPATIAL_MAX || temporal >= TEMPORAL_MAX {
            return None;
        }
    }
}

/// Two bits for each decode target, the first at the low end.
fn take_marks(bits: &mut Bits<'_>, targets: usize) -> Option<u64> {
    (0..targets).try_fold(0, |marks, target| Some(marks | u64::from(bits.take(2)?) << (2 * target)))
}

fn mark(marks: u64, target: usize) -> u64 {
    marks >> (2 * target) & 3
}

fn take_frame_diffs(bits: &mut Bits<'_>) -> Option<u16> {
    let mut farthest = 0;
    loop {
        match bits.take(2)? {
            0 => return Some(farthest),
            nibbles => farthest = farthest.max(bits.take(4 * nibbles)? as u16 + 1),
        }
    }
}

/// `ns(n)` of the specification: a number below `n` in as few bits as it takes.
fn take_non_symmetric(bits: &mut Bits<'_>, n: u32) -> Option<u32> {
    let width = n.checked_ilog2()? + 1;
    let short = (1 << width) - n;
    let value = bits.take(width - 1)?;
    if value < short { Some(value) } else { Some((value << 1 | bits.bit()?) - short) }
}

/// First and last packet of the frame, template, number of the frame; five flags follow.
pub(super) const MANDATORY_BYTES: usize = 3;
pub(super) const HAS_STRUCTURE: u32 = 0x10;
pub(super) const HAS_ACTIVE: u32 = 0x08;
const HAS_MARKS: u32 = 0x04;
const HAS_DIFFS: u32 = 0x02;
const SAME_LAYER: u32 = 0;
const NEXT_TEMPORAL: u32 = 1;
const NEXT_SPATIAL: u32 = 2;
const NOT_PRESENT: u64 = 0;
const SWITCH: u64 = 2;
/// As many as a descriptor can name.
const TEMPLATES_MAX: usize = 64;
const TARGETS_MAX: usize = 32;
const SPATIAL_MAX: usize = LAYERS as usize;
const TEMPORAL_MAX: u8 = 8;

#[cfg(test)]
mod tests;
