//! The two programs that the supervisor starts. Each takes its inherited sockets and hands over to its crate.

use std::ffi::OsString;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::process::ExitCode;

use chappe_sfu_api::WorkerIndex;
use chappe_sfu_io::inherited::{self, SocketKind};
use chappe_sfu_worker::{Parent, SESSIONS_MAX_DEFAULT, WorkerConfig};
use chappe_signaling::{
    AccessConfig, AcmeConfig, AdminAuth, Auth, BasePath, Caps, Config, Host, IssuerSource, KeySources, Network,
    PemFiles, Proxies, ROOMS_NAMED_DEFAULT, Stopped, TurnServers, TurnSockets, TurnUrl, Webhooks,
};
use chappe_signaling_access::parse_keys;
use chappe_supervisor::child::{ParentLines, SignalingArgs, WorkerArgs};
use chappe_supervisor::{EXIT_REFUSE, EXIT_STOP};
use clap::Parser;
use tracing::error;

use crate::failure::{Failure, one_line};
use crate::key_file::KEYS_VARIABLE;
use crate::node::settings::{read_turn_secret, traces};

/// `chappe worker …`
pub fn worker(args: &[OsString]) -> Result<ExitCode, Failure> {
    let args = WorkerArgs::try_parse_from(args).map_err(|e| Failure::Usage(one_line(&e)))?;
    let parent = args.enter().map_err(|e| Failure::Start(format!("worker {}: {e}", args.index)))?;
    let run = || {
        let index = WorkerIndex(args.index);
        let sessions = args.sessions.unwrap_or(SESSIONS_MAX_DEFAULT);
        let (udp, tcp, control) = (args.udp_fd, args.tcp_fd, args.control_fd);
        let config = WorkerConfig::from_inherited(index, args.media_port, udp, tcp, control, sessions)?;
        let loudest = args.loudest.unwrap_or(config.loudest);
        let config = WorkerConfig { restarts: args.restarts, loudest, ..config };
        chappe_sfu_worker::run(config, Box::new(ParentChannel(parent)))
    };
    Ok(ended(&format!("worker {}", args.index), run()))
}

/// `chappe signaling-process …`
pub fn signaling(args: &[OsString]) -> Result<ExitCode, Failure> {
    let args = SignalingArgs::try_parse_from(args).map_err(|e| Failure::Usage(one_line(&e)))?;
    let parent = args.enter().map_err(|e| Failure::Start(format!("signaling: {e}")))?;
    parent.follow_on_thread();
    let unreadable = |e: std::io::Error| Failure::Start(format!("signaling: the private directory: {e}"));
    let config = Config {
        http: args.http_fd.map(listener).transpose()?,
        admin: listener(args.admin_fd)?,
        workers: (0..).zip(&args.media_ports).map(|(index, _)| args.control_path(index)).collect(),
        supervisor: Some(args.command_channel()),
        parent: Some(args.supervisor),
        node: args.node.clone(),
        auth: args.auth,
        admin_auth: args.admin_auth,
        tls: args.tls_cert.clone().zip(args.tls_key.clone()).map(|(certificate, key)| PemFiles { certificate, key }),
        acme: args.acme_server.clone().map(|server| AcmeConfig {
            server,
            domains: args.acme_domains.clone(),
            email: args.acme_email.clone(),
        }),
        turn: turn(&args)?,
        turn_sockets: turn_sockets(&args)?,
        keys: keys(&args)?,
        access: access(&args)?,
        caps: caps(&args),
        public_ips: args.public_ips.clone(),
        region: args.region.clone(),
        cluster: args.cluster().map_err(unreadable)?,
        webhooks: webhooks(&args)?,
        traces: args.otlp_traces.as_deref().map(traces).transpose()?,
        rooms_named: args.room_metrics.map_or(ROOMS_NAMED_DEFAULT, usize::from),
        secret: args.node_secret().map_err(unreadable)?,
    };
    match chappe_signaling::run(config) {
        Ok(Stopped::Asked) => Ok(ExitCode::SUCCESS),
        Ok(Stopped::Drained) => Ok(ExitCode::from(EXIT_STOP)),
        Err(error) if error.is_final() => {
            error!(%error, "this node cannot run");
            Ok(ExitCode::from(EXIT_REFUSE))
        }
        Err(error) => Ok(ended("signaling", Err(error))),
    }
}

