//! Owns what a viewer gets of one video track and why it is no more. Never chooses it.

use chappe_sfu_rate::Reason;

/// What became of one video track of a client, and why it is not more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allotment {
    /// Which of the layers that are alive, from the lowest on.
    pub layer: u8,
    pub layers: u8,
    pub reason: LayerReason,
}

/// Why a viewer gets no more of a track than it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerReason {
    /// It has the best there is.
    Top,
    /// A larger picture would not be seen in its tile.
    Size,
    /// Its line does not carry more.
    Line,
    /// It asked for no more lines.
    Max,
    /// The publisher sends no more, or nothing.
    Source,
    /// Its page does not show it.
    Hidden,
    /// The worker has more to send than its core can, and gives this up.
    Overload,
}

/// One track that is to get a layer, beside how it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// The viewer asked for fewer lines than there are.
    pub has_max: bool,
    /// The publisher sends less than it could.
    pub lacks_source: bool,
    /// The worker has no room for more.
    pub is_relieved: bool,
}

impl Allotment {
    pub fn new(layer: u8, layers: usize, reason: Reason, limits: Limits) -> Allotment {
        let reason = match reason {
            Reason::Top if limits.is_relieved => LayerReason::Overload,
            Reason::Top if limits.has_max => LayerReason::Max,
            Reason::Top if limits.lacks_source => LayerReason::Source,
            Reason::Top => LayerReason::Top,
            Reason::Size => LayerReason::Size,
            Reason::Line => LayerReason::Line,
            Reason::Hidden => LayerReason::Hidden,
            Reason::NoLayers => LayerReason::Source,
        };
        Allotment { layer, layers: layers as u8, reason }
    }
}
