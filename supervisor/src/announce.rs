//! Tells the person who started the node where to go, on standard output. Logs go elsewhere.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};

use chappe_supervisor_api::{Auth, ProcessName, ProcessStatus};
use tracing::info;

use crate::log_format::LogFormat;
use crate::plan::NodePlan;
use crate::shown::Shown;
use crate::state_file::Addresses;

/// In JSON the same goes to the log, as fields.
pub fn announce(plan: &NodePlan, addresses: Addresses, processes: &[ProcessStatus], shown: Shown) {
    if plan.log == LogFormat::Json {
        let ports: Vec<u16> = processes.iter().filter_map(|process| process.media_port).collect();
        let ports = format!("{ports:?}");
        let page = addresses.http.map(|http| page(scheme(plan), http));
        info!(page, admin = %addresses.admin, media_ports = ports, "listening");
        return;
    }
    // Nobody may be reading (`chappe >&-`); that is no reason to stop.
    let _ = std::io::stdout().lock().write_all(text(plan, addresses, processes, shown).as_bytes());
}

fn text(plan: &NodePlan, addresses: Addresses, processes: &[ProcessStatus], shown: Shown) -> String {
    let mut lines = vec![format!("chappe {} on node {}", env!("CARGO_PKG_VERSION"), plan.node)];
    let scheme = scheme(plan);
    lines.extend(addresses.http.map(|http| format!("  open      {}", page(scheme, http))));
    lines.extend(addresses.http.into_iter().flat_map(|http| trusted(plan, http)));
    lines.push(format!("  admin     {}://{}", if addresses.has_admin_tls { "https" } else { "http" }, addresses.admin));
    lines.extend(plan.turn.map(|turn| {
        let kinds = if plan.tls.is_some() { "UDP, TCP and TLS" } else { "UDP and TCP" };
        format!("  turn      {turn}, {kinds}")
    }));
    lines.extend(plan.cluster.as_deref().map(|cluster| format!("  cluster   {}", without_credentials(cluster))));
    for process in processes {
        let pid = process.pid.map_or("not started yet".to_owned(), |pid| format!("pid {pid}"));
        lines.push(match (process.name, process.media_port) {
            (ProcessName::Worker(index), Some(port)) => {
                format!("  worker {index:<2} {pid}, media on UDP and TCP port {port}")
            }
            (ProcessName::Worker(_) | ProcessName::Signaling, _) => format!("  signaling {pid}"),
        });
    }
    if !processes.iter().any(|process| process.name != ProcessName::Signaling) {
        lines.push("  no workers here: publishing and watching get 503 until a node with workers joins".to_owned());
    }
    lines.extend(plan.role.has_http().then(|| match plan.auth {
        Auth::Open => "  access    open: this machine only, no tokens".to_owned(),
        Auth::Public => "  access    public: anyone who reaches the address may publish and watch".to_owned(),
        Auth::Jwt => "  access    jwt: whoever shows a token (chappe token makes one)".to_owned(),
    }));
    if shown == Shown::Warnings {
        lines.push("  log       warnings here, all of it with `chappe logs -f`".to_owned());
    }
    lines.push("Ctrl-C stops all of it.\n".to_owned());
    lines.join("\n")
}

/// The addresses of a list of URLs, without user names, passwords and options.
fn without_credentials(cluster: &str) -> String {
    let bare = |url: &str| {
        let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
        let rest = rest.split('?').next().unwrap_or_default();
        let host = rest.rsplit('@').next().unwrap_or_default();
        if scheme.is_empty() { host.to_owned() } else { format!("{scheme}://{host}") }
    };
    cluster.split(',').map(bare).collect::<Vec<_>>().join(",")
}

/// What to do with a certificate that no browser trusts by itself.
fn trusted(plan: &NodePlan, http: SocketAddr) -> Vec<String> {
    let Some(tls) = &plan.tls else { return Vec::new() };
    if let Some(acme) = &tls.acme {
        let port = if http.port() == 443 { String::new() } else { format!(":{}", http.port()) };
        let mut lines: Vec<String> =
            acme.domains.iter().map(|domain| format!("            https://{domain}{port}")).collect();
        lines.push(format!("  acme      certificate from {}: the log says when it is there", acme.server));
        return lines;
    }
    let Some(made) = &tls.development else { return Vec::new() };
    let reachable = made.addresses.iter().filter(|_| http.ip().is_unspecified());
    let mut lines: Vec<String> =
        reachable.map(|ip| format!("            https://{}", SocketAddr::new(*ip, http.port()))).collect();
    lines.push(format!("  trust     {}", made.authority.display()));
    lines.push("            (import it as a certificate authority, or accept the browser's warning)".to_owned());
    lines
}

fn scheme(plan: &NodePlan) -> &'static str {
    if plan.tls.is_some() { "https" } else { "http" }
}

/// `localhost` rather than 127.0.0.1, because it reads better and is a secure context for camera access either way.
fn page(scheme: &str, http: SocketAddr) -> String {
    match http.ip() {
        ip if ip.is_loopback() && matches!(ip, IpAddr::V4(_)) => format!("{scheme}://localhost:{}", http.port()),
        ip if ip.is_unspecified() => format!("{scheme}://localhost:{} (or any address of this machine)", http.port()),
        _ => format!("{scheme}://{http}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_of_the_cluster_is_not_shown() {
        let shown = without_credentials("nats://user:secret@h1:4222,h2:4222?token=secret");
        assert_eq!(shown, "nats://h1:4222,h2:4222");
    }

    #[test]
    fn the_page_is_named_as_a_browser_on_this_machine_would_open_it() {
        let page_of = |text: &str| page("http", text.parse().unwrap());
        assert_eq!(page_of("127.0.0.1:8080"), "http://localhost:8080");
        assert_eq!(page_of("0.0.0.0:80"), "http://localhost:80 (or any address of this machine)");
        assert_eq!(page_of("[::1]:8080"), "http://[::1]:8080");
        assert_eq!(page_of("192.0.2.7:8080"), "http://192.0.2.7:8080");
    }
}
