//! Where a server stands: a machine whose addresses come and go, with a bridge for containers, in a network namespace.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::Command;

use chappe_load::http::Server;

use super::peer::Client;
use super::running::{self, Dir, Running, eventually};
use super::{blocking, send_until};

/// The bridge is there before all else, and one end of a pair makes it run.
const SET_UP: &str = "ip link set lo up && ip link add docker0 type bridge && ip addr add 172.17.0.1/16 dev docker0 && \
    ip link set docker0 up && ip link add c0 type veth peer name c1 && ip link set c0 master docker0 && \
    ip link set c0 up && ip link set c1 up && \
    ip link add lan type veth peer name cable && ip addr add 10.9.1.1/24 dev lan && ip link set lan up && \
    ip link set cable up && ip route add default via 10.9.1.2";

/// A network of both families; the addresses are there at once, because nobody is asked whether they are free.
const SET_UP_6: &str = "ip link set lo up && ip link add lan type veth peer name cable && \
    ip addr add 10.9.1.1/24 dev lan && ip -6 addr add 2001:db8:9::1/64 dev lan nodad && \
    ip link set lan up && ip link set cable up && ip route add default via 10.9.1.2 && \
    ip -6 route add default via 2001:db8:9::2 dev lan";

const BRIDGE: IpAddr = IpAddr::V4(Ipv4Addr::new(172, 17, 0, 1));
const FIRST: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 1, 1));
const LATER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 3, 1));
const FIRST_6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 9, 0, 0, 0, 0, 1));
const LATER_6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 9, 0, 0, 0, 0, 3));

#[test]
fn as_root_addresses_are_offered_as_they_come_and_go_and_a_bridge_comes_last() {
    run_inside(SET_UP, "addresses::in_a_namespace_of_its_own");
}

#[test]
fn as_root_addresses_of_ipv6_are_offered_and_media_flows_over_them() {
    run_inside(SET_UP_6, "addresses::in_a_namespace_with_ipv6");
}

/// Runs an ignored test of this file in a network namespace that is set up like this.
fn run_inside(set_up: &str, test: &str) {
    assert!(rustix::process::geteuid().is_root(), "network namespaces need root");
    let inside = format!("exec \"$0\" --exact --ignored --nocapture {test}");
    let this = std::env::current_exe().unwrap();
    let output =
        Command::new("unshare").args(["--net", "sh", "-c", &format!("{set_up} && {inside}")]).arg(&this).output();
    let output = output.unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "only inside the namespace of a test above"]
