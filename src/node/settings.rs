//! Makes one checked plan out of flags, environment, file and defaults, in this order of precedence.
//! Refuses what cannot work, with the way out.

mod acme;
mod file;
mod log_file;
mod paths;
mod state_file;
mod tls;
mod traces;
mod turn;
mod webhooks;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use chappe_sfu_worker::{LOUDEST_DEFAULT, SESSIONS_MAX_DEFAULT};
use chappe_signaling::{IssuerSource, ROOMS_NAMED_DEFAULT};
use chappe_supervisor::{Caps, NodePlan, RenewedPlan, Role};
use chappe_supervisor_api::{AdminAuth, Auth};

use crate::failure::{Failure, usage};
use crate::key_file;
use crate::node::flags::{Flags, Program, WORKERS_MAX, Workers};
pub use traces::traces;
pub use turn::read_turn_secret;

use paths::{absolute, absolute_issuer};

/// The settings of a node, complete and consistent.
pub fn plan(program: Program, flags: Flags) -> Result<NodePlan, Failure> {
    let flags = match &flags.config {
        Some(path) => merged(flags.clone(), file::read(path)?),
        None => flags,
    };
    let role = role(program, &flags)?;
    let state_file = state_file::plan(&flags)?;
    let plan = NodePlan {
        role,
        http: flags.http.unwrap_or(HTTP_DEFAULT),
        admin: flags.admin.unwrap_or(ADMIN_DEFAULT),
        admin_auth: admin_auth(&flags),
        admin_hosts: flags.admin_host.clone().unwrap_or_default(),
        trusted_proxies: flags.trusted_proxy.clone().unwrap_or_default(),
        base_path: flags.base_path.clone().unwrap_or_default(),
        per_address: flags.per_address,
        caps: caps(&flags),
        sessions_per_worker: flags.sessions_per_worker.filter(|max| *max != SESSIONS_MAX_DEFAULT),
        workers: match flags.workers.unwrap_or(Workers::Max) {
            Workers::Max => None,
            Workers::Count(count) => Some(count),
        },
        loudest: flags.loudest.filter(|loudest| *loudest != LOUDEST_DEFAULT),
        media_port: flags.media_port.unwrap_or(MEDIA_PORT_DEFAULT),
        public_ips: flags.public_ip.clone().unwrap_or_default(),
        node: flags.node.clone().unwrap_or_else(host_name),
        region: flags.region.clone(),
        cluster: flags.cluster.clone().filter(|cluster| !cluster.is_empty()),
        auth: auth(&flags)?,
        tls: tls::plan(role, &flags)?,
        turn: turn::listener(role, &flags)?,
        turn_urls: turn::urls(&flags)?,
        turn_secret: flags.turn_secret.as_deref().map(absolute),
        webhooks: webhooks::receivers(&flags)?,
        webhook_secrets: flags.webhook_secrets.clone(),
        webhook_state: webhooks::folder(&flags)?,
        otlp_traces: traces::collector(flags.otlp_endpoint.clone())?,
        room_metrics: flags.room_metrics.filter(|rooms| usize::from(*rooms) != ROOMS_NAMED_DEFAULT),
        keys: flags.keys.as_deref().map(absolute),
        jwks: flags.jwks.clone().unwrap_or_default().iter().map(|text| absolute_issuer(text)).collect(),
        log: flags.log.unwrap_or_default(),
        log_file: log_file::plan(&flags)?,
        log_filter: flags.log_filter,
        state_file,
    };
    check_access(&plan)?;
    check_ports(&plan)?;
    check_public_ips(&plan.public_ips)?;
    Ok(plan)
}

/// What a node that runs takes up of its settings, read again. The reason where they can't be.
pub fn renewed(running: &NodePlan, program: Program, flags: Flags) -> Result<RenewedPlan, String> {
    let fresh = plan(program, flags).map_err(|failure| failure.to_string())?;
    let renewal = running.renewed(fresh);
    // What changes has to go with what stays.
    check_access(&renewal.plan).map_err(|failure| failure.to_string())?;
    Ok(renewal)
}

