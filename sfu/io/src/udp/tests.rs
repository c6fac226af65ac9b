use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

use super::*;

fn socket(address: &str) -> UdpSocket {
    UdpSocket::adopt(std::net::UdpSocket::bind(address).expect("bind").into()).expect("adopt")
}

/// The address of `socket` as seen from 127.0.0.1 or ::1.
fn loopback_of(socket: &UdpSocket, host: &str) -> SocketAddr {
    SocketAddr::new(host.parse().expect("address"), socket.local_addr().port())
}

fn transmit(remote: SocketAddr, bytes: &[u8], segment: usize) -> Transmit<'_> {
    Transmit { remote, local: None, bytes, segment }
}

/// Collects `count` datagrams with their remote and local addresses.
fn collect(socket: &UdpSocket, count: usize) -> Vec<(SocketAddr, Option<IpAddr>, Vec<u8>)> {
    let mut receiver = BatchReceiver::new();
    let mut got = Vec::new();
    while got.len() < count {
        let limit = Timespec { tv_sec: 10, tv_nsec: 0 };
        let ready = poll(&mut [PollFd::new(&socket.fd, PollFlags::IN)], Some(&limit)).expect("poll");
        assert_eq!(ready, 1, "{} of {count} datagrams within 10 s", got.len());
        receiver.receive(socket);
        for mut train in receiver.trains(socket) {
            let (remote, local) = (train.remote, train.local);
            got.extend(train.datagrams().map(|datagram| (remote, local, datagram.to_vec())));
        }
    }
    assert_eq!(receiver.receive(socket), 0, "nothing beyond what was sent");
    got
}

/// Bytes that differ from datagram to datagram.
fn payload(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index / 97) as u8).collect()
}

const PATIENCE: Duration = Duration::from_millis(100);

#[test]
fn one_dual_stack_socket_serves_both_families_and_says_where_they_came_to() {
    let server = socket("[::]:0");
    for (client, host) in [(socket("127.0.0.1:0"), "127.0.0.1"), (socket("[::1]:0"), "::1")] {
        let report = BatchSender::new().send(&client, [transmit(loopback_of(&server, host), b"ping", 4)], PATIENCE);
        assert_eq!((report.packets, report.bytes, report.calls), (1, 4, 1));
        let got = collect(&server, 1);
        let (remote, local, bytes) = &got[0];
        assert_eq!((*remote, *local, bytes.as_slice()), (client.local_addr(), host.parse().ok(), &b"ping"[..]));

        let reply = Transmit { remote: *remote, local: *local, bytes: b"pong", segment: 4 };
        assert_eq!(BatchSender::new().send(&server, [reply], PATIENCE).packets, 1);
        assert_eq!(collect(&client, 1)[0].0, loopback_of(&server, host));
    }
}

#[test]
fn a_reply_leaves_from_the_address_that_was_asked() {
    for server in [socket("[::]:0"), socket("0.0.0.0:0")] {
        let client = socket("127.0.0.1:0");
        let asked = loopback_of(&server, "127.0.0.2");
        BatchSender::new().send(&client, [transmit(asked, b"?", 1)], PATIENCE);
        let (remote, local, _) = collect(&server, 1).remove(0);
        assert_eq!(local, Some("127.0.0.2".parse().expect("address")));
        let bytes = payload(300);
        BatchSender::new().send(&server, [Transmit { remote, local, bytes: &bytes, segment: 100 }], PATIENCE);
        for (from, _, _) in collect(&client, 3) {
            assert_eq!(from, asked);
        }
    }
}

