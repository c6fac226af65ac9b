//! Owns what a packet says of the layers of its stream (SVC, temporal layers), in one form for all codecs. Never parses
//! and never decides what a viewer gets.
//!
//! A stream with layers can be decoded at several *operating points*: a spatial and a temporal layer up to which it is
//! sent. What a packet says is in terms of these, wherever it stands:
//!
//! | | dependency descriptor | VP9 descriptor (RFC 9628) | VP8 descriptor (RFC 7741) |
//! |---|---|---|---|
//! | `needed`: without it the point can't be decoded | DTI is not `-` | SID, TID, Z | TID |
//! | `switches`: who has this frame can go on at the point | DTI is `S` | P, U | key frame, Y |
//! | `enough`: the points of which one suffices to decode this frame | `needed`; the frame below, if it is not predicted from another picture | `needed`; D without P; U | `needed`; Y |
//! | `points`: those that there are | active decode targets, and what came lately | scalability structure, and what came lately | what came lately |
//!
//! From that `clients/delivery/layer_selection.rs` decides, for each viewer and frame.

/// Up to which layers a stream is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct OperatingPoint {
    pub spatial: u8,
    pub temporal: u8,
}

/// Some of the operating points that a stream may have: four spatial layers by four temporal ones. What lies above counts
/// as the highest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PointSet(u16);

/// What one packet says of the layers of its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLayers {
    pub(crate) needed: PointSet,
    pub(crate) switches: PointSet,
    pub(crate) enough: PointSet,
    pub(crate) points: PointSet,
    pub(crate) spatial: u8,
    /// Of [`FrameFlag`].
    pub(crate) flags: u8,
    pub(crate) targets: DecodeTargets,
}

/// The decode targets of a dependency structure: all temporal layers of the lowest spatial layer first, as encoders have
/// them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct DecodeTargets {
    /// Above the lowest; of both `None` where there is no structure, or one in another order.
    highest: Option<OperatingPoint>,
    /// What is sent for one spatial layer is all that those below it need, too.
    is_nested: bool,
}

/// Which decode targets somebody gets: bit n is of target n, of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ActiveTargets {
    pub mask: u32,
    pub count: u32,
}

impl OperatingPoint {
    /// All that there is.
    pub const TOP: OperatingPoint = OperatingPoint { spatial: LAYERS - 1, temporal: LAYERS - 1 };

    pub fn new(spatial: u8, temporal: u8) -> OperatingPoint {
        OperatingPoint { spatial: spatial.min(LAYERS - 1), temporal: temporal.min(LAYERS - 1) }
    }
}

impl PointSet {
    pub const NONE: PointSet = PointSet(0);
    pub const ALL: PointSet = PointSet(u16::MAX);

    pub fn of(point: OperatingPoint) -> PointSet {
        PointSet(1 << (point.spatial * LAYERS + point.temporal))
    }

    /// Those of one spatial layer, from a temporal one on.
    pub fn row_from(spatial: u8, temporal: u8) -> PointSet {
        let OperatingPoint { spatial, temporal } = OperatingPoint::new(spatial, temporal);
        PointSet((ROW << temporal & ROW) << (spatial * LAYERS))
    }

    /// Those from a spatial layer on and from a temporal one on.
    pub fn from(spatial: u8, temporal: u8) -> PointSet {
        (spatial..LAYERS).fold(PointSet::NONE, |set, spatial| set.or(PointSet::row_from(spatial, temporal)))
    }

    /// Those of exactly one temporal layer.
    pub fn column(temporal: u8) -> PointSet {
        let points = (0..LAYERS).map(|spatial| PointSet::of(OperatingPoint::new(spatial, temporal)));
        points.fold(PointSet::NONE, PointSet::or)
    }

    /// Those that have no layer above the ones of a point.
    pub fn up_to(point: OperatingPoint) -> PointSet {
        let row = ROW >> (LAYERS - 1 - point.temporal);
        (0..=point.spatial).fold(PointSet::NONE, |set, spatial| set.or(PointSet(row << (spatial * LAYERS))))
    }

    pub fn or(self, other: PointSet) -> PointSet {
        PointSet(self.0 | other.0)
    }

