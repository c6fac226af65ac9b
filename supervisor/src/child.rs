//! What a child process does before its own work: understands its arguments, ties its life to the parent's,
//! sends its log lines to the parent. The arguments are the whole contract between parent and child.

use std::ffi::{CString, OsString};
use std::io;
use std::net::IpAddr;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

use chappe_sfu_io::process;
use chappe_supervisor_api::{AdminAuth, Auth, ProcessName, SOCKET_FILE};
use clap::ValueEnum;

use crate::caps::Caps;
use crate::log_format::LogFormat;
use crate::runtime_dir::{CLUSTER_FILE, NODE_SECRET_FILE};

pub mod log;
mod parent_lines;

pub use parent_lines::ParentLines;
pub(crate) use parent_lines::log_filter_line;

/// `chappe worker …`. Descriptors are inherited under these numbers.
#[derive(Debug, Clone, PartialEq, Eq, clap::Parser)]
#[command(name = "worker")]
pub struct WorkerArgs {
    /// Process id of the parent.
    #[arg(long)]
    pub supervisor: u32,
    #[arg(long)]
    pub index: u16,
    #[arg(long)]
    pub udp_fd: RawFd,
    #[arg(long)]
    pub tcp_fd: RawFd,
    /// A listening Unix socket on which signaling connects.
    #[arg(long)]
    pub control_fd: RawFd,
    #[arg(long)]
    pub media_port: u16,
    /// The core to stay on.
    #[arg(long)]
    pub core: Option<usize>,
    /// Of a crowd a viewer hears so many.
    #[arg(long)]
    pub loudest: Option<u8>,
    /// Most sessions at a time.
    #[arg(long)]
    pub sessions: Option<u32>,
    #[arg(long)]
    pub log: LogFormat,
    #[arg(long)]
    pub log_filter: Option<String>,
    /// How many processes were in this place before.
    #[arg(long)]
    pub restarts: u64,
}

/// `chappe signaling-process …`.
#[derive(Debug, Clone, PartialEq, Eq, clap::Parser)]
#[command(name = "signaling-process")]
pub struct SignalingArgs {
    #[arg(long)]
    pub supervisor: u32,
    #[arg(long)]
    pub http_fd: Option<RawFd>,
    #[arg(long)]
    pub admin_fd: RawFd,
    /// Worker i listens on `worker-<i>.sock` in it.
    #[arg(long)]
    pub control_dir: PathBuf,
    /// Of worker 0, 1, …
    #[arg(long = "media-port")]
    pub media_ports: Vec<u16>,
    #[arg(long = "admin-host")]
    pub admin_hosts: Vec<String>,
    #[arg(long = "trusted-proxy")]
    pub trusted_proxies: Vec<String>,
    #[arg(long, default_value = "")]
    pub base_path: String,
    #[arg(long)]
    pub per_address: Option<u32>,
    #[command(flatten)]
    pub caps: Caps,
    #[arg(long = "public-ip")]
    pub public_ips: Vec<IpAddr>,
    #[arg(long)]
    pub node: String,
    #[arg(long)]
    pub region: Option<String>,
    #[arg(long)]
    pub auth: Auth,
    #[arg(long)]
    pub admin_auth: AdminAuth,
    #[arg(long, requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    #[arg(long, requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    #[arg(long, requires_all = ["tls_cert", "acme_domains"])]
    pub acme_server: Option<String>,
    #[arg(long = "acme-domain")]
    pub acme_domains: Vec<String>,
    #[arg(long)]
    pub acme_email: Option<String>,
    #[arg(long, requires = "turn_tcp_fd")]
    pub turn_udp_fd: Option<RawFd>,
    #[arg(long, requires = "turn_udp_fd")]
    pub turn_tcp_fd: Option<RawFd>,
    #[arg(long = "turn-url")]
    pub turn_urls: Vec<String>,
    #[arg(long)]
    pub turn_secret: Option<PathBuf>,
    #[arg(long = "webhook")]
    pub webhooks: Vec<String>,
    #[arg(long)]
    pub webhook_secrets: Option<PathBuf>,
    #[arg(long)]
    pub webhook_state: Option<PathBuf>,
    /// Address of a collector for traces.
    #[arg(long)]
    pub otlp_traces: Option<String>,
    #[arg(long)]
    pub room_metrics: Option<u16>,
    #[arg(long)]
    pub keys: Option<PathBuf>,
    #[arg(long = "jwks")]
    pub jwks: Vec<String>,
    #[arg(long)]
    pub log: LogFormat,
    #[arg(long)]
    pub log_filter: Option<String>,
    #[arg(long)]
    pub restarts: u64,
}

/// The first argument of a worker process.
pub const WORKER_COMMAND: &str = "worker";
/// The first argument of the signaling process.
pub const SIGNALING_COMMAND: &str = "signaling-process";

impl WorkerArgs {
    /// All but `--restarts`, which the parent appends at each start.
    pub fn to_args(&self) -> Vec<OsString> {
        let mut line = Line::new(WORKER_COMMAND);
        line.push("--supervisor", self.supervisor);
        line.push("--index", self.index);
        line.push("--udp-fd", self.udp_fd);
        line.push("--tcp-fd", self.tcp_fd);
        line.push("--control-fd", self.control_fd);
        line.push("--media-port", self.media_port);
        if let Some(core) = self.core {
            line.push("--core", core);
        }
        if let Some(loudest) = self.loudest {
            line.push("--loudest", loudest);
        }
        line.push_each("--sessions", self.sessions);
        line.push_log(self.log, self.log_filter.as_deref());
        line.0
    }