async fn in_a_namespace_of_its_own() {
    let node = start("0.0.0.0:0");
    for at in [FIRST, BRIDGE] {
        let (offered, default) = offered(&node, at).await;
        assert_eq!((offered.first(), default), (Some(&at), at), "where the request came in: {offered:?}");
    }
    let (at_loopback, default) = offered(&node, IpAddr::V4(Ipv4Addr::LOCALHOST)).await;
    assert_eq!((at_loopback, default), (vec![FIRST, BRIDGE], FIRST), "the default route, and the bridge last");

    ip("addr add 10.9.3.1/24 dev lan");
    let (others, _) = until_offered(&node, |offered| offered.contains(&LATER)).await;
    assert_eq!(others, [FIRST, LATER, BRIDGE]);
    flows_over(&node, LATER).await;
    let origins = node.admin("/api/v1/nodes")[0]["origins"].to_string();
    assert!(origins.contains("10.9.3.1"), "where pages find this node: {origins}");

    ip("addr del 10.9.3.1/24 dev lan");
    until_offered(&node, |offered| !offered.contains(&LATER)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "only inside the namespace of a test above"]
async fn in_a_namespace_with_ipv6() {
    let node = start("[::]:0");
    for (at, other) in [(FIRST_6, FIRST), (FIRST, FIRST_6)] {
        // `offered` reads `c=IN IP6` for the one, and `c=IN IP4` for the other.
        let (offered, default) = offered(&node, at).await;
        assert_eq!((&*offered, default), (&[at, other][..], at), "where the request came in");
    }
    flows_over(&node, FIRST_6).await;

    ip("-6 addr add 2001:db8:9::3/64 dev lan nodad");
    until_offered(&node, |offered| offered.contains(&LATER_6)).await;
    flows_over(&node, LATER_6).await;
    let origins = node.admin("/api/v1/nodes")[0]["origins"].to_string();
    assert!(origins.contains("http://[2001:db8:9::3]:"), "where pages find this node: {origins}");

    ip("-6 addr del 2001:db8:9::3/64 dev lan");
    until_offered(&node, |offered| !offered.contains(&LATER_6)).await;
}

fn start(listener: &str) -> Running {
    let dir = Dir::new();
    let mut command = running::bare_chappe(&dir);
    command.args(["--http", listener, "--auth", "public", "--admin", "127.0.0.1:0", "--media-port", "0"]);
    command.args(["--workers", "1", "--state-file"]).arg(dir.state_file());
    let node = Running::start_in(dir, command);
    eventually("readiness", || (running::get(&at(&node, FIRST), "/readyz").0 == 200).then_some(()));
    node
}

/// The public listener under one of the machine's addresses.
fn at(node: &Running, ip: IpAddr) -> String {
    let port = node.state()["http"].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap();
    SocketAddr::new(ip, port).to_string()
}

fn server(node: &Running, ip: IpAddr) -> Server {
    Server::new(&format!("http://{}", at(node, ip)), "")
}

/// The UDP candidates of an answer in their order, and its `c=`.
async fn offered(node: &Running, ip: IpAddr) -> (Vec<IpAddr>, IpAddr) {
    let offer = Client::publisher_at(FIRST).await.unwrap().offer().await.unwrap();
    let created = blocking(&server(node, ip), move |server| {
        let created = server.whip("addresses", "asked", &offer)?;
        server.delete(&created)?;
        Ok(created)
    })
    .await;
    let candidates = created.sdp.lines().filter_map(udp_candidate).collect();
    let default = created.sdp.lines().find_map(|line| line.strip_prefix("c=IN ")).unwrap();
    let (family, address) = default.split_once(' ').unwrap();
    let default: IpAddr = address.parse().unwrap();
    assert_eq!(family, if default.is_ipv4() { "IP4" } else { "IP6" });
    (candidates, default)
}

fn udp_candidate(line: &str) -> Option<IpAddr> {
    let fields: Vec<&str> = line.strip_prefix("a=candidate:")?.split(' ').collect();
    (fields[2] == "udp").then(|| fields[4].parse().unwrap())
}

/// Asked over loopback, which says nothing of where the client is.
async fn until_offered(node: &Running, wanted: impl Fn(&[IpAddr]) -> bool) -> (Vec<IpAddr>, IpAddr) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let told = offered(node, IpAddr::V4(Ipv4Addr::LOCALHOST)).await;
        if wanted(&told.0) {
            return told;
        }
        assert!(std::time::Instant::now() < deadline, "not within 20 s: {told:?}");
    }
}

/// Publisher and viewer know the server by this address alone.
async fn flows_over(node: &Running, ip: IpAddr) {
    let only = |sdp: &str| -> String {
        let kept = sdp.lines().filter(|line| !line.starts_with("a=candidate:") || udp_candidate(line) == Some(ip));
        kept.flat_map(|line| [line, "\r\n"]).collect()
    };
    let server = server(node, IpAddr::V4(Ipv4Addr::LOCALHOST));
    // A name of its own: that of a publisher who has just gone is not free yet.
    let stream = ip.to_string().replace([':', '.'], "-");
    // Of the same family as the one where they find it.
    let own = if ip.is_ipv4() { FIRST } else { FIRST_6 };
    let publisher = Client::publisher_at(own).await.unwrap();
    let offer = publisher.offer().await.unwrap();
    let name = stream.clone();
    let created = blocking(&server, move |server| server.whip("addresses", &name, &offer)).await;
    publisher.accept(only(&created.sdp)).await.unwrap();
    let viewer = Client::viewer_at(own).await.unwrap();
    let offer = viewer.offer().await.unwrap();
    let created = blocking(&server, move |server| server.whep("addresses", &stream, &offer)).await;
    viewer.accept(only(&created.sdp)).await.unwrap();
    send_until(&publisher, 0, || viewer.packets() >= 50).await;
}

fn ip(arguments: &str) {
    let done = Command::new("ip").args(arguments.split(' ')).status().unwrap();
    assert!(done.success(), "ip {arguments}");
}