    pub fn and(self, other: PointSet) -> PointSet {
        PointSet(self.0 & other.0)
    }

    pub fn without(self, other: PointSet) -> PointSet {
        PointSet(self.0 & !other.0)
    }

    pub fn contains(self, point: OperatingPoint) -> bool {
        self.0 & PointSet::of(point).0 != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn has_several(self) -> bool {
        self.0.count_ones() > 1
    }

    /// The one with the highest spatial layer, and of these with the highest temporal one.
    pub fn best(self) -> Option<OperatingPoint> {
        let place = self.0.checked_ilog2()? as u8;
        Some(OperatingPoint { spatial: place / LAYERS, temporal: place % LAYERS })
    }

    /// The one with the lowest spatial layer, and of these with the lowest temporal one.
    pub fn lowest(self) -> Option<OperatingPoint> {
        let place = self.0.trailing_zeros() as u8;
        (self.0 != 0).then_some(OperatingPoint { spatial: place / LAYERS, temporal: place % LAYERS })
    }

    /// From the lowest on.
    pub fn iter(self) -> impl Iterator<Item = OperatingPoint> {
        let points =
            (0..LAYERS).flat_map(|spatial| (0..LAYERS).map(move |temporal| OperatingPoint { spatial, temporal }));
        points.filter(move |point| self.contains(*point))
    }
}

impl DecodeTargets {
    pub const NONE: DecodeTargets = DecodeTargets { highest: None, is_nested: false };

    /// `targets` are the points of each.
    pub fn new(targets: &[OperatingPoint], is_nested: bool) -> DecodeTargets {
        let highest = targets.last().copied().filter(|highest| {
            let usual = (0..=highest.spatial)
                .flat_map(|spatial| (0..=highest.temporal).map(move |temporal| OperatingPoint { spatial, temporal }));
            usual.eq(targets.iter().copied())
        });
        DecodeTargets { highest, is_nested }
    }

    /// Whether who gets the stream at this point does not get all targets.
    pub fn are_narrowed(self, point: OperatingPoint) -> bool {
        let below = |top: OperatingPoint| point.spatial < top.spatial || point.temporal < top.temporal;
        self.highest.is_some_and(below)
    }

    /// The targets that can be decoded by who gets the stream at this point.
    pub fn active_at(self, point: OperatingPoint) -> Option<ActiveTargets> {
        let highest = self.highest?;
        let spatial = point.spatial.min(highest.spatial);
        let is_active = |target: &OperatingPoint| {
            let has_row = target.spatial == spatial || self.is_nested && target.spatial < spatial;
            has_row && target.temporal <= point.temporal
        };
        let targets = PointSet::up_to(highest).iter().enumerate();
        let mask = targets.fold(0, |mask, (at, target)| mask | u32::from(is_active(&target)) << at);
        let count = (u32::from(highest.spatial) + 1) * (u32::from(highest.temporal) + 1);
        Some(ActiveTargets { mask, count })
    }
}

impl FrameLayers {
    /// Nothing is known, or there are none.
    pub(crate) const NONE: FrameLayers = FrameLayers {
        needed: PointSet::ALL,
        switches: PointSet::NONE,
        enough: PointSet::ALL,
        points: PointSet::NONE,
        spatial: 0,
        flags: 0,
        targets: DecodeTargets::NONE,
    };

    pub(crate) fn with(self, flag: FrameFlag, is_set: bool) -> FrameLayers {
        FrameLayers { flags: if is_set { self.flags | flag as u8 } else { self.flags & !(flag as u8) }, ..self }
    }

    /// Whether there is something to choose from.
    #[inline]
    pub(crate) fn is_layered(&self) -> bool {
        self.is(FrameFlag::Layered)
    }

    #[inline]
    pub(crate) fn is(&self, flag: FrameFlag) -> bool {
        self.flags & flag as u8 != 0
    }