    /// Must run before anything else. Names the process, pins it, ties it to the parent.
    pub fn enter(&self) -> io::Result<ParentLines> {
        // The kernel cuts names at 15 bytes.
        enter(self.supervisor, &format!("chappe-sfu-{}", self.index))?;
        if let Some(core) = self.core {
            process::pin_to_core(core)?;
        }
        ParentLines::follow(ProcessName::Worker(self.index), log::init_child(self.log, self.log_filter.as_deref())?)
    }
}

impl SignalingArgs {
    /// All but `--restarts`, which the parent appends at each start.
    pub fn to_args(&self) -> Vec<OsString> {
        let mut line = Line::new(SIGNALING_COMMAND);
        line.push("--supervisor", self.supervisor);
        if let Some(http) = self.http_fd {
            line.push("--http-fd", http);
        }
        line.push("--admin-fd", self.admin_fd);
        line.push_path("--control-dir", &self.control_dir);
        for port in &self.media_ports {
            line.push("--media-port", port);
        }
        line.push_each("--admin-host", &self.admin_hosts);
        line.push_each("--trusted-proxy", &self.trusted_proxies);
        line.push("--base-path", &self.base_path);
        line.push_each("--webhook", &self.webhooks);
        if let Some(file) = &self.webhook_secrets {
            line.push_path("--webhook-secrets", file);
        }
        if let Some(folder) = &self.webhook_state {
            line.push_path("--webhook-state", folder);
        }
        line.push_each("--otlp-traces", &self.otlp_traces);
        line.push_each("--room-metrics", self.room_metrics);
        line.push_each("--per-address", self.per_address);
        line.push_each("--rooms-max", self.caps.rooms_max);
        line.push_each("--members-max", self.caps.members_max);
        line.push_each("--members-per-room", self.caps.members_per_room);
        line.push_each("--streams-per-room", self.caps.streams_per_room);
        line.push_each("--public-ip", &self.public_ips);
        line.push("--node", &self.node);
        line.push_each("--region", &self.region);
        line.push("--auth", self.auth);
        line.push("--admin-auth", self.admin_auth);
        if let Some(certificate) = &self.tls_cert {
            line.push_path("--tls-cert", certificate);
        }
        if let Some(key) = &self.tls_key {
            line.push_path("--tls-key", key);
        }
        line.push_each("--acme-server", &self.acme_server);
        line.push_each("--acme-domain", &self.acme_domains);
        line.push_each("--acme-email", &self.acme_email);
        if let (Some(udp), Some(tcp)) = (self.turn_udp_fd, self.turn_tcp_fd) {
            line.push("--turn-udp-fd", udp);
            line.push("--turn-tcp-fd", tcp);
        }
        line.push_each("--turn-url", &self.turn_urls);
        if let Some(file) = &self.turn_secret {
            line.push_path("--turn-secret", file);
        }
        if let Some(keys) = &self.keys {
            line.push_path("--keys", keys);
        }
        line.push_each("--jwks", &self.jwks);
        line.push_log(self.log, self.log_filter.as_deref());
        line.0
    }

    /// Must run before anything else, and before a second thread exists. Names the process, ties it to the parent.
    pub fn enter(&self) -> io::Result<ParentLines> {
        enter(self.supervisor, "chappe-signal")?;
        ParentLines::follow(ProcessName::Signaling, log::init_child(self.log, self.log_filter.as_deref())?)
    }

    /// Where worker `index` listens for us.
    pub fn control_path(&self, index: u16) -> PathBuf {
        control_path(&self.control_dir, index)
    }

    /// Where the parent is asked.
    pub fn command_channel(&self) -> PathBuf {
        self.control_dir.join(SOCKET_FILE)
    }

    /// Random bytes that outlive this process.
    pub fn node_secret(&self) -> io::Result<Vec<u8>> {
        std::fs::read(self.control_dir.join(NODE_SECRET_FILE))
    }

    /// Address of the cluster; none for a node that runs alone.
    pub fn cluster(&self) -> io::Result<Option<String>> {
        match std::fs::read_to_string(self.control_dir.join(CLUSTER_FILE)) {
            Ok(address) => Ok(Some(address)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn control_path(dir: &Path, index: u16) -> PathBuf {
    crate::runtime_dir::control_path(dir, index)
}

/// Names this process and ties its life to the parent's, also when the parent is killed.
fn enter(supervisor: u32, name: &str) -> io::Result<()> {
    if let Ok(name) = CString::new(name) {
        rustix::thread::set_name(&name)?;
    }
    process::die_with_parent(supervisor)
}

/// A command line under construction.
struct Line(Vec<OsString>);

impl Line {
    fn new(command: &str) -> Line {
        Line(vec![command.into()])
    }

    /// `--name=value`, so that a value that begins with a dash stays a value.
    fn push(&mut self, name: &str, value: impl std::fmt::Display) {
        self.0.push(format!("{name}={value}").into());
    }

    /// As often as there is a value.
    fn push_each(&mut self, name: &str, values: impl IntoIterator<Item = impl std::fmt::Display>) {
        values.into_iter().for_each(|value| self.push(name, value));
    }

    fn push_path(&mut self, name: &str, path: &Path) {
        let mut argument = OsString::from(format!("{name}="));
        argument.push(path);
        self.0.push(argument);
    }

    fn push_log(&mut self, format: LogFormat, filter: Option<&str>) {
        self.push_choice("--log", format);
        if let Some(filter) = filter {
            self.push("--log-filter", filter);
        }
    }

    /// The name that clap parses back.
    fn push_choice(&mut self, name: &str, choice: impl ValueEnum) {
        if let Some(value) = choice.to_possible_value() {
            self.push(name, value.get_name());
        }
    }
}

#[cfg(test)]
mod tests;
