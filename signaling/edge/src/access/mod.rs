//! Owns from where a listener may be used: the names that it goes by, the pages that may call it, and which proxies
//! speak for their clients; and who shows a good token. Never judges what a token permits.

pub(crate) mod base_path;
pub(crate) mod callers;
pub(crate) mod config;
pub(crate) mod ends;
pub(crate) mod gate;
pub(crate) mod network;
pub(crate) mod operator;
pub(crate) mod proxies;
pub(crate) mod rates;
pub(crate) mod site;

pub use base_path::BasePath;
pub use config::AccessConfig;
pub use gate::Gate;
pub use network::Network;
pub use proxies::Proxies;
pub use site::Host;