    /// The points at which who has all of these points' frames can go on with this frame, beside those.
    pub(crate) fn granted(&self, intact: PointSet) -> PointSet {
        let decodes = intact.and(self.enough);
        if self.is(FrameFlag::Independent) {
            self.switches
        } else if self.is(FrameFlag::ByRow) {
            let has = |spatial: u8| !decodes.and(PointSet::row_from(spatial, 0)).is_empty();
            let is_intact = |spatial: &u8| *spatial == self.spatial && !decodes.is_empty() || has(*spatial);
            let rows = (0..LAYERS).filter(is_intact).map(|spatial| self.switches.and(PointSet::row_from(spatial, 0)));
            rows.fold(PointSet::NONE, PointSet::or)
        } else if decodes.is_empty() {
            PointSet::NONE
        } else {
            self.switches
        }
    }
}

impl Default for FrameLayers {
    fn default() -> FrameLayers {
        FrameLayers::NONE
    }
}

/// What is true of a packet or of its frame, that is of one spatial layer of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum FrameFlag {
    /// The stream has several operating points.
    Layered = 1,
    /// First packet of its frame.
    Starts = 2,
    /// Last packet of its frame.
    Ends = 4,
    /// First packet of its picture, as far as one can tell.
    StartsPicture = 8,
    /// The frame is predicted from no other.
    Independent = 16,
    /// What it says of switching holds for each spatial layer above its own by itself.
    ByRow = 32,
}

/// Of each kind. Encoders for conversations have three (RFC 9628 would have room for eight).
pub(crate) const LAYERS: u8 = 4;
const ROW: u16 = 0xf;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_points_are_rows_of_temporal_layers() {
        let point = OperatingPoint::new;
        let set: Vec<_> = PointSet::up_to(point(1, 2)).iter().collect();
        assert_eq!(set, [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)].map(|(s, t)| point(s, t)));
        assert_eq!(PointSet::ALL.best(), Some(OperatingPoint::TOP));
        assert_eq!(PointSet::NONE.best().or(PointSet::NONE.lowest()), None);
        let from = PointSet::from(2, 1);
        assert_eq!((from.lowest(), from.iter().count()), (Some(point(2, 1)), 6));
        assert_eq!(PointSet::row_from(9, 9).lowest(), Some(point(3, 3)), "what lies above counts as the highest");
        assert_eq!(PointSet::up_to(OperatingPoint::TOP), PointSet::ALL);
    }

    #[test]
    fn decode_targets_are_active_where_all_that_they_need_is_sent() {
        let point = OperatingPoint::new;
        let usual: Vec<_> = PointSet::up_to(point(2, 2)).iter().collect();
        let active =
            |is_nested: bool, at| DecodeTargets::new(&usual, is_nested).active_at(at).map(|active| active.mask);
        assert_eq!(active(true, point(1, 1)), Some(0b000_011_011));
        assert_eq!(active(false, point(1, 1)), Some(0b000_011_000), "lower pictures are not sent");
        assert_eq!(active(true, OperatingPoint::TOP), Some(0b111_111_111));
        let targets = DecodeTargets::new(&usual, true);
        assert_eq!([point(2, 2), point(2, 1), point(0, 3)].map(|at| targets.are_narrowed(at)), [false, true, true]);
        let other: Vec<_> = usual.iter().rev().copied().collect();
        assert_eq!(DecodeTargets::new(&other, true).active_at(point(0, 0)), None, "another order");
        assert_eq!(DecodeTargets::NONE.active_at(point(0, 0)), None);
    }

    #[test]
    fn a_frame_that_cannot_be_decoded_grants_nothing() {
        let frame = FrameLayers {
            needed: PointSet::row_from(1, 0),
            switches: PointSet::row_from(1, 0),
            enough: PointSet::row_from(1, 0),
            ..FrameLayers::NONE
        };
        assert_eq!(frame.granted(PointSet::row_from(0, 0)), PointSet::NONE);
        assert_eq!(frame.granted(PointSet::row_from(1, 2)), PointSet::row_from(1, 0));
        assert_eq!(frame.with(FrameFlag::Independent, true).granted(PointSet::NONE), PointSet::row_from(1, 0));
        let rows = FrameLayers { switches: PointSet::ALL, enough: PointSet::ALL, ..frame }.with(FrameFlag::ByRow, true);
        let own = PointSet::row_from(0, 0);
        assert_eq!(
            rows.granted(PointSet::row_from(1, 3)),
            own.or(PointSet::row_from(1, 0)),
            "nothing of others was sent"
        );
    }
}
