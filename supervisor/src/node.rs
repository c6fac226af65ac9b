//! Turns a plan into sockets and processes, and runs them to the end.

use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::rc::Rc;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

use crate::announce::announce;
use crate::child::{SignalingArgs, WorkerArgs, log};
use crate::outlet::{LogFormat, Outlet};
use crate::process::ChildSpec;
use crate::runtime_dir::{CLUSTER_FILE, NODE_SECRET_FILE, RuntimeDir, control_path};
use crate::signals::StopSignals;
use crate::sockets::{MediaSockets, StartError, bind_media, listen_control, listen_http};
use crate::state_file::{Addresses, StateFile};
use crate::supervise::{Ended, Supervisor};

/// All that a node is told; checked by whoever made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodePlan {
    pub role: Role,
    pub http: SocketAddr,
    pub admin: SocketAddr,
    /// Other names of the admin listener.
    pub admin_hosts: Vec<String>,
    /// Addresses and ranges of proxies that are believed.
    pub trusted_proxies: Vec<String>,
    /// Below which a proxy shows the public listener; may be empty.
    pub base_path: String,
    /// Most pages and unconnected sessions of one address.
    pub per_address: Option<u32>,
    /// None: one per core that this process may use.
    pub workers: Option<u16>,
    /// Worker i uses this plus i; 0 lets the system choose each.
    pub media_port: u16,
    /// Put into answers instead of the addresses of the interfaces.
    pub public_ips: Vec<IpAddr>,
    pub node: String,
    pub region: Option<String>,
    /// Address of the cluster with its credentials; none for a node that runs alone.
    pub cluster: Option<String>,
    pub auth: Auth,
    pub log: LogFormat,
    pub state_file: Option<PathBuf>,
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

impl Role {
    pub fn has_workers(self) -> bool {
        self != Role::Signaling
    }

    pub fn has_http(self) -> bool {
        self != Role::Sfu
    }
}

/// Who may publish and watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Auth {
    /// No tokens; the listener is loopback.
    Open,
    /// No tokens; whoever reaches the listener.
    Public,
}

/// Binds, starts, supervises. Returns when a signal has ended it and all children are gone.
pub fn run(plan: &NodePlan) -> Result<Ended, StartError> {
    raise_descriptor_limit();
    let outlet = Outlet::stderr(plan.log).map_err(StartError::prepare("standard error"))?;
    log::init(plan.log, outlet.clone());
    let bound = Bound::bind(plan)?;
    let signals = StopSignals::catch().map_err(StartError::prepare("signal handling"))?;
    let state_file = plan.state_file.clone().map(StateFile::new);
    let mut supervisor = Supervisor::start(bound.specs(plan), signals, outlet.clone(), plan.log)
        .map_err(StartError::prepare("the event loop"))?;
    warn_of_open_doors(plan);
    announce(plan, &bound.addresses, &supervisor.views());
    loop {
        if supervisor.take_changed()
            && let Some(file) = &state_file
            && let Err(e) = file.write(&bound.addresses, &supervisor.views())
        {
            warn!(error = %e, path = ?plan.state_file, "cannot write --state-file");
        }
        if let Some(ended) = supervisor.turn().map_err(StartError::prepare("the event loop"))? {
            outlet.flush();
            return Ok(ended);
        }
    }
}

/// All sockets of a node. They outlive every child.
struct Bound {
    http: Option<Rc<OwnedFd>>,
    admin: Rc<OwnedFd>,
    media: Vec<Worker>,
    addresses: Addresses,
    cores: Vec<usize>,
    dir: RuntimeDir,
}

struct Worker {
    udp: Rc<OwnedFd>,
    tcp: Rc<OwnedFd>,
    control: Rc<OwnedFd>,
}

impl Bound {
    fn bind(plan: &NodePlan) -> Result<Bound, StartError> {
        let http = plan.role.has_http().then(|| listen_http("HTTP address", plan.http, "--http")).transpose()?;
        let admin = listen_http("admin address", plan.admin, "--admin")?;
        let dir = RuntimeDir::create().map_err(StartError::prepare("a private directory for control sockets"))?;
        write_secrets(plan, &dir).map_err(StartError::prepare("the files of the private directory"))?;
        let cores = usable_cores();
        let count = match plan.role.has_workers() {
            false => 0,
            true => plan.workers.unwrap_or_else(|| u16::try_from(cores.len()).unwrap_or(u16::MAX)),
        };
        let mut media = Vec::new();
        let mut media_ports = Vec::new();
        for index in 0..count {
            // The caller refused a range that runs over 65535.
            let port = if plan.media_port == 0 { 0 } else { plan.media_port.saturating_add(index) };
            let MediaSockets { udp, tcp, port } = bind_media(index, port)?;
            let control = listen_control(&control_path(dir.path(), index))?;
            media.push(Worker { udp: Rc::new(udp), tcp: Rc::new(tcp), control: Rc::new(control) });
            media_ports.push(port);
        }
        let addresses = Addresses { http: http.as_ref().map(|http| http.address), admin: admin.address, media_ports };
        let http = http.map(|http| Rc::new(http.fd));
        Ok(Bound { http, admin: Rc::new(admin.fd), media, addresses, cores, dir })
    }

