//! Owns what one feedback packet led to, for the parts beside the estimator. Never follows from it.

use crate::probe::measure::ProbeResult;

/// What one feedback packet led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Outcome {
    /// The delay lowered the estimate.
    pub lowered: bool,
    /// Much less is sent than the line is thought to carry.
    pub is_limited: bool,
    pub probed: Option<ProbeResult>,
}
