//! What a node is told to be. Values only; checked by the command line.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use chappe_supervisor_api::{AdminAuth, Auth};

use crate::caps::Caps;
use crate::log_format::LogFormat;

/// All that a node is told; checked by whoever made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodePlan {
    pub role: Role,
    pub http: SocketAddr,
    pub admin: SocketAddr,
    pub admin_auth: AdminAuth,
    /// Other names of the admin listener.
    pub admin_hosts: Vec<String>,
    /// Addresses and ranges of proxies that are believed.
    pub trusted_proxies: Vec<String>,
    /// Below which a proxy shows the public listener; may be empty.
    pub base_path: String,
    /// Most pages and unconnected sessions of one address.
    pub per_address: Option<u32>,
    pub caps: Caps,
    /// Most sessions of a worker; none: as many as workers choose.
    pub sessions_per_worker: Option<u32>,
    /// None: one per core that this process may use.
    pub workers: Option<u16>,
    /// Of more than ten that send sound a viewer hears so many, the loudest, 0 for all; none: as many as workers choose.
    pub loudest: Option<u8>,
    /// Worker i uses this plus i; 0 lets the system choose each.
    pub media_port: u16,
    /// Put into answers instead of the addresses of the interfaces.
    pub public_ips: Vec<IpAddr>,
    pub node: String,
    pub region: Option<String>,
    /// Address of the cluster with its credentials; none for a node that runs alone.
    pub cluster: Option<String>,
    pub auth: Auth,
    /// What the public listener speaks TLS with; none: plain HTTP.
    pub tls: Option<TlsPlan>,
    /// Where this node runs a TURN server, over UDP and TCP.
    pub turn: Option<SocketAddr>,
    /// URLs of the TURN servers that clients are told, and the file of the secret that is shared with them.
    pub turn_urls: Vec<String>,
    pub turn_secret: Option<PathBuf>,
    /// Who is told of what happens here, the file of the secrets that sign it, and below which folder it waits.
    pub webhooks: Vec<String>,
    pub webhook_secrets: Option<PathBuf>,
    pub webhook_state: Option<PathBuf>,
    /// Where the steps of joins are told (OTLP over HTTP); none: they are not followed.
    pub otlp_traces: Option<String>,
    /// Rooms that the metrics name, 0 for none; none: as many as signaling chooses.
    pub room_metrics: Option<u16>,
    /// File of the API keys.
    pub keys: Option<PathBuf>,
    /// Foreign issuers of tokens, as `ISSUER=FILE`.
    pub jwks: Vec<String>,
    pub log: LogFormat,
    /// Which log lines there are; none: what `RUST_LOG` says.
    pub log_filter: Option<String>,
    /// Where log lines are written beside standard error.
    pub log_file: Option<LogFilePlan>,
    pub state_file: Option<PathBuf>,
}

/// A file and those that it was before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilePlan {
    pub path: PathBuf,
    /// At which another one begins.
    pub bytes_max: u64,
    /// With the current one: `path`, `path.1`, the older the higher.
    pub files: u16,
}

/// Files in PEM form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsPlan {
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Of a certificate that was made for development.
    pub development: Option<DevelopmentPlan>,
    /// Of one that an authority gives.
    pub acme: Option<AcmePlan>,
}

/// Who is asked for the certificate while the node runs. The terms were agreed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcmePlan {
    /// Address of the authority's directory.
    pub server: String,
    pub domains: Vec<String>,
    pub email: Option<String>,
}

/// What a person is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DevelopmentPlan {
    /// The certificate of the authority that browsers have to trust.
    pub authority: PathBuf,
    /// Addresses of this machine.
    pub addresses: Vec<IpAddr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Signaling and workers.
    Up,
    /// No workers.
    Signaling,
    /// No public listener.
    Sfu,
}

/// What a running node makes of settings that were read again.
#[derive(Debug)]
pub struct RenewedPlan {
    pub plan: NodePlan,
    /// Names of settings that are others now.
    pub changed: Vec<&'static str>,
    /// Names of settings that take effect when the node is started anew.
    pub fixed: Vec<&'static str>,
}

