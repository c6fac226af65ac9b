//! Owns what must be remembered of one encoding to understand what its packets say of layers: the structure of its
//! dependency descriptors, which layers came lately, and where a picture began. Never decides what a viewer gets.

use crate::codec::dependency::{Descriptor, Structure};
use crate::codec::layers::{FrameFlag, FrameLayers, LAYERS, OperatingPoint, PointSet};
use crate::codec::{Codec, PictureSize, vp8, vp9};

/// Of one encoding. A descriptor that is malformed says nothing: the packet is passed on to all, and counted.
#[derive(Debug, Default)]
pub(crate) struct LayerReader {
    structure: Option<Structure>,
    /// Of the packet that told it.
    structure_at: u64,
    /// Those that dependency descriptors call active.
    active: Option<PointSet>,
    /// How many spatial layers the scalability structure of VP9 has.
    announced: Option<u8>,
    /// When each spatial and each temporal layer came last.
    spatial: [Option<Heard>; LAYERS as usize],
    temporal: [Option<Heard>; LAYERS as usize],
    pictures: u32,
    picture: Option<Picture>,
    sizes: [Option<PictureSize>; LAYERS as usize],
    /// Of all that were alive lately, what the newest packet says.
    points: PointSet,
    pub malformed: u64,
}

/// Where in an encoding a packet stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Position {
    pub sequence: u64,
    pub timestamp: u32,
    pub marker: bool,
    pub at_ms: u32,
}

#[derive(Debug, Clone, Copy)]
struct Heard {
    picture: u32,
    at_ms: u32,
}

/// The one of the newest packet.
#[derive(Debug, Clone, Copy)]
struct Picture {
    timestamp: u32,
    newest: u64,
    /// Number of its first frame, by dependency descriptors.
    first_frame: u16,
    /// Of the frame before in it.
    below: PointSet,
    frame: u16,
    needed: PointSet,
}

impl LayerReader {
    /// Whether a packet of this codec may say something of layers.
    pub fn may_read(codec: Codec, descriptor: Option<&[u8]>) -> bool {
        descriptor.is_some() || matches!(codec, Codec::Vp8 | Codec::Vp9)
    }

    pub fn read(
        &mut self,
        codec: Codec,
        descriptor: Option<&[u8]>,
        payload: &[u8],
        position: &Position,
    ) -> FrameLayers {
        let layers = match descriptor {
            Some(value) => self.read_descriptor(value, position),
            None => self.read_payload(codec, payload, position),
        };
        let Some(layers) = layers else {
            self.malformed += 1;
            return FrameLayers::NONE;
        };
        self.points = layers.points;
        layers
    }

    /// Of the pictures of a spatial layer: told, or half of those of the layer above. `whole` is the largest.
    pub fn size(&self, spatial: u8, whole: Option<PictureSize>) -> Option<PictureSize> {
        let told = self.sizes.get(usize::from(spatial)).copied().flatten();
        let above = self.points.best().map_or(0, |best| best.spatial.saturating_sub(spatial));
        told.or(whole.map(|size| PictureSize { width: size.width >> above, height: size.height >> above }))
    }

    // ── Dependency descriptor ───────────────────────────────────────────────────────────────────────────

    fn read_descriptor(&mut self, value: &[u8], position: &Position) -> Option<FrameLayers> {
        let Descriptor { starts_frame, ends_frame, frame, spatial, temporal, needed, switches, farthest, active } =
            self.read_with_structure(value, position.sequence)?;
        let is_newer = self.picture.is_none_or(|picture| position.sequence > picture.newest);
        if let Some(active) = active.filter(|_| is_newer) {
            if let Some(structure) = &self.structure {
                self.sizes = std::array::from_fn(|at| structure.sizes.get(at).copied());
            }
            if self.active.replace(active) != Some(active) {
                // Those that are new have not been seen yet.
                active.iter().for_each(|point| self.hear(point.spatial, point.temporal, position));
            }
        }
        // What comes is active, whatever was said of it.
        self.active = self.active.map(|active| if is_newer { active.or(needed) } else { active });
        let starts_picture = self.note_picture(position, (starts_frame, spatial)) && is_newer;
        self.hear(spatial, temporal, position);
        let picture = self.picture.as_mut()?;
        if starts_picture {
            (picture.first_frame, picture.frame, picture.needed, picture.below) =
                (frame, frame, needed, PointSet::NONE);
        } else if is_newer && frame != picture.frame {
            (picture.below, picture.frame, picture.needed) = (picture.needed, frame, needed);
        }
        // Only from the frames below of the same picture.
        let back = frame.wrapping_sub(picture.first_frame);
        let needs_below_only = farthest > 0 && is_newer && farthest <= back;
        let enough = if needs_below_only { needed.or(picture.below) } else { needed };
        let points = self.alive(position).and(self.active.unwrap_or(PointSet::ALL));
        let structure = self.structure.as_ref()?;
        let targets = structure.decode_targets;
        let layers = FrameLayers { needed, switches, enough, points, spatial, targets, ..FrameLayers::NONE };
        let layers = layers.with(FrameFlag::Layered, structure.points().has_several());
        let layers = layers.with(FrameFlag::Starts, starts_frame).with(FrameFlag::Ends, ends_frame);
        Some(layers.with(FrameFlag::StartsPicture, starts_picture).with(FrameFlag::Independent, farthest == 0))
    }