#[test]
fn a_socket_bound_to_one_address_knows_it_without_being_told() {
    let (server, client) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
    BatchSender::new().send(&client, [transmit(server.local_addr(), b"x", 1)], PATIENCE);
    assert_eq!(collect(&server, 1)[0].1, Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
}

#[test]
fn runs_keep_their_datagram_boundaries_with_and_without_segmentation() {
    let cases = [
        (1200, 1200),
        (2400, 1200),
        (2401, 1200),
        (64 * 1000, 1000),
        (65 * 1000 + 1, 1000),
        (65_507, 65_507),
        (130_000, 1300),
        (7, 3),
    ];
    for make in [BatchSender::new, BatchSender::without_segmentation] {
        for (length, segment) in cases {
            let (from, to) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
            let bytes = payload(length);
            let mut sender = make();
            let report = sender.send(&from, [transmit(to.local_addr(), &bytes, segment)], PATIENCE);
            let expected: Vec<_> = bytes.chunks(segment).map(<[u8]>::to_vec).collect();
            assert_eq!((report.packets, report.bytes), (expected.len() as u64, length as u64));
            let got: Vec<_> = collect(&to, expected.len()).into_iter().map(|(_, _, bytes)| bytes).collect();
            assert_eq!(got, expected, "{length} bytes in segments of {segment}");
        }
    }
}

#[test]
fn runs_for_many_peers_leave_in_one_system_call() {
    let from = socket("127.0.0.1:0");
    let peers: Vec<_> = (0..40).map(|_| socket("127.0.0.1:0")).collect();
    let bytes = payload(3000);
    let report =
        BatchSender::new().send(&from, peers.iter().map(|peer| transmit(peer.local_addr(), &bytes, 1000)), PATIENCE);
    assert_eq!((report.packets, report.calls), (120, 1));
    for peer in &peers {
        assert_eq!(collect(peer, 3).iter().map(|(_, _, b)| b.len()).sum::<usize>(), 3000);
    }
}

#[test]
fn a_peer_whose_runs_are_refused_gets_single_datagrams_for_a_while_and_nobody_else_does() {
    let (from, small, other) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"), socket("127.0.0.1:0"));
    let refuse = |refuses| {
        // The kernel refuses UDP_SEGMENT on a socket that sends no checksums.
        let value = libc::c_int::from(refuses);
        let size = size_of_val(&value) as libc::socklen_t;
        // SAFETY: `value` lives for the call, and `size` is its size.
        let result = unsafe {
            libc::setsockopt(from.fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_NO_CHECK, (&raw const value).cast(), size)
        };
        assert_eq!(result, 0);
    };
    let mut sender = BatchSender::new();
    let bytes = payload(2500);
    // Messages in which a run of three datagrams left.
    let mut messages = |to: &UdpSocket| {
        let report = sender.send(&from, [transmit(to.local_addr(), &bytes, 1000)], PATIENCE);
        assert_eq!((report.packets, report.failed), (3, 0));
        assert_eq!(collect(to, 3).len(), 3);
        (report.runs, sender.segments_to(to.local_addr()))
    };
    assert_eq!(messages(&small), (1, true));
    refuse(true);
    assert_eq!(messages(&small), (3, false), "refused, and sent all the same");
    refuse(false);
    for _ in 0..20 {
        assert_eq!(messages(&other), (1, true), "another path takes them");
        assert_eq!(messages(&small).0, 3);
    }
    let mut turns = 0;
    while messages(&small).0 == 3 {
        turns += 1;
        assert!(turns < 2_000, "it is never tried again");
    }
    assert_eq!(messages(&small), (1, true));
}

#[test]
fn an_unreachable_peer_costs_nobody_else_a_datagram() {
    let (from, to) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
    let bytes = payload(70_000);
    // A socket of 127.0.0.1 may not send to the outside, to broadcast, or to IPv6; and 66,000 bytes are no datagram.
    let outside = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::BROADCAST, 9));
    let other_family = "[::1]:9".parse().expect("address");
    let runs = [
        transmit(to.local_addr(), &bytes[..100], 100),
        transmit(outside, &bytes[..200], 100),
        transmit(to.local_addr(), &bytes[..100], 100),
        transmit(other_family, &bytes[..100], 100),
        transmit(to.local_addr(), &bytes[..100], 100),
    ];
    let mut sender = BatchSender::new();
    let report = sender.send(&from, runs, PATIENCE);
    assert_eq!((report.packets, report.failed, report.blocked), (3, 3, 0));
    assert!(sender.segments_to(to.local_addr()));
    collect(&to, 3);
}

#[test]
fn a_closed_port_does_not_disturb_later_sends_or_receives() {
    let (from, to) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
    let closed = socket("127.0.0.1:0").local_addr();
    let mut sender = BatchSender::new();
    for _ in 0..3 {
        let report = sender.send(&from, [transmit(closed, b"x", 1), transmit(to.local_addr(), b"y", 1)], PATIENCE);
        assert_eq!(report.packets, 2);
    }
    collect(&to, 3);
    assert_eq!(BatchReceiver::new().receive(&from), 0);
}

/// Runs [`a_slow_link_costs_bounded_time`] in a network namespace whose only link passes 1 Mbit/s.
#[test]
fn datagrams_that_found_no_room_are_counted() {
    let (to, from) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
    sockopt::set_socket_recv_buffer_size(&to.fd, 1).expect("the least the kernel has");
    let remote = loopback_of(&to, "127.0.0.1");
    let (mut receiver, mut received) = (BatchReceiver::new(), 0);
    let send = |count| {
        for _ in 0..count {
            let report =
                BatchSender::without_segmentation().send(&from, [transmit(remote, &[7; 500], 500)], Duration::ZERO);
            assert_eq!(report.packets, 1);
        }
    };
    send(50);
    while receiver.receive(&to) > 0 {
        received += receiver.trains(&to).map(|mut train| train.datagrams().count()).sum::<usize>();
    }
    assert!(received < 50, "all found room");
    // The count comes with the next one.
    send(1);
    assert_eq!(receiver.receive(&to), 1);
    assert_eq!(receiver.overflowed(), 50 - received as u64);
}

