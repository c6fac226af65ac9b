//! Owns the life of the process: start, serve, stop.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chappe_cluster::NodeName;
use chappe_signaling_access::KeyRing;
use chappe_signaling_addresses::Addresses;
use chappe_signaling_edge::admin::Admin;
use chappe_signaling_edge::http::TlsReport;
use chappe_signaling_edge::supervisor::Supervisor;
use chappe_signaling_edge::{Gate, Processes};
use chappe_signaling_service::{
    AddressLimits, Cluster, DrainFile, Exit, Identity, Outgoing, Service, unix_ms, worker_link,
};
use chappe_signaling_tls::{Facts, PemFiles};
use chappe_signaling_traces::{Resource, Tracer};
use chappe_supervisor_api::{AdminAuth, Auth};
use futures_util::future::BoxFuture;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::acme::{Acme, AcmeConfig};
use crate::addresses::follow_addresses;
use crate::certificate::{Certificate, follow};
use crate::cluster;
use crate::config::{Config, KeySources, SignalingError, Stopped};
use crate::fleet::follow_fleet;
use crate::keys::KeyFollower;
use crate::listeners::Listeners;
use crate::traces::{QUEUE_SPANS_MAX, Traces, tell_collector};
use crate::turn::Turn;
use crate::webhooks::Receivers;

/// Runs signaling until it is told to stop (SIGTERM or SIGINT). Sessions go on in the workers.
pub fn run(config: Config) -> Result<Stopped, SignalingError> {
    if let Some(parent) = config.parent {
        die_with_parent(parent)?;
    }
    raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(SignalingError::Runtime)?;
    let result = runtime.block_on(run_until(config, Box::pin(stop_signal())));
    // Connections of pages are still open; they resume at the next process.
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}