/// What `first` does not say, `second` does.
fn merged(first: Flags, second: Flags) -> Flags {
    Flags {
        http: first.http.or(second.http),
        admin: first.admin.or(second.admin),
        admin_auth: first.admin_auth.or(second.admin_auth),
        admin_host: first.admin_host.or(second.admin_host),
        trusted_proxy: first.trusted_proxy.or(second.trusted_proxy),
        base_path: first.base_path.or(second.base_path),
        per_address: first.per_address.or(second.per_address),
        rooms_max: first.rooms_max.or(second.rooms_max),
        members_max: first.members_max.or(second.members_max),
        members_per_room: first.members_per_room.or(second.members_per_room),
        streams_per_room: first.streams_per_room.or(second.streams_per_room),
        sessions_per_worker: first.sessions_per_worker.or(second.sessions_per_worker),
        workers: first.workers.or(second.workers),
        loudest: first.loudest.or(second.loudest),
        media_port: first.media_port.or(second.media_port),
        public_ip: first.public_ip.or(second.public_ip),
        auth: first.auth.or(second.auth),
        tls_cert: first.tls_cert.or(second.tls_cert),
        tls_key: first.tls_key.or(second.tls_key),
        tls: first.tls.or(second.tls),
        acme_domain: first.acme_domain.or(second.acme_domain),
        acme_terms: first.acme_terms.or(second.acme_terms),
        acme_email: first.acme_email.or(second.acme_email),
        acme_server: first.acme_server.or(second.acme_server),
        acme_state: first.acme_state.or(second.acme_state),
        turn: first.turn.or(second.turn),
        turn_url: first.turn_url.or(second.turn_url),
        turn_secret: first.turn_secret.or(second.turn_secret),
        keys: first.keys.or(second.keys),
        jwks: first.jwks.or(second.jwks),
        cluster: first.cluster.or(second.cluster),
        node: first.node.or(second.node),
        region: first.region.or(second.region),
        webhook: first.webhook.or(second.webhook),
        webhook_secrets: first.webhook_secrets.or(second.webhook_secrets),
        webhook_state: first.webhook_state.or(second.webhook_state),
        otlp_endpoint: first.otlp_endpoint.or(second.otlp_endpoint),
        room_metrics: first.room_metrics.or(second.room_metrics),
        log: first.log.or(second.log),
        log_filter: first.log_filter.or(second.log_filter),
        log_file: first.log_file.or(second.log_file),
        log_file_size: first.log_file_size.or(second.log_file_size),
        log_files: first.log_files.or(second.log_files),
        state_file: first.state_file.or(second.state_file),
        config: first.config,
    }
}

/// Those that are not the default.
fn caps(flags: &Flags) -> Caps {
    let usual = chappe_signaling::Caps::default();
    let other = |said: Option<u32>, usual| said.filter(|max| usize::try_from(*max) != Ok(usual));
    Caps {
        rooms_max: other(flags.rooms_max, usual.rooms),
        members_max: other(flags.members_max, usual.members),
        members_per_room: other(flags.members_per_room, usual.members_per_room),
        streams_per_room: other(flags.streams_per_room, usual.streams_per_room),
    }
}

fn role(program: Program, flags: &Flags) -> Result<Role, Failure> {
    if let Some(cluster) = &flags.cluster
        && let Err(problem) = chappe_signaling::check_cluster(cluster)
    {
        return usage(format!("--cluster: {problem}"));
    }
    match program {
        Program::Up => Ok(Role::Up),
        Program::Signaling if flags.workers.is_some() => {
            usage("`chappe signaling` runs no workers: leave --workers out, or run `chappe up`")
        }
        Program::Signaling => Ok(Role::Signaling),
        Program::Sfu if flags.cluster.is_none() => usage(
            "`chappe sfu` has no page and no WHIP of its own: name the cluster it serves with --cluster \
             nats://HOST:4222, or run `chappe up`",
        ),
        Program::Sfu => Ok(Role::Sfu),
    }
}

fn auth(flags: &Flags) -> Result<Auth, Failure> {
    let auth = flags.auth.unwrap_or(Auth::Open);
    let admin_wants_keys = admin_auth(flags) == AdminAuth::Key;
    if auth != Auth::Jwt && (flags.jwks.is_some() || flags.keys.is_some() && !admin_wants_keys) {
        return usage("--keys and --jwks go with --auth jwt (or --admin-auth key) only: say that, or leave them out");
    }
    if auth != Auth::Jwt && !admin_wants_keys {
        return Ok(auth);
    }
    let has_keys = flags.keys.is_some() || flags.cluster.is_some() || key_file::of_environment()?.is_some();
    if admin_wants_keys && !has_keys {
        return usage(format!(
            "other machines reach --admin {}, where operators show tokens: name their keys with --keys FILE (`chappe \
             keys add --keys FILE` makes one), or stay on this machine with --admin 127.0.0.1:8081",
            flags.admin.unwrap_or(ADMIN_DEFAULT)
        ));
    }
    if flags.jwks.is_none() && !has_keys {
        return usage(
            "--auth jwt needs keys: `chappe keys add --keys FILE` makes one, then start with --keys FILE (or name an \
             issuer with --jwks)",
        );
    }
    check_issuers(flags.jwks.as_deref().unwrap_or_default())?;
    if let Some(path) = &flags.keys {
        key_file::read(path)?;
    }
    Ok(auth)
}

