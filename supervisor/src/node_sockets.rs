//! Owns the sockets of a node, and knows what is started in which place with which of them. They outlive every child;
//! those of a worker go when its place is given up. Starts nothing.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use chappe_supervisor_api::ProcessName;

use crate::child::{SignalingArgs, WorkerArgs};
use crate::plan::NodePlan;
use crate::process::ChildSpec;
use crate::runtime_dir::{CLUSTER_FILE, NODE_SECRET_FILE, RuntimeDir, control_path};
use crate::sockets::{MediaSockets, StartError, bind_media, bind_turn, listen_control, listen_http};
use crate::state_file::Addresses;

pub struct NodeSockets {
    http: Option<Rc<OwnedFd>>,
    admin: Rc<OwnedFd>,
    turn: Option<TurnFds>,
    workers: BTreeMap<u16, WorkerSockets>,
    addresses: Addresses,
    cores: Vec<usize>,
    /// What a process is started from.
    program: PathBuf,
    dir: RuntimeDir,
}

struct TurnFds {
    udp: Rc<OwnedFd>,
    tcp: Rc<OwnedFd>,
}

struct WorkerSockets {
    udp: Rc<OwnedFd>,
    tcp: Rc<OwnedFd>,
    control: Rc<OwnedFd>,
    port: u16,
}

impl NodeSockets {
    pub fn bind(plan: &NodePlan) -> Result<NodeSockets, StartError> {
        let http = plan.role.has_http().then(|| listen_http("HTTP address", plan.http, "--http")).transpose()?;
        let admin = listen_http("admin address", plan.admin, "--admin")?;
        let turn = plan.turn.map(bind_turn).transpose()?;
        let dir = RuntimeDir::create().map_err(StartError::prepare("a private directory for control sockets"))?;
        write_secrets(plan, &dir).map_err(StartError::prepare("the files of the private directory"))?;
        let cores = usable_cores();
        let count = match plan.role.has_workers() {
            false => 0,
            true => plan.workers.unwrap_or_else(|| u16::try_from(cores.len()).unwrap_or(u16::MAX)),
        };
        let mut sockets = NodeSockets {
            addresses: Addresses {
                http: http.as_ref().map(|http| http.address),
                admin: admin.address,
                has_admin_tls: plan.has_admin_tls(),
            },
            http: http.map(|http| Rc::new(http.fd)),
            admin: Rc::new(admin.fd),
            turn: turn.map(|turn| TurnFds { udp: Rc::new(turn.udp), tcp: Rc::new(turn.tcp) }),
            workers: BTreeMap::new(),
            cores,
            // Our own file by its inode: an upgrade that replaces it does not mix two versions in one node.
            program: PathBuf::from("/proc/self/exe"),
            dir,
        };
        for _ in 0..count {
            sockets.add_worker(plan)?;
        }
        Ok(sockets)
    }

    /// Binds the sockets of the next worker; its index.
    pub fn add_worker(&mut self, plan: &NodePlan) -> Result<u16, StartError> {
        let index = self.workers.last_key_value().map_or(0, |(last, _)| last + 1);
        // The command line refused a range that runs over 65535; a node that grows into the end finds no port there.
        let port = if plan.media_port == 0 { 0 } else { plan.media_port.saturating_add(index) };
        let MediaSockets { udp, tcp, port } = bind_media(index, port)?;
        let control = listen_control(&control_path(self.dir.path(), index))?;
        let (udp, tcp, control) = (Rc::new(udp), Rc::new(tcp), Rc::new(control));
        self.workers.insert(index, WorkerSockets { udp, tcp, control, port });
        Ok(index)
    }

    /// Closes its sockets.
    pub fn remove_worker(&mut self, index: u16) {
        if self.workers.remove(&index).is_some() {
            let _ = std::fs::remove_file(control_path(self.dir.path(), index));
        }
    }

    /// Processes are started from this file from now on.
    pub fn set_program(&mut self, program: PathBuf) {
        self.program = program;
    }

