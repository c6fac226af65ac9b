//! Where a server stands: a machine whose addresses come and go, with a bridge for containers, in a network namespace.

use std::net::{IpAddr, Ipv4Addr};
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

const BRIDGE: IpAddr = IpAddr::V4(Ipv4Addr::new(172, 17, 0, 1));
const FIRST: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 1, 1));
const LATER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 3, 1));

#[test]
fn as_root_addresses_are_offered_as_they_come_and_go_and_a_bridge_comes_last() {
    assert!(rustix::process::geteuid().is_root(), "network namespaces need root");
    let inside = "exec \"$0\" --exact --ignored --nocapture addresses::in_a_namespace_of_its_own";
    let this = std::env::current_exe().unwrap();
    let output =
        Command::new("unshare").args(["--net", "sh", "-c", &format!("{SET_UP} && {inside}")]).arg(&this).output();
    let output = output.unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "only inside the namespace of the test above"]
async fn in_a_namespace_of_its_own() {
    let node = start();
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

fn start() -> Running {
    let dir = Dir::new();
    let mut command = running::bare_chappe(&dir);
    command.args(["--http", "0.0.0.0:0", "--auth", "public", "--admin", "127.0.0.1:0", "--media-port", "0"]);
    command.args(["--workers", "1", "--state-file"]).arg(dir.state_file());
    let node = Running::start_in(dir, command);
    eventually("readiness", || (running::get(&at(&node, FIRST), "/readyz").0 == 200).then_some(()));
    node
}

/// The public listener under one of the machine's addresses.
fn at(node: &Running, ip: IpAddr) -> String {
    let port = node.state()["http"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
    format!("{ip}:{port}")
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
    let default = created.sdp.lines().find_map(|line| line.strip_prefix("c=IN IP4 "));
    (candidates, default.unwrap().parse().unwrap())
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
    let publisher = Client::publisher_at(FIRST).await.unwrap();
    let offer = publisher.offer().await.unwrap();
    let created = blocking(&server, move |server| server.whip("addresses", "camera", &offer)).await;
    publisher.accept(only(&created.sdp)).await.unwrap();
    let viewer = Client::viewer_at(FIRST).await.unwrap();
    let offer = viewer.offer().await.unwrap();
    let created = blocking(&server, move |server| server.whep("addresses", "camera", &offer)).await;
    viewer.accept(only(&created.sdp)).await.unwrap();
    send_until(&publisher, 0, || viewer.packets() >= 50).await;
}

fn ip(arguments: &str) {
    let done = Command::new("ip").args(arguments.split(' ')).status().unwrap();
    assert!(done.success(), "ip {arguments}");
}