/// Those whose keys are in files.
fn check_issuers(issuers: &[String]) -> Result<(), Failure> {
    for text in issuers {
        if let Ok((issuer, IssuerSource::File(file))) = IssuerSource::parse(text)
            && let Err(error) = std::fs::read_to_string(&file)
        {
            let file = file.display();
            return usage(format!(
                "--jwks {issuer}={file} can't be read ({error}): it has the public keys of that issuer (JWKS)"
            ));
        }
    }
    Ok(())
}

/// Beyond this machine nobody operates a node without a token, unless that is said.
fn admin_auth(flags: &Flags) -> AdminAuth {
    let is_local = flags.admin.unwrap_or(ADMIN_DEFAULT).ip().to_canonical().is_loopback();
    flags.admin_auth.unwrap_or(if is_local { AdminAuth::Open } else { AdminAuth::Key })
}

fn check_access(plan: &NodePlan) -> Result<(), Failure> {
    if plan.role.has_http() && !plan.auth.may_listen_at(plan.http) {
        return usage(format!(
            "--auth open asks nobody for a token, and other machines may reach {}: either say --auth public \
             (anyone who reaches it may publish and watch) or --auth jwt (with tokens), or stay on this machine with --http 127.0.0.1:{}",
            plan.http,
            plan.http.port()
        ));
    }
    if plan.admin_auth == AdminAuth::Key && plan.tls.is_none() && !plan.admin.ip().to_canonical().is_loopback() {
        return usage(format!(
            "--admin {} is reached over the network, where tokens need TLS: name a certificate (--tls-cert, --tls acme, --tls dev), \
             stay on this machine with --admin 127.0.0.1:{}, or say --admin-auth open where only operators reach it",
            plan.admin,
            plan.admin.port()
        ));
    }
    Ok(())
}

/// What the operating system would call "in use" although no other program is to blame.
fn check_ports(plan: &NodePlan) -> Result<(), Failure> {
    let count = if plan.role.has_workers() { plan.workers.unwrap_or_else(available_cores) } else { 0 };
    let media = u32::from(plan.media_port)..u32::from(plan.media_port) + u32::from(count);
    if media.end > 65_536 {
        return usage(format!(
            "--media-port {} with {count} workers runs over port 65535: choose at most {}",
            plan.media_port,
            65_536 - u32::from(count)
        ));
    }
    let listeners = [("--http", Some(plan.http)), ("--admin", Some(plan.admin)), ("--turn", plan.turn)];
    let listeners: Vec<_> = listeners.into_iter().filter_map(|(flag, address)| Some((flag, address?))).collect();
    for (flag, address) in &listeners {
        if plan.media_port != 0 && media.contains(&u32::from(address.port())) {
            return usage(format!(
                "{flag} {address} is among the media ports {}–{}: change {flag} or --media-port",
                media.start,
                media.end - 1
            ));
        }
    }
    check_shared(&listeners)
}

/// All of them take TCP; a TURN server takes UDP, too.
fn check_shared(listeners: &[(&str, SocketAddr)]) -> Result<(), Failure> {
    for (count, (flag, address)) in listeners.iter().enumerate() {
        if let Some((before, other)) = listeners.iter().take(count).find(|(_, other)| share(*other, *address)) {
            return usage(format!(
                "{before} {other} and {flag} {address} cannot share a port: give one of them another port, or each an \
                 address of its own"
            ));
        }
    }
    Ok(())
}

fn share(a: SocketAddr, b: SocketAddr) -> bool {
    let overlap = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() != 0 && a.port() == b.port() && overlap
}

fn check_public_ips(ips: &[IpAddr]) -> Result<(), Failure> {
    let v4 = ips.iter().filter(|ip| ip.is_ipv4()).count();
    if v4 > 1 || ips.len() - v4 > 1 {
        return usage("--public-ip takes at most one IPv4 and one IPv6 address, for example 203.0.113.7,2001:db8::7");
    }
    Ok(())
}

/// What `--workers max` means here.
fn available_cores() -> u16 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    u16::try_from(cores).unwrap_or(WORKERS_MAX).min(WORKERS_MAX)
}

/// The host name, as far as it is a name by our rule.
fn host_name() -> String {
    let uname = rustix::system::uname();
    let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String = uname.nodename().to_string_lossy().chars().filter(plain).take(64).collect();
    if name.is_empty() { "node".to_owned() } else { name }
}

const HTTP_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
const ADMIN_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8081);
const MEDIA_PORT_DEFAULT: u16 = 7000;

#[cfg(test)]
mod tests;
