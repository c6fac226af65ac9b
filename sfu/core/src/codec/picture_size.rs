//! Owns what the size of a picture means. Never reads a payload.

/// In pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PictureSize {
    pub width: u16,
    pub height: u16,
}

impl PictureSize {
    /// The shorter side: a phone that is held upright sends as many as one that is not.
    pub fn lines(self) -> u16 {
        self.width.min(self.height)
    }

    pub fn pixels(self) -> u32 {
        u32::from(self.width) * u32::from(self.height)
    }
}
