//! Owns what the process must be told before it starts. Never reads flags or the environment:
//! the command line belongs to the root binary.

use std::net::{IpAddr, TcpListener};
use std::path::PathBuf;

use chappe_signaling_access::ApiKey;
use chappe_signaling_edge::AccessConfig;
use chappe_signaling_rooms::Caps;
use chappe_signaling_tls::PemFiles;
use chappe_signaling_turn::TurnServers;
use chappe_signaling_turn_server::TurnSockets;
use chappe_supervisor_api::{AdminAuth, Auth};

use crate::acme::AcmeConfig;
use crate::issuer_source::IssuerSource;
use crate::traces::Traces;
use crate::webhooks::Webhooks;

/// All that [`crate::run`] needs. The listeners were bound by the supervisor and outlive this process,
/// so that a client that connects while signaling restarts waits instead of being refused.
#[derive(Debug)]
pub struct Config {
    /// Public listener; none on a node that only carries media (`chappe sfu`).
    pub http: Option<TcpListener>,
    /// Listener of the admin API and the metrics.
    pub admin: TcpListener,
    /// Control socket of each worker; the position is its [`chappe_sfu_api::WorkerIndex`]. Their directory is private
    /// to this run of the node: a drain is noted there.
    pub workers: Vec<PathBuf>,
    /// Where the supervisor is asked, beside these sockets. None: the workers are these, once and for all.
    pub supervisor: Option<PathBuf>,
    /// Process that started this one; when it is gone, this one has to go too. None: not supervised.
    pub parent: Option<u32>,
    /// Name of this node, shown in the admin API.
    pub node: String,
    pub auth: Auth,
    /// Who may use the admin listener.
    pub admin_auth: AdminAuth,
    /// Certificate of the public listener, without which it speaks plain HTTP, and of an admin listener that wants tokens.
    pub tls: Option<PemFiles>,
    /// Who gives that certificate, where it is asked for here.
    pub acme: Option<AcmeConfig>,
    /// TURN servers elsewhere that clients are told.
    pub turn: TurnServers,
    /// On which this node runs one.
    pub turn_sockets: Option<TurnSockets>,
    /// What tokens are checked with, beside the keys in the store of the cluster.
    pub keys: KeySources,
    /// From where the listeners may be used.
    pub access: AccessConfig,
    /// How much there may be of what clients can make.
    pub caps: Caps,
    /// Addresses at which clients reach the workers (NAT 1:1). Empty: the addresses of the interfaces.
    pub public_ips: Vec<IpAddr>,
    pub region: Option<String>,
    /// NATS servers of the cluster; none for a node that runs alone.
    pub cluster: Option<String>,
    /// Who is told of what happens here.
    pub webhooks: Option<Webhooks>,
    /// Who is told of the steps of joins; none: they are not followed.
    pub traces: Option<Traces>,
    /// Rooms that the metrics name, those with most in them; 0 for none.
    pub rooms_named: usize,
    /// Random bytes that outlive this process: what relays between this node's workers are keyed with.
    pub secret: Vec<u8>,
}

/// Where keys come from. Files are looked at again while the process runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeySources {
    pub file: Option<PathBuf>,
    pub environment: Vec<ApiKey>,
    /// Foreign issuers by name, with where their public keys are.
    pub issuers: Vec<(String, IssuerSource)>,
}

/// Why the process ended in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// By a signal.
    Asked,
    /// The node is drained: it is to stop as a whole.
    Drained,
}

/// Rooms that the metrics name where nobody says how many.
pub const ROOMS_NAMED_DEFAULT: usize = 20;

/// Whether a cluster's address can be understood and its files be read; what to write if not.
pub fn check_cluster(servers: &str) -> Result<(), String> {
    let config = chappe_engine::NatsConfig::parse(servers).map_err(|error| error.to_string())?;
    for (option, file) in config.files() {
        if let Err(error) = std::fs::read(file) {
            return Err(format!("{option}={} can't be read ({error}): name the file itself", file.display()));
        }
    }
    Ok(())
}

/// Why the process could not start or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum SignalingError {
    #[error(
        "--auth open lets anyone in who reaches the listener, and {0} is reachable from other machines: \
         listen on a loopback address (--http 127.0.0.1:8080) or say --auth public"
    )]
    OpenButReachable(std::net::SocketAddr),
    #[error("{0}")]
    Cluster(String),
    #[error("a node with the name {0} is in the cluster already: choose another with --node")]
    NameTaken(String),
    #[error("{0:?} is no name for a node (--node): 1 to 64 of A-Z a-z 0-9 . _ -, not starting with a dot")]
    BadNode(String),
    #[error(
        "node {node} of the cluster runs version {theirs}, and this is {ours}: only neighbouring minor versions share a \
         cluster, so upgrade its nodes in steps"
    )]
    OtherVersion { node: String, theirs: String, ours: &'static str },
    #[error("the process that started signaling is gone")]
    ParentGone,
    #[error("the runtime can't start: {0}")]
    Runtime(std::io::Error),
    #[error("the {0} listener can't be used: {1}")]
    Listener(&'static str, std::io::Error),
    #[error("TLS: {0}")]
    Tls(String),
    #[error("a task that the whole process needs has panicked: the log says where")]
    TaskPanicked,
    #[error("the addresses of the interfaces can't be read (name one with --public-ip): {0}")]
    Interfaces(std::io::Error),
}

impl SignalingError {
    /// Whether another start would lead to the same.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            SignalingError::Cluster(_)
                | SignalingError::NameTaken(_)
                | SignalingError::BadNode(_)
                | SignalingError::OtherVersion { .. }
        )
    }
}