    /// One that comes late (a repeat of a key frame, after the next one) is read by its own structure if it has one, which
    /// takes the place of none that is newer.
    fn read_with_structure(&mut self, value: &[u8], sequence: u64) -> Option<Descriptor> {
        if sequence < self.structure_at {
            return Structure::read(&mut self.structure.clone(), value);
        }
        let descriptor = Structure::read(&mut self.structure, value)?;
        if Structure::is_in(value) {
            self.structure_at = sequence;
        }
        Some(descriptor)
    }

    // ── Payload descriptors ─────────────────────────────────────────────────────────────────────────────

    fn read_payload(&mut self, codec: Codec, payload: &[u8], position: &Position) -> Option<FrameLayers> {
        match codec {
            Codec::Vp8 => match vp8::layer_fields(payload)? {
                Some(fields) => Some(self.vp8_layers(fields, position)),
                None => Some(FrameLayers::NONE),
            },
            Codec::Vp9 => match vp9::layer_fields(payload)? {
                Some(fields) => self.vp9_layers(&fields, position),
                None => Some(FrameLayers::NONE),
            },
            _ => Some(FrameLayers::NONE),
        }
    }

    fn vp8_layers(&mut self, fields: vp8::LayerFields, position: &Position) -> FrameLayers {
        let vp8::LayerFields { starts_frame, is_keyframe, temporal, is_synced } = fields;
        let starts_picture = self.note_picture(position, (starts_frame, 0));
        self.hear(0, temporal, position);
        let (needed, row) = (PointSet::row_from(0, temporal), PointSet::row_from(0, 0));
        let own = PointSet::of(OperatingPoint::new(0, temporal));
        let (switches, enough) = match temporal.checked_sub(1) {
            _ if is_keyframe => (row, row),
            Some(below) if is_synced => (own, PointSet::row_from(0, below)),
            _ => (own, needed),
        };
        let layers = FrameLayers { needed, switches, enough, points: self.alive(position), ..FrameLayers::NONE };
        self.flagged(layers, starts_frame, position.marker, starts_picture).with(FrameFlag::Independent, is_keyframe)
    }

    fn vp9_layers(&mut self, fields: &vp9::LayerFields, position: &Position) -> Option<FrameLayers> {
        let (spatial, temporal) = (fields.spatial, fields.temporal);
        if spatial >= LAYERS || temporal >= LAYERS {
            return None;
        }
        if let Some((count, sizes)) = &fields.structure {
            self.note_structure(*count, sizes, position);
        }
        let starts_picture = self.note_picture(position, (fields.starts_frame, spatial));
        self.hear(spatial, temporal, position);
        let row = |from| PointSet::row_from(spatial, from);
        let above = PointSet::from(spatial + 1, temporal);
        let needed = row(temporal).or(if fields.is_needed_above { above } else { PointSet::NONE });
        let is_independent = !fields.is_predicted && (spatial == 0 || !fields.needs_below);
        let (switches, enough) = if is_independent {
            (PointSet::from(spatial, 0), PointSet::ALL)
        } else if !fields.is_predicted {
            (row(temporal), needed.or(PointSet::row_from(spatial - 1, temporal)))
        } else if fields.switches_up {
            // Encoders say so of a frame that is predicted from lower temporal layers only, the specification of one that
            // frees those after it: what is granted is what both mean.
            match temporal.checked_sub(1) {
                None => (needed, needed),
                Some(below) => (needed.and(PointSet::column(temporal)), rows_of(needed, below)),
            }
        } else if temporal == 0 {
            // Frames of the lowest temporal layer are predicted from no others.
            (PointSet::of(OperatingPoint::new(spatial, 0)), needed)
        } else {
            (PointSet::NONE, needed)
        };
        let layers =
            FrameLayers { needed, switches, enough, points: self.alive(position), spatial, ..FrameLayers::NONE };
        let layers = self.flagged(layers, fields.starts_frame, fields.ends_frame, starts_picture);
        Some(layers.with(FrameFlag::Independent, is_independent).with(FrameFlag::ByRow, fields.is_predicted))
    }

