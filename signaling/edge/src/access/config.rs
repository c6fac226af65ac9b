//! Owns what an operator says of who may use the listeners.

use crate::access::base_path::BasePath;
use crate::access::proxies::Proxies;
use crate::access::site::Host;

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