/// A worker has one thread, which looks at this one among all else.
#[derive(Debug)]
struct ParentChannel(ParentLines);

impl Parent for ParentChannel {
    fn handle_ready(&mut self) -> bool {
        self.0.handle_ready()
    }
}

impl AsFd for ParentChannel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Where the keys are that tokens are checked with.
fn keys(args: &SignalingArgs) -> Result<KeySources, Failure> {
    let text = if args.auth == Auth::Jwt || args.admin_auth == AdminAuth::Key {
        std::env::var(KEYS_VARIABLE).unwrap_or_default()
    } else {
        String::new()
    };
    let environment = parse_keys(&text).map_err(|e| Failure::Start(format!("signaling: {KEYS_VARIABLE}: {e}")))?;
    let issuers = args.jwks.iter().filter_map(|text| IssuerSource::parse(text).ok()).collect();
    Ok(KeySources { file: args.keys.clone(), environment, issuers })
}

fn turn_sockets(args: &SignalingArgs) -> Result<Option<TurnSockets>, Failure> {
    let Some((udp, tcp)) = args.turn_udp_fd.zip(args.turn_tcp_fd) else { return Ok(None) };
    let udp = inherited::take(udp, SocketKind::Udp).map_err(|e| Failure::Start(format!("signaling: {e}")))?;
    Ok(Some(TurnSockets { udp: udp.into(), tcp: listener(tcp)? }))
}

fn turn(args: &SignalingArgs) -> Result<TurnServers, Failure> {
    let Some(file) = &args.turn_secret else { return Ok(TurnServers::default()) };
    let urls: Vec<TurnUrl> = args.turn_urls.iter().filter_map(|text| TurnUrl::parse(text).ok()).collect();
    let secret = read_turn_secret(file).map_err(|problem| Failure::Start(format!("signaling: {problem}")))?;
    Ok(TurnServers::new(&urls, secret))
}

/// The parent has checked it all, but a program that starts this one by hand may not have.
fn access(args: &SignalingArgs) -> Result<AccessConfig, Failure> {
    let bad = |flag: &str| Failure::Start(format!("signaling: {flag} can't be understood"));
    let hosts = args.admin_hosts.iter().map(|name| Host::parse(name).ok_or_else(|| bad("--admin-host")));
    let networks = args.trusted_proxies.iter().map(|text| Network::parse(text).map_err(|_| bad("--trusted-proxy")));
    Ok(AccessConfig {
        admin_hosts: hosts.collect::<Result<_, _>>()?,
        proxies: Proxies::new(networks.collect::<Result<_, _>>()?),
        per_address: args.per_address.and_then(|max| usize::try_from(max).ok()),
        base_path: BasePath::parse(&args.base_path).map_err(|_| bad("--base-path"))?,
    })
}

fn caps(args: &SignalingArgs) -> Caps {
    let (said, usual) = (args.caps, Caps::default());
    let or = |said: Option<u32>, usual| said.and_then(|max| usize::try_from(max).ok()).unwrap_or(usual);
    Caps {
        rooms: or(said.rooms_max, usual.rooms),
        members: or(said.members_max, usual.members),
        members_per_room: or(said.members_per_room, usual.members_per_room),
        streams_per_room: or(said.streams_per_room, usual.streams_per_room),
    }
}

fn webhooks(args: &SignalingArgs) -> Result<Option<Webhooks>, Failure> {
    let Some(secret_file) = args.webhook_secrets.clone() else { return Ok(None) };
    let receivers = args.webhooks.iter().map(|text| chappe_signaling::check_receiver(text));
    let receivers = receivers.collect::<Result<_, _>>();
    let receivers = receivers.map_err(|problem| Failure::Start(format!("signaling: --webhook {problem}")))?;
    Ok(Some(Webhooks { receivers, secret_file, state: args.webhook_state.clone() }))
}

fn listener(fd: RawFd) -> Result<TcpListener, Failure> {
    let owned = inherited::take(fd, SocketKind::TcpListener).map_err(|e| Failure::Start(format!("signaling: {e}")))?;
    Ok(TcpListener::from(owned))
}

/// The parent starts another in either case; the log says why.
fn ended<E: std::error::Error>(who: &str, result: Result<(), E>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            error!(error = %e, "{who} cannot go on");
            ExitCode::FAILURE
        }
    }
}
