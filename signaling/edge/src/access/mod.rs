//! Owns from where a listener may be used: the names that it goes by, the pages that may call it, and which proxies
//! speak for their clients. Never asks who somebody is: that comes with access control.

pub(crate) mod auth;
pub(crate) mod base_path;
pub(crate) mod callers;
pub(crate) mod config;
pub(crate) mod ends;
pub(crate) mod network;
pub(crate) mod proxies;
pub(crate) mod site;

pub use auth::Auth;
pub use base_path::BasePath;
pub use config::AccessConfig;
pub use network::Network;
pub use proxies::Proxies;
pub use site::Host;
