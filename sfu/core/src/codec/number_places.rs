//! Owns where in a payload descriptor the numbers of a frame stand. Never reads one.

/// Where in a payload descriptor its numbers stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct NumberPlaces {
    /// And whether it has 15 bits.
    pub picture_id: Option<(usize, bool)>,
    pub tl0: Option<usize>,
    pub temporal: u8,
}
