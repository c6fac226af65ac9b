//! Owns what publishers and viewers share: the packets of each track, and what their timestamps mean. Never sees a
//! session.

pub(crate) mod company;
pub(crate) mod history;
pub(crate) mod playout;
pub(crate) mod track;
