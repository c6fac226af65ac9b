//! Owns whom a request comes from. Never reads a header: who has the connection does.

use std::net::IpAddr;

use chappe_signaling_rooms::ClientAddress;
use serde::{Deserialize, Serialize};

/// Whom a request comes from, as far as limits go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    pub address: ClientAddress,
    /// It is a proxy that does not say who its client is, or this machine.
    pub is_proxy: bool,
    /// The address of ours that it reached; none if a proxy or another node stands between us.
    #[serde(skip)]
    pub reached_at: Option<IpAddr>,
}
