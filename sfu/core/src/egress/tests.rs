use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::*;
use crate::ConnectionId;

const A: Route = tcp(1);
const B: Route = tcp(2);

const fn tcp(number: u16) -> Route {
    let remote = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), number);
    Route::Tcp { connection: ConnectionId(number as u32), remote }
}

fn push(arena: &mut Arena, route: Route, len: usize) -> bool {
    arena.push(route, 1500, |out| {
        out[..len].fill(len as u8);
        Some(len)
    })
}

fn shape(arena: &Arena) -> Vec<(Route, usize, usize)> {
    arena.runs().map(|run| (run.route, run.segment, run.segments().count())).collect()
}

#[test]
fn equal_sizes_to_one_client_are_one_run_and_a_shorter_one_ends_it() {
    let mut arena = Arena::new(1 << 20);
    for len in [1000, 1000, 1000, 400, 400] {
        assert!(push(&mut arena, A, len));
    }
    assert_eq!(shape(&arena), [(A, 1000, 4), (A, 400, 1)]);
    let lens: Vec<_> = arena.runs().next().expect("first").segments().map(<[u8]>::len).collect();
    assert_eq!(lens, [1000, 1000, 1000, 400]);
}

#[test]
fn control_datagrams_without_room_are_counted_once() {
    let mut egress = Egress::new();
    while egress.control().has_room(1500) {
        assert!(push(egress.control(), A, 1200));
    }
    assert!(!push(egress.control(), A, 1200) && !push(egress.control(), B, 1200));
    assert_eq!((egress.take_refused(), egress.take_refused()), (2, 0));
}

#[test]
fn a_longer_datagram_or_another_client_starts_a_run() {
    let mut arena = Arena::new(1 << 20);
    for (route, len) in [(A, 100), (A, 101), (B, 101), (A, 101)] {
        assert!(push(&mut arena, route, len));
    }
    assert_eq!(shape(&arena), [(A, 100, 1), (A, 101, 1), (B, 101, 1), (A, 101, 1)]);
}

#[test]
fn a_run_keeps_the_limits_of_the_kernel() {
    let mut arena = Arena::new(1 << 20);
    for _ in 0..100 {
        push(&mut arena, A, 100);
    }
    for _ in 0..60 {
        push(&mut arena, B, 1400);
    }
    assert_eq!(shape(&arena), [(A, 100, 64), (A, 100, 36), (B, 1400, 46), (B, 1400, 14)]);
}

#[test]
fn a_full_arena_refuses_and_recovers() {
    let mut arena = Arena::new(2000);
    assert!(push(&mut arena, A, 600));
    assert!(!push(&mut arena, A, 600), "1500 might not fit behind 600");
    arena.clear();
    assert!(push(&mut arena, A, 600));
    assert!(!arena.push(A, 10, |_| None), "nothing written is no datagram");
    assert_eq!(arena.runs().count(), 1);
}

#[test]
fn control_leaves_before_media() {
    let mut egress = Egress::new();
    push(egress.media(), A, 10);
    push(egress.control(), B, 20);
    assert_eq!(egress.runs().map(|run| run.route).collect::<Vec<_>>(), [B, A]);
    egress.clear();
    assert!(egress.is_empty());
}
