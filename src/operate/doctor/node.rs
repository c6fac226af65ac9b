//! Looks at a node that runs: whether it is ready, whether its media ports answer, at which addresses clients reach it.

use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::finding::Finding;
use crate::failure::Failure;
use crate::operate::admin::Admin;
use crate::operate::commands::Target;

/// A node that does not answer is a finding, too: a port may be missing, or the node.
pub fn examine(target: &Target) -> Result<Vec<Finding>, Failure> {
    let admin = Admin::of(target)?;
    let nodes: Vec<Value> = match admin.get("/api/v1/nodes") {
        Ok(nodes) => nodes,
        Err(Failure::NotReached(why)) => {
            return Ok(vec![Finding::fail(
                "admin listener",
                why,
                "start a node with `chappe`, or name one with --admin",
            )]);
        }
        Err(failure) => return Err(failure),
    };
    let mut findings = vec![Finding::ok("admin listener", admin.base())];
    let Some(own) = nodes.iter().find(|node| !node["pid"].is_null()) else { return Ok(findings) };
    let workers: Vec<Value> = admin.get("/api/v1/workers")?;
    let ours: Vec<&Value> = workers.iter().filter(|worker| worker["node"] == own["node"]).collect();
    findings.push(serving(&ours));
    let host = host_of(admin.base());
    findings.extend(ours.iter().filter_map(|worker| media_port(host?, worker)));
    let origins: Vec<&str> = own["origins"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    findings.push(public_address(&origins));
    findings.extend(own["certificate_expires_ms"].as_u64().map(certificate));
    findings
        .extend(own["certificate_problem"].as_str().map(|why| Finding::warn("certificate by ACME", why, ACME_REMEDY)));
    findings.push(cluster(&admin, nodes.len()));
    Ok(findings)
}

fn serving(workers: &[&Value]) -> Finding {
    let serve = workers.iter().filter(|worker| worker["state"] == "serving").count();
    let found = format!("{serve} of {} serve", workers.len());
    match serve {
        0 => Finding::fail("workers", found, "`chappe logs` says why none serves"),
        _ if serve < workers.len() => {
            Finding::warn("workers", found, "`chappe ls` shows which, `chappe logs` says why")
        }
        _ => Finding::ok("workers", found),
    }
}

/// ICE-TCP answers a connection, and a STUN request over UDP without credentials is answered 400 or not at all; so
/// what a refused datagram proves is that nobody listens there.
fn media_port(host: IpAddr, worker: &Value) -> Option<Finding> {
    let port = u16::try_from(worker["media_port"].as_u64()?).ok()?;
    let address = SocketAddr::new(host, port);
    let open = "open the port for UDP and TCP in the firewall of the machine and of the provider";
    if let Err(error) = TcpStream::connect_timeout(&address, WITHIN) {
        return Some(Finding::fail("media port, TCP", format!("{address}: {error}"), open));
    }
    match probe(address) {
        Ok(()) => Some(Finding::ok("media port, UDP and TCP", address.to_string())),
        Err(error) => Some(Finding::fail("media port, UDP", format!("{address}: {error}"), open)),
    }
}

fn probe(address: SocketAddr) -> std::io::Result<()> {
    let any: IpAddr = if address.is_ipv4() { [0; 4].into() } else { [0_u16; 8].into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(WITHIN / 4))?;
    // A binding request of RFC 8489 without attributes.
    let mut request = [0_u8; 20];
    request[..8].copy_from_slice(&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]);
    socket.send(&request)?;
    match socket.recv(&mut [0; 512]) {
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Err(error),
        // Silence: the port is bound, and whoever has no credentials hears nothing.
        _ => Ok(()),
    }
}

fn public_address(origins: &[&str]) -> Finding {
    let is_local =
        |origin: &&str| origin.contains("//127.") || origin.contains("//[::1]") || origin.contains("//localhost");
    match origins {
        [] => Finding::warn("public address", "none", "name it with --public-ip where clients are on other machines"),
        _ if origins.iter().all(is_local) => Finding::warn(
            "public address",
            origins.join(", "),
            "only this machine reaches it: listen with --http 0.0.0.0:8080, and name the address with --public-ip",
        ),
        _ => Finding::ok("public address", origins.join(", ")),
    }
}

/// Those of Let's Encrypt are renewed with 30 days left; a week means that nobody does.
fn certificate(expires_ms: u64) -> Finding {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis());
    let left_ms = u128::from(expires_ms).saturating_sub(now_ms);
    let days = left_ms / DAY_MS;
    let found = format!("good for {days} days");
    match left_ms {
        0 => {
            Finding::fail("certificate", "expired", "renew the files of --tls-cert and --tls-key: they are read again")
        }
        _ if days < RENEWED_BEFORE_DAYS => {
            Finding::warn("certificate", found, "see why the files of --tls-cert and --tls-key are not renewed")
        }
        _ => Finding::ok("certificate", found),
    }
}

fn cluster(admin: &Admin, nodes: usize) -> Finding {
    let ready = admin.get::<Value>("/readyz");
    match ready {
        Ok(ready) => {
            let state = ready["cluster"]["state"].as_str().unwrap_or("alone").to_owned();
            let found = format!("nodes: {nodes}, {state}");
            match state.as_str() {
                "down" => Finding::warn(
                    "cluster",
                    found,
                    "see that NATS runs and is reached from here: `chappe logs` says why",
                ),
                _ => Finding::ok("cluster", found),
            }
        }
        Err(failure) => Finding::fail("readiness", failure.to_string(), "`chappe logs` says what the node waits for"),
    }
}

fn host_of(base: &str) -> Option<IpAddr> {
    let authority = base.split_once("://")?.1;
    authority.parse::<SocketAddr>().ok().map(|address| address.ip())
}

const WITHIN: Duration = Duration::from_secs(2);
const ACME_REMEDY: &str = "port 443 of each --acme-domain has to reach --http as it is, and the node the authority; it is \
                           tried again (`chappe logs --worker signaling`)";
const DAY_MS: u128 = 86_400_000;
const RENEWED_BEFORE_DAYS: u128 = 7;
