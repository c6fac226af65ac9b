//! Owns from where a listener may be used: the names that it goes by, the pages that may call it, which proxies speak
//! for their clients, and how much one address may hold. Never asks who somebody is: that comes with access control.

mod base_path;
mod callers;
mod limits;
mod network;
mod proxies;
mod shares;
mod site;

pub use base_path::BasePath;
pub use callers::{Callers, admit};
pub use limits::AddressLimits;
pub use network::Network;
pub use proxies::Proxies;
pub use shares::{Share, Shares};
pub use site::Host;

/// What an operator says of it all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessConfig {
    /// Under which the admin listener is called, beside loopback names, its own address and the node's name.
    pub admin_hosts: Vec<Host>,
    /// What they say of their clients is believed.
    pub proxies: Proxies,
    /// Below which a proxy shows the public listener.
    pub base_path: BasePath,
    /// Pages, and sessions that are not connected yet, of one address; none: the default.
    pub per_address: Option<usize>,
}
