//! Owns the clients of a worker: what comes from them, what goes to them, and where they are.

pub(crate) mod feedback;
pub(crate) mod repair;
pub(crate) mod routes;

pub(crate) mod alive;
pub(crate) mod keyframe_allowance;
pub mod nack;
pub(crate) mod rewrite;
pub(crate) mod sender;
pub(crate) mod session;
pub(crate) mod source;
pub(crate) mod template;
pub mod twcc;
