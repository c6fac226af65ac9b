//! What the NATS engine promises when links, servers and credentials fail: real processes, killed for real.

mod cluster;
mod credentials;
mod links;
mod servers;
mod tls;
