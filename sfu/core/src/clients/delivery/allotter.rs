//! Owns what the choice of layers for one client remembers from one time to the next. Never chooses.

use std::time::Instant;

use chappe_sfu_rate::Allocator;

/// The layers of one client as time goes on, and when they are looked at again.
#[derive(Debug, Default)]
pub(crate) struct Allotter {
    pub allocator: Allocator,
    /// When layers were chosen last.
    pub decided: Option<Instant>,
    /// When to choose again, whether or not the client says something; none while it has what it could have.
    pub look_at: Option<Instant>,
    /// A track has several layers.
    pub is_layered: bool,
}