    fn flagged(&self, layers: FrameLayers, starts: bool, ends: bool, starts_picture: bool) -> FrameLayers {
        let layers = layers.with(FrameFlag::Layered, layers.points.has_several());
        let layers = layers.with(FrameFlag::Starts, starts).with(FrameFlag::Ends, ends);
        layers.with(FrameFlag::StartsPicture, starts_picture)
    }

    /// The spatial layers that are announced count as seen, and no others; what was announced before says nothing new.
    fn note_structure(&mut self, count: u8, sizes: &[PictureSize], position: &Position) {
        for (at, size) in self.sizes.iter_mut().enumerate() {
            *size = sizes.get(at).copied();
        }
        if self.announced.replace(count) == Some(count) {
            return;
        }
        let heard = Heard { picture: self.pictures, at_ms: position.at_ms };
        for (at, spatial) in self.spatial.iter_mut().enumerate() {
            *spatial = (at < usize::from(count)).then_some(heard);
        }
    }

    // ── What came lately ────────────────────────────────────────────────────────────────────────────────

    /// Whether a picture starts with this packet. Where one is missing before it, that may be of a lower spatial layer.
    fn note_picture(&mut self, position: &Position, (starts_frame, spatial): (bool, u8)) -> bool {
        let newest = self.picture.map_or(0, |picture| picture.newest);
        let is_other = self.picture.is_none_or(|picture| picture.timestamp != position.timestamp);
        if self.picture.is_some() && position.sequence < newest {
            return false;
        }
        let before = self.picture.filter(|_| !is_other);
        let empty = Picture {
            timestamp: 0,
            newest: 0,
            first_frame: 0,
            below: PointSet::NONE,
            frame: 0,
            needed: PointSet::NONE,
        };
        let picture = before.unwrap_or(empty);
        self.picture = Some(Picture { timestamp: position.timestamp, newest: position.sequence, ..picture });
        self.pictures = self.pictures.wrapping_add(u32::from(is_other));
        is_other && starts_frame && (spatial == 0 || position.sequence == newest.wrapping_add(1))
    }

    fn hear(&mut self, spatial: u8, temporal: u8, position: &Position) {
        let heard = Some(Heard { picture: self.pictures, at_ms: position.at_ms });
        let OperatingPoint { spatial, temporal } = OperatingPoint::new(spatial, temporal);
        if let Some(layer) = self.spatial.get_mut(usize::from(spatial)) {
            *layer = heard;
        }
        if let Some(layer) = self.temporal.get_mut(usize::from(temporal)) {
            *layer = heard;
        }
    }

    /// The points of which all layers came lately.
    fn alive(&self, position: &Position) -> PointSet {
        let is_alive = |heard: &Option<Heard>| {
            heard.is_some_and(|heard| {
                let pictures = self.pictures.wrapping_sub(heard.picture);
                pictures <= PICTURES_MISSED || position.at_ms.wrapping_sub(heard.at_ms) <= STOPPED_AFTER_MS
            })
        };
        let count = |layers: &[Option<Heard>]| layers.iter().rposition(is_alive).map_or(0, |at| at as u8);
        let highest = OperatingPoint::new(count(&self.spatial), count(&self.temporal));
        let gone = self.spatial.iter().enumerate().filter(|(_, layer)| !is_alive(layer));
        gone.fold(PointSet::up_to(highest), |set, (at, _)| set.without(PointSet::row_from(at as u8, 0)))
    }
}

/// Whether a payload descriptor tells of layers.
pub(crate) fn has_layers(codec: Codec, payload: &[u8]) -> bool {
    match codec {
        Codec::Vp8 => matches!(vp8::layer_fields(payload), Some(Some(_))),
        Codec::Vp9 => matches!(vp9::layer_fields(payload), Some(Some(_))),
        _ => false,
    }
}

/// The rows in which a set has a point, from a temporal layer on.
fn rows_of(set: PointSet, temporal: u8) -> PointSet {
    let has = |spatial: &u8| !set.and(PointSet::row_from(*spatial, 0)).is_empty();
    (0..LAYERS).filter(has).fold(PointSet::NONE, |rows, at| rows.or(PointSet::row_from(at, temporal)))
}

/// A layer that was not in so many pictures, for so long, has stopped: it may be left out of some.
const PICTURES_MISSED: u32 = 8;
const STOPPED_AFTER_MS: u32 = 300;

#[cfg(test)]
mod tests;
