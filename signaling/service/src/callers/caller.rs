//! Owns whom a request comes from. Never reads a header: who has the connection does.

use std::net::IpAddr;

use chappe_signaling_access::{Access, Holder, Pass};
use chappe_signaling_rooms::ClientAddress;
use serde::{Deserialize, Serialize};

/// Whom a request comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    pub address: ClientAddress,
    /// It is a proxy that does not say who its client is, or this machine.
    pub is_proxy: bool,
    /// The address of ours that it reached; none if a proxy or another node stands between us.
    #[serde(skip)]
    pub reached_at: Option<IpAddr>,
    /// What its token permits; none where nobody is asked for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pass: Option<Box<Pass>>,
}

impl Caller {
    pub fn holder(&self) -> Option<Holder> {
        self.access().map(|access| access.holder)
    }

    pub fn access(&self) -> Option<&Access> {
        self.pass.as_ref().map(|pass| &pass.access)
    }
}
