//! Owns the signaling process: it assembles what clients speak to (`edge`), what decides (`service`), the connections to
//! this node's workers and to other nodes, and ends them in order. Never touches a media packet. It may die and start
//! again at any time: what it needs to go on is in the workers' snapshots, and, in files beside their sockets,
//! whether its node drains and which events its receivers have not got.

#![forbid(unsafe_code)]

mod acme;
mod addresses;
mod certificate;
mod cluster;
mod config;
mod fleet;
mod issuer_fetch;
mod issuer_source;
mod keys;
mod listeners;
mod outgoing;
mod run;
mod traces;
mod turn;
mod webhooks;
mod workers;

pub use acme::AcmeConfig;
pub use chappe_signaling_edge::{AccessConfig, BasePath, Host, Network, Proxies};
pub use chappe_signaling_rooms::Caps;
pub use chappe_signaling_tls::PemFiles;
pub use chappe_signaling_turn::{TurnSecret, TurnServers, TurnUrl};
pub use chappe_signaling_turn_server::TurnSockets;
pub use chappe_supervisor_api::{AdminAuth, Auth};
pub use config::{Config, KeySources, ROOMS_NAMED_DEFAULT, SignalingError, Stopped, check_cluster};
pub use issuer_source::IssuerSource;
pub use run::{run, run_until};
pub use traces::{Collector, Traces, check_collector, key_values};
pub use webhooks::{Webhooks, check_receiver, read_secrets};
