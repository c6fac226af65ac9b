//! Owns between which addresses a request has come.

use std::net::SocketAddr;

/// The two ends of the connection that a request came on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    pub remote: SocketAddr,
    /// The address that the client connected to.
    pub local: SocketAddr,
}
