//! Owns how telling receivers of events (webhooks) goes, as the metrics show it. Never tells any.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use chappe_signaling_events::Figures;

/// Of each receiver, by its number. Nothing of their addresses, which may hold secrets.
#[derive(Debug, Default)]
pub struct Deliveries {
    figures: Mutex<BTreeMap<usize, Figures>>,
}

impl Deliveries {
    pub fn note(&self, receiver: usize, figures: Figures) {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner).insert(receiver, figures);
    }

    /// Of all receivers together.
    pub fn sum(&self) -> Figures {
        let figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        figures.values().fold(Figures::default(), |sum, more| sum.and(*more))
    }
}