#[test]
fn the_kernel_tells_when_each_of_a_batch_came() {
    let (to, from) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
    let remote = loopback_of(&to, "127.0.0.1");
    let unix = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let mut receiver = BatchReceiver::new();
    assert_eq!(receiver.oldest(), None, "nothing was taken");
    let mut sent = vec![unix()];
    for _ in 0..5 {
        let report = BatchSender::without_segmentation().send(&from, [transmit(remote, &[7; 50], 50)], Duration::ZERO);
        assert_eq!(report.packets, 1);
        sent.push(unix());
    }
    assert_eq!(receiver.receive(&to), 5);
    let oldest = receiver.oldest();
    let arrived: Vec<Duration> = receiver.trains(&to).map(|train| train.arrived.expect("told")).collect();
    assert_eq!(oldest, arrived.first().copied());
    // The kernel stamps a datagram when it comes to it, which may be after the call that sent it has ended.
    let after = unix();
    assert!(
        arrived.iter().zip(&sent).all(|(at, sent)| (sent..=&after).contains(&at)),
        "{arrived:?} {sent:?} {after:?}"
    );
    assert!(arrived.is_sorted(), "{arrived:?}");
    assert_eq!(receiver.receive(&to), 0);
    assert_eq!(receiver.oldest(), None, "nothing was taken now");
}

#[test]
fn as_root_a_socket_that_takes_no_more_holds_nobody_up() {
    let set_up = "ip link add near type veth peer name far && ip addr add 10.9.9.1/24 dev near && \
        ip link set near up && ip link set far up && \
        ip neigh add 10.9.9.2 lladdr 02:00:00:00:00:01 dev near && \
        tc qdisc add dev near root tbf rate 1mbit burst 10k limit 100m";
    let inside = "exec \"$0\" --exact --ignored --nocapture udp::tests::a_slow_link_costs_bounded_time";
    let this = std::env::current_exe().expect("path");
    let unshare = |script: &str| {
        let mut command = std::process::Command::new("unshare");
        command.args(["--net", "sh", "-c", script]).arg(&this).output()
    };
    let made = unshare(set_up).expect("unshare is there");
    let said = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(made.status.success(), "a network namespace with a slow link needs root, ip and tc: {said}");
    let output = unshare(&format!("{set_up} && {inside}")).expect("run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
#[ignore = "only inside the namespace of the test above"]
fn a_slow_link_costs_bounded_time() {
    let from = socket("10.9.9.1:0");
    let (bytes, mut sender) = (payload(64_000), BatchSender::new());
    let runs = || std::iter::repeat_n(transmit("10.9.9.2:9".parse().expect("address"), &bytes, 1000), 300);
    let mut total = SendReport::default();
    // 19 MB against a socket buffer of 8 MiB (16 by the kernel's own count) and a link of 1 Mbit/s.
    for _ in 0..3 {
        let report = sender.send(&from, runs(), Duration::from_millis(1));
        assert_eq!(report.packets + report.blocked, 300 * 64, "{report:?}");
        (total.packets, total.blocked) = (total.packets + report.packets, total.blocked + report.blocked);
    }
    assert!(total.packets > 0 && total.blocked > 0, "{total:?}");
    assert!(
        sender.segments_to("10.9.9.2:9".parse().expect("address")),
        "a full socket says nothing about segmentation"
    );
}

#[test]
fn an_error_that_nobody_expects_is_counted_and_ends_nothing() {
    let broken = socket("127.0.0.1:0");
    let null = std::fs::File::open("/dev/null").expect("open");
    // SAFETY: the test owns both descriptors, and `broken` goes on owning the number that it has.
    assert!(unsafe { libc::dup2(null.as_raw_fd(), broken.fd.as_raw_fd()) } >= 0);
    let mut receiver = BatchReceiver::new();
    assert_eq!(receiver.receive(&broken), 0);
    assert!(receiver.failed() > 0);
    let other = socket("127.0.0.1:0");
    let report = BatchSender::new().send(&broken, [transmit(other.local_addr(), b"x", 1); 3], PATIENCE);
    assert_eq!((report.packets, report.failed), (0, 3));
    // The receiver is as good as before.
    assert_eq!(BatchSender::new().send(&other, [transmit(other.local_addr(), b"x", 1)], PATIENCE).packets, 1);
    assert_eq!(receiver.receive(&other), 1);
}

#[test]
fn a_datagram_that_is_too_large_for_its_path_is_counted_and_the_others_leave() {
    let (from, to) = (socket("[::1]:0"), socket("[::1]:0"));
    // Of 65,507 bytes none fits the MTU of loopback with the headers of IPv6.
    let on: libc::c_int = 1;
    let size = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: `on` lives for the call, and `size` is its size.
    let result = unsafe {
        let option = (&raw const on).cast();
        libc::setsockopt(from.fd.as_raw_fd(), libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG, option, size)
    };
    assert_eq!(result, 0);
    let (large, small) = (payload(65_507), payload(100));
    for make in [BatchSender::new, BatchSender::without_segmentation] {
        let all = [&small, &large, &small].map(|bytes| transmit(to.local_addr(), bytes, bytes.len()));
        let report = make().send(&from, all, PATIENCE);
        assert_eq!((report.packets, report.failed, report.blocked), (2, 1, 0), "EMSGSIZE");
        assert!(collect(&to, 2).iter().all(|(_, _, bytes)| *bytes == small));
    }
}
