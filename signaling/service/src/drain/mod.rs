//! Owns leaving in order.

pub mod file;
pub mod leave;
pub mod moves;
