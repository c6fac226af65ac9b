//! Owns whom requests come from, and how much of what is scarce one address may hold.

pub mod caller;
pub mod grants;
pub mod issuer_fetches;
pub mod limits;
pub mod refusals;
pub mod shares;