    pub fn program(&self) -> &Path {
        &self.program
    }

    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// The private directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Signaling first, then the workers in order.
    pub fn specs(&self, plan: &NodePlan) -> Vec<ChildSpec> {
        let workers = self.workers.keys().filter_map(|index| self.worker_spec(plan, *index));
        [self.signaling_spec(plan)].into_iter().chain(workers).collect()
    }

    pub fn signaling_spec(&self, plan: &NodePlan) -> ChildSpec {
        let acme = plan.tls.as_ref().and_then(|tls| tls.acme.as_ref());
        let args = SignalingArgs {
            supervisor: std::process::id(),
            http_fd: self.http.as_deref().map(raw),
            admin_fd: raw(&self.admin),
            control_dir: self.dir.path().to_owned(),
            media_ports: self.workers.values().map(|worker| worker.port).collect(),
            admin_hosts: plan.admin_hosts.clone(),
            trusted_proxies: plan.trusted_proxies.clone(),
            base_path: plan.base_path.clone(),
            per_address: plan.per_address,
            caps: plan.caps,
            public_ips: plan.public_ips.clone(),
            node: plan.node.clone(),
            region: plan.region.clone(),
            auth: plan.auth,
            admin_auth: plan.admin_auth,
            tls_cert: plan.tls.as_ref().map(|tls| tls.certificate.clone()),
            tls_key: plan.tls.as_ref().map(|tls| tls.key.clone()),
            acme_server: acme.map(|acme| acme.server.clone()),
            acme_domains: acme.map(|acme| acme.domains.clone()).unwrap_or_default(),
            acme_email: acme.and_then(|acme| acme.email.clone()),
            turn_udp_fd: self.turn.as_ref().map(|turn| raw(&turn.udp)),
            turn_tcp_fd: self.turn.as_ref().map(|turn| raw(&turn.tcp)),
            turn_urls: plan.turn_urls.clone(),
            turn_secret: plan.turn_secret.clone(),
            webhooks: plan.webhooks.clone(),
            webhook_secrets: plan.webhook_secrets.clone(),
            webhook_state: plan.webhook_state.clone(),
            otlp_traces: plan.otlp_traces.clone(),
            room_metrics: plan.room_metrics,
            keys: plan.keys.clone(),
            jwks: plan.jwks.clone(),
            log: plan.log,
            log_filter: plan.log_filter.clone(),
            restarts: 0,
        };
        let turn = self.turn.iter().flat_map(|turn| [&turn.udp, &turn.tcp]);
        let fds = self.http.iter().chain([&self.admin]).chain(turn).cloned().collect();
        self.spec(ProcessName::Signaling, args.to_args(), fds, None)
    }

    pub fn worker_spec(&self, plan: &NodePlan, index: u16) -> Option<ChildSpec> {
        let worker = self.workers.get(&index)?;
        let args = WorkerArgs {
            supervisor: std::process::id(),
            index,
            udp_fd: raw(&worker.udp),
            tcp_fd: raw(&worker.tcp),
            control_fd: raw(&worker.control),
            media_port: worker.port,
            core: self.cores.get(usize::from(index) % self.cores.len().max(1)).copied(),
            loudest: plan.loudest,
            sessions: plan.sessions_per_worker,
            log: plan.log,
            log_filter: plan.log_filter.clone(),
            restarts: 0,
        };
        let fds = vec![worker.udp.clone(), worker.tcp.clone(), worker.control.clone()];
        Some(self.spec(ProcessName::Worker(index), args.to_args(), fds, Some(worker.port)))
    }

    fn spec(&self, name: ProcessName, args: Vec<OsString>, fds: Vec<Rc<OwnedFd>>, port: Option<u16>) -> ChildSpec {
        ChildSpec { name, program: self.program.clone(), args, fds, media_port: port }
    }
}

fn raw(fd: &OwnedFd) -> RawFd {
    fd.as_raw_fd()
}

/// The cores that this process may use: fewer than the machine has inside a container with a CPU set.
fn usable_cores() -> Vec<usize> {
    let Ok(set) = rustix::thread::sched_getaffinity(None) else { return vec![0] };
    let cores: Vec<usize> = (0..rustix::thread::CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).collect();
    if cores.is_empty() { vec![0] } else { cores }
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