    /// Signaling first, then the workers in order.
    fn specs(&self, plan: &NodePlan) -> Vec<ChildSpec> {
        let mut specs = vec![self.signaling_spec(plan)];
        specs.extend((0..).zip(&self.media).zip(&self.addresses.media_ports).map(|((index, worker), port)| {
            let core = self.cores.get(usize::from(index) % self.cores.len().max(1)).copied();
            worker_spec(plan, index, worker, *port, core)
        }));
        specs
    }

    fn signaling_spec(&self, plan: &NodePlan) -> ChildSpec {
        let args = SignalingArgs {
            supervisor: std::process::id(),
            http_fd: self.http.as_deref().map(raw),
            admin_fd: raw(&self.admin),
            control_dir: self.dir.path().to_owned(),
            media_ports: self.addresses.media_ports.clone(),
            admin_hosts: plan.admin_hosts.clone(),
            trusted_proxies: plan.trusted_proxies.clone(),
            base_path: plan.base_path.clone(),
            per_address: plan.per_address,
            public_ips: plan.public_ips.clone(),
            node: plan.node.clone(),
            region: plan.region.clone(),
            auth: plan.auth,
            log: plan.log,
            restarts: 0,
        };
        let fds = self.http.iter().chain([&self.admin]).cloned().collect();
        child_spec("signaling".to_owned(), args.to_args(), fds)
    }
}

fn worker_spec(plan: &NodePlan, index: u16, worker: &Worker, media_port: u16, core: Option<usize>) -> ChildSpec {
    let args = WorkerArgs {
        supervisor: std::process::id(),
        index,
        udp_fd: raw(&worker.udp),
        tcp_fd: raw(&worker.tcp),
        control_fd: raw(&worker.control),
        media_port,
        core,
        log: plan.log,
        restarts: 0,
    };
    let fds = vec![worker.udp.clone(), worker.tcp.clone(), worker.control.clone()];
    child_spec(format!("worker-{index}"), args.to_args(), fds)
}

/// Our own program by its inode: an upgrade that replaces the file does not mix two versions in one node.
fn child_spec(name: String, args: Vec<OsString>, fds: Vec<Rc<OwnedFd>>) -> ChildSpec {
    ChildSpec { name, program: PathBuf::from("/proc/self/exe"), args, fds }
}

fn raw(fd: &OwnedFd) -> i32 {
    std::os::fd::AsRawFd::as_raw_fd(fd)
}

/// The cores that this process may use: fewer than the machine has inside a container with a CPU set.
fn usable_cores() -> Vec<usize> {
    let Ok(set) = rustix::thread::sched_getaffinity(None) else { return vec![0] };
    let cores: Vec<usize> = (0..rustix::thread::CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).collect();
    if cores.is_empty() { vec![0] } else { cores }
}

/// Each ICE-TCP viewer and each WebSocket is a descriptor; the soft limit of most systems is 1024. Children inherit.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

fn warn_of_open_doors(plan: &NodePlan) {
    if !plan.admin.ip().is_loopback() {
        warn!(admin = %plan.admin, "the admin listener has no access control: let nobody else reach this address");
    }
    if plan.region.is_some() && plan.cluster.is_none() {
        warn!("--region has no effect on a single node");
    }
}

/// What signaling needs to go on with after its own death, and what no list of processes may show.
fn write_secrets(plan: &NodePlan, dir: &RuntimeDir) -> io::Result<()> {
    let mut secret = [0; SECRET_BYTES];
    rustix::rand::getrandom(&mut secret, rustix::rand::GetRandomFlags::empty())?;
    dir.write_secret(NODE_SECRET_FILE, &secret)?;
    match &plan.cluster {
        Some(cluster) => dir.write_secret(CLUSTER_FILE, cluster.as_bytes()),
        None => Ok(()),
    }
}

const SECRET_BYTES: usize = 32;