impl NodePlan {
    /// Sockets are bound and workers carry media: what concerns them stays.
    pub fn renewed(&self, fresh: NodePlan) -> RenewedPlan {
        let tls = if self.tls.is_some() == fresh.tls.is_some() { &fresh.tls } else { &self.tls };
        let plan = NodePlan {
            role: self.role,
            http: self.http,
            admin: self.admin,
            admin_auth: self.admin_auth,
            workers: self.workers,
            loudest: self.loudest,
            media_port: self.media_port,
            node: self.node.clone(),
            cluster: self.cluster.clone(),
            tls: tls.clone(),
            turn: self.turn,
            log: self.log,
            state_file: self.state_file.clone(),
            ..fresh.clone()
        };
        RenewedPlan { changed: self.differences(&plan), fixed: plan.differences(&fresh), plan }
    }

    /// Names of the settings in which two plans differ.
    fn differences(&self, other: &NodePlan) -> Vec<&'static str> {
        let all = [
            ("http", self.http != other.http),
            ("admin", self.admin != other.admin),
            ("admin-auth", self.admin_auth != other.admin_auth),
            ("admin-host", self.admin_hosts != other.admin_hosts),
            ("trusted-proxy", self.trusted_proxies != other.trusted_proxies),
            ("base-path", self.base_path != other.base_path),
            ("per-address", self.per_address != other.per_address),
            ("rooms-max", self.caps.rooms_max != other.caps.rooms_max),
            ("members-max", self.caps.members_max != other.caps.members_max),
            ("members-per-room", self.caps.members_per_room != other.caps.members_per_room),
            ("streams-per-room", self.caps.streams_per_room != other.caps.streams_per_room),
            ("sessions-per-worker", self.sessions_per_worker != other.sessions_per_worker),
            ("workers", self.workers != other.workers),
            ("loudest", self.loudest != other.loudest),
            ("media-port", self.media_port != other.media_port),
            ("public-ip", self.public_ips != other.public_ips),
            ("node", self.node != other.node),
            ("region", self.region != other.region),
            ("cluster", self.cluster != other.cluster),
            ("auth", self.auth != other.auth),
            ("tls", self.tls != other.tls),
            ("turn", self.turn != other.turn),
            ("turn-url", self.turn_urls != other.turn_urls),
            ("turn-secret", self.turn_secret != other.turn_secret),
            ("webhook", self.webhooks != other.webhooks),
            ("webhook-secrets", self.webhook_secrets != other.webhook_secrets),
            ("webhook-state", self.webhook_state != other.webhook_state),
            ("otlp-endpoint", self.otlp_traces != other.otlp_traces),
            ("room-metrics", self.room_metrics != other.room_metrics),
            ("keys", self.keys != other.keys),
            ("jwks", self.jwks != other.jwks),
            ("log", self.log != other.log),
            ("log-filter", self.log_filter != other.log_filter),
            ("log-file", self.log_path() != other.log_path()),
            ("log-file-size", self.log_files_differ(other, |file| file.bytes_max)),
            ("log-files", self.log_files_differ(other, |file| u64::from(file.files))),
            ("state-file", self.state_file != other.state_file),
        ];
        all.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
    }

    fn log_path(&self) -> Option<&Path> {
        self.log_file.as_ref().map(|file| file.path.as_path())
    }

    /// Where both have one.
    fn log_files_differ(&self, other: &NodePlan, part: impl Fn(&LogFilePlan) -> u64) -> bool {
        self.log_file.as_ref().zip(other.log_file.as_ref()).is_some_and(|(a, b)| part(a) != part(b))
    }

    /// Over a network an operator's token is worth as much as a password.
    pub fn has_admin_tls(&self) -> bool {
        self.admin_auth == AdminAuth::Key && self.tls.is_some()
    }
}

impl Role {
    pub fn has_workers(self) -> bool {
        self != Role::Signaling
    }

    pub fn has_http(self) -> bool {
        self != Role::Sfu
    }
}