/// The same until `stop` completes. Apart from [`run`], tests call it too.
///
/// In boxes, so that all of it is compiled here and not once more in each program that calls it.
pub fn run_until(config: Config, stop: BoxFuture<'static, ()>) -> BoxFuture<'static, Result<Stopped, SignalingError>> {
    Box::pin(serve_until(config, stop))
}

async fn serve_until(config: Config, stop: BoxFuture<'static, ()>) -> Result<Stopped, SignalingError> {
    let public = config.http.as_ref().map(TcpListener::local_addr).transpose();
    let public = public.map_err(|error| SignalingError::Listener("public", error))?;
    if let Some(public) = public.filter(|public| !config.auth.may_listen_at(*public)) {
        return Err(SignalingError::OpenButReachable(public));
    }
    let report = Arc::new(TlsReport::default());
    let certificate = config.tls.clone().map(|files| Certificate::load(files, Arc::clone(&report))).transpose()?;
    let hosts = certificate.as_ref().map(|certificate| certificate.facts.hosts());
    let named = certificate.as_ref().map(|certificate| hosts_for_pages(config.auth, public, &certificate.facts));
    let addresses = Addresses::read(config.public_ips.clone(), public, named).map_err(SignalingError::Interfaces)?;
    info!(node = config.node, ?public, addresses = ?addresses.now().candidates, "signaling starts");
    let (links, queues): (Vec<_>, Vec<_>) = config.workers.iter().map(|_| worker_link()).unzip();
    let engine = cluster::join(config.cluster.as_deref(), &config.node).await?;
    let identity = identity(&config)?;
    let (cluster, outgoing) = Cluster::new(engine, config.cluster.is_none(), identity, &config.secret);
    let limits = (AddressLimits::new(config.access.per_address), config.caps);
    let drain_file = DrainFile::beside(config.workers.first().map(PathBuf::as_path));
    let turn = Turn::new(config.turn, config.turn_sockets, &config.secret, hosts)?;
    let (tracer, telling) = follow_joins(config.traces, &cluster.identity);
    let service = Service::new(cluster, links, addresses, limits, drain_file, turn.servers(), tracer);
    service.resume_drain();
    cluster::check_entry(&service).await?;
    let supervisor = Supervisor::at(config.supervisor.clone());
    let processes = Processes::new(Arc::clone(&service), supervisor.clone());
    let mut tasks = spawn_cluster(&service, processes.clone(), outgoing).await;
    tasks.spawn(follow_fleet(Arc::clone(&service), supervisor, config.workers.into_iter().zip(queues).collect()));
    tasks.spawn(telling);
    spawn_followers(&mut tasks, &service);
    let mut receivers = Receivers::tell(&service, config.webhooks, config.supervisor.as_deref());
    let (stopping, stopped) = watch::channel(false);
    let asks_for_tokens = config.auth == Auth::Jwt || config.admin_auth == AdminAuth::Key;
    let keys = spawn_keys(&mut tasks, &service, config.keys, asks_for_tokens);
    let gate = Arc::new(Gate::new(config.auth, Arc::clone(&service), keys));
    tasks.spawn(Arc::clone(&gate).tidy());
    let tls = certificate.as_ref().map(|certificate| certificate.tls.clone());
    spawn_certificate(&mut tasks, certificate, config.acme.zip(config.tls), public);
    let relayed = turn.counts();
    tasks.spawn(turn.run(Arc::clone(&service), tls.clone()));
    let seen = Admin::new(Arc::clone(&service), report, relayed, processes, config.rooms_named);
    let listeners = Listeners {
        admin: config.admin,
        public: config.http,
        auth: config.auth,
        admin_auth: config.admin_auth,
        access: config.access,
        gate,
        tls,
    };
    let mut servers = listeners.spawn(seen, stopped)?;
    let ending = tokio::select! {
        () = stop => None,
        ending = service.ended() => Some(ending),
        () = panicked(&mut tasks) => return Err(SignalingError::TaskPanicked),
        () = panicked(&mut receivers.tasks) => return Err(SignalingError::TaskPanicked),
    };
    info!("signaling stops");
    stopping.send_replace(true);
    while servers.join_next().await.is_some() {}
    tasks.shutdown().await;
    receivers.finish().await;
    match ending {
        None => Ok(Stopped::Asked),
        Some(Exit::Drained) => {
            service.remove_own_state().await;
            Ok(Stopped::Drained)
        }
        Some(Exit::NameTaken) => Err(SignalingError::NameTaken(service.node().to_string())),
    }
}

/// As which hosts of the certificate pages find the public listener. `--auth open` refuses all names of the machine but
/// its loopback ones.
fn hosts_for_pages(auth: Auth, public: Option<SocketAddr>, facts: &Facts) -> Vec<String> {
    match public.filter(|_| auth == Auth::Open) {
        Some(public) => facts.hosts_here(public.ip()),
        None => facts.hosts(),
    }
}

/// What listens and speaks to other nodes, once their streams are known.
async fn spawn_cluster(
    service: &Arc<Service>,
    processes: Processes,
    outgoing: mpsc::Receiver<Outgoing>,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(cluster::send_outgoing(Arc::clone(service), outgoing));
    tasks.spawn(cluster::agree_on_secret(Arc::clone(service)));
    cluster::gather(service).await;
    tasks.spawn(cluster::serve_requests(Arc::clone(service), processes));
    tasks.spawn(cluster::follow_cluster(Arc::clone(service)));
    tasks
}

/// What renews it, by ACME and in its files.
fn spawn_certificate(
    tasks: &mut JoinSet<()>,
    certificate: Option<Certificate>,
    acme: Option<(AcmeConfig, PemFiles)>,
    public: Option<SocketAddr>,
) {
    if let (Some((acme, files)), Some(certificate)) = (acme, &certificate) {
        tasks.spawn(Acme::new(acme, &files, certificate, public.map(|at| at.port())).follow());
    }
    tasks.spawn(follow(certificate));
}

/// The keys that tokens are checked with, as they come and go.
fn spawn_keys(
    tasks: &mut JoinSet<()>,
    service: &Arc<Service>,
    sources: KeySources,
    are_asked_for: bool,
) -> watch::Receiver<Arc<KeyRing>> {
    let (ring, keys) = watch::channel(Arc::new(KeyRing::default()));
    if are_asked_for {
        tasks.spawn(KeyFollower::start(Arc::clone(service), sources, ring).follow());
    }
    keys
}

/// What needs the service alone.
fn spawn_followers(tasks: &mut JoinSet<()>, service: &Arc<Service>) {
    tasks.spawn(settle(Arc::clone(service)));
    tasks.spawn(follow_addresses(Arc::clone(service)));
}

/// Where the steps of joins begin, and what tells of them.
fn follow_joins(traces: Option<Traces>, identity: &Identity) -> (Tracer, impl Future<Output = ()> + use<>) {
    let following = traces.map(|Traces { collector, service, attributes }| {
        let (node, region) = (identity.node.to_string(), identity.region.clone());
        let (tracer, ended) = Tracer::new(QUEUE_SPANS_MAX);
        (tracer, ended, collector, Resource { service, node, region, more: attributes })
    });
    let tracer = following.as_ref().map(|(tracer, ..)| tracer.clone()).unwrap_or_default();
    let telling = async move {
        if let Some((tracer, ended, collector, resource)) = following {
            tell_collector(collector, resource, tracer, ended).await;
        }
    };
    (tracer, telling)
}

/// Who this node is to others.
fn identity(config: &Config) -> Result<Identity, SignalingError> {
    let node = NodeName::parse(&config.node).map_err(|_| SignalingError::BadNode(config.node.clone()))?;
    let (instance, started_ms) = (rand::random(), unix_ms());
    Ok(Identity { node, instance, started_ms, region: config.region.clone() })
}

/// Workers that live report at once. One that does not must not keep the others from serving.
async fn settle(service: Arc<Service>) {
    let _ = tokio::time::timeout(SETTLE_WITHIN, service.wait_settled()).await;
    service.settle();
}

/// Completes when a task that the whole process needs has panicked. A page or a request that panics ends alone; without
/// one of these the process would go on without hearing anything, while another one takes up all that this one knew.
async fn panicked(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        if ended.is_err_and(|error| error.is_panic()) {
            return;
        }
    }
    std::future::pending().await
}

async fn stop_signal() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        // Without handlers the signals end the process as they always do.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// The kernel ends this process when its parent is gone, even when that was killed.
fn die_with_parent(parent: u32) -> Result<(), SignalingError> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| SignalingError::Runtime(error.into()))?;
    // It may have gone before the line above.
    let present = getppid().map(|pid| pid.as_raw_nonzero().get());
    if present.and_then(|pid| u32::try_from(pid).ok()) == Some(parent) {
        Ok(())
    } else {
        Err(SignalingError::ParentGone)
    }
}

/// Each connection takes a descriptor, and the usual soft limit of 1024 is less than one full worker needs.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        warn!(%error, ?current, "the limit of open descriptors can't be raised");
    }
}

/// How long a new signaling process waits for its workers' snapshots.
const SETTLE_WITHIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_is_no_panic_and_one_that_panics_is() {
        let mut tasks = JoinSet::new();
        tasks.spawn(async {});
        assert!(tokio::time::timeout(Duration::from_millis(20), panicked(&mut tasks)).await.is_err());
        tasks.spawn(async { panic!("on what another node said") });
        panicked(&mut tasks).await;
    }
}
