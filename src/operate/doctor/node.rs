//! Looks at a node that runs: whether it is ready, at which addresses clients reach it, whether what they are told answers.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::ask::{Question, Via};
use super::finding::Finding;
use super::reach::{self, Destination, Vantage};
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
    let authority = admin.base().split_once("://").map_or("", |(_, authority)| authority);
    let vantage = Vantage::of(authority);
    findings.extend(media_ports(own, &ours, authority, &vantage));
    let (origins, turn_urls) = (texts(&own["origins"]), texts(&own["turn_urls"]));
    findings.push(public_address(&origins));
    findings.extend(pages(&origins, &vantage));
    findings.extend(turn(&turn_urls, &vantage));
    findings.extend(own["certificate_expires_ms"].as_u64().map(certificate));
    findings
        .extend(own["certificate_problem"].as_str().map(|why| Finding::warn("certificate by ACME", why, ACME_REMEDY)));
    findings.push(cluster(&admin, nodes.len()));
    Ok(findings)
}

fn texts(array: &Value) -> Vec<&str> {
    array.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
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

/// Of all workers, at the addresses that clients are told.
fn media_ports(own: &Value, workers: &[&Value], authority: &str, vantage: &Vantage) -> Vec<Finding> {
    let addresses: Vec<IpAddr> = match own["media_addresses"].as_array() {
        Some(told) => told.iter().filter_map(|ip| ip.as_str()?.parse().ok()).collect(),
        // A node of an earlier version does not tell them.
        None => authority.to_socket_addrs().into_iter().flatten().map(|address| address.ip()).collect(),
    };
    let addresses: Vec<IpAddr> = addresses.into_iter().filter(|ip| vantage.may_reach(*ip)).collect();
    let ports: Vec<u16> =
        workers.iter().filter_map(|worker| u16::try_from(worker["media_port"].as_u64()?).ok()).collect();
    if addresses.is_empty() || ports.is_empty() {
        return Vec::new();
    }
    let destinations = |question| -> Vec<Destination> {
        ports
            .iter()
            .map(|port| Destination::of(question, addresses.iter().map(|ip| SocketAddr::new(*ip, *port))))
            .collect()
    };
    vec![
        reach::examine("media ports, UDP", &destinations(Question::Binding), vantage, MEDIA_REMEDY),
        reach::examine("media ports, TCP", &destinations(Question::Connection), vantage, MEDIA_REMEDY),
    ]
}

/// At one of the URLs that pages are told of the node.
fn pages(origins: &[&str], vantage: &Vantage) -> Option<Finding> {
    let mut destination = Destination::default();
    for (scheme, authority) in origins.iter().filter_map(|origin| origin.split_once("://")) {
        let via = if scheme == "https" { Via::Tls } else { Via::Tcp };
        destination.add(Destination::named(Question::Page(via), authority), vantage);
    }
    (!destination.is_empty()).then(|| reach::examine("pages", &[destination], vantage, PAGES_REMEDY))
}

/// Each of the servers that clients are told.
fn turn(urls: &[&str], vantage: &Vantage) -> Option<Finding> {
    let destinations: Vec<Destination> = urls.iter().filter_map(|url| turn_destination(url)).collect();
    (!destinations.is_empty()).then(|| reach::examine("TURN", &destinations, vantage, TURN_REMEDY))
}

/// RFC 7065: `turn:HOST[:PORT][?transport=udp|tcp]`, or `turns:`.
fn turn_destination(url: &str) -> Option<Destination> {
    let (scheme, rest) = url.split_once(':')?;
    let (authority, transport) = rest.split_once("?transport=").unwrap_or((rest, "udp"));
    let via = match (scheme, transport) {
        ("turns", _) => Via::Tls,
        (_, "tcp") => Via::Tcp,
        _ => Via::Udp,
    };
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let port = if scheme == "turns" { 5349 } else { 3478 };
    let authority = if has_port { authority.to_owned() } else { format!("{authority}:{port}") };
    Some(Destination::named(Question::Allocation(via), &authority))
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

const MEDIA_REMEDY: &str = "open these ports for UDP and TCP in the firewall of the machine and of the provider; where \
                            clients reach it at another address, name that with --public-ip";
const PAGES_REMEDY: &str =
    "open the port of --http for TCP, let the names lead to this machine, and see that it listens there";
const TURN_REMEDY: &str = "open the port of --turn for UDP and TCP, or see that the servers of --turn-url run";
const ACME_REMEDY: &str = "port 443 of each --acme-domain has to reach --http as it is, and the node the authority; it is \
                           tried again (`chappe logs --worker signaling`)";
const DAY_MS: u128 = 86_400_000;
const RENEWED_BEFORE_DAYS: u128 = 7;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_server_is_asked_over_the_way_of_its_url() {
        let named = |via, authority| Destination::named(Question::Allocation(via), authority);
        assert_eq!(turn_destination("turn:192.0.2.1").unwrap(), named(Via::Udp, "192.0.2.1:3478"));
        assert_eq!(turn_destination("turn:192.0.2.1:443?transport=udp").unwrap(), named(Via::Udp, "192.0.2.1:443"));
        let over_tcp = turn_destination("turn:[2001:db8::1]:3478?transport=tcp").unwrap();
        assert_eq!(over_tcp, named(Via::Tcp, "[2001:db8::1]:3478"));
        assert_eq!(turn_destination("turns:192.0.2.1?transport=tcp").unwrap(), named(Via::Tls, "192.0.2.1:5349"));
    }
}
