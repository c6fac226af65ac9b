//! Key frames across links: who asks for one, and who starts with one that is there.

use crate::harness::cameras::{SEEN, ms};
use crate::harness::relays::{is_continuous, origin_and_edges, watch};
use crate::harness::*;

#[test]
fn key_frame_requests_of_many_viewers_are_one() {
    let (mut mesh, publisher, mut camera) = origin_and_edges(4);
    let viewers: Vec<(usize, Who)> = (1..4).flat_map(|at| [at; 5]).map(|at| (at, watch(&mut mesh, at))).collect();
    mesh.frame(0, publisher, &mut camera, 3, true);
    mesh.run(ms(1_000));
    let before = mesh.workers[0].clients[publisher].plis();
    for (at, viewer) in viewers {
        mesh.workers[at].clients[viewer].send_rtcp(|writer| {
            let (own, media) = (chappe_sfu_core::rtp::Ssrc(1), chappe_sfu_core::rtp::Ssrc(SEEN));
            writer.receiver_report(own, &[])?;
            writer.pli(own, media)
        });
        mesh.workers[at].exchange();
    }
    let crossed = |mesh: &Mesh| (1..4).map(|at| mesh.count[&(at, 0)]).collect::<Vec<_>>();
    let sent = crossed(&mesh);
    mesh.carry();
    let asked: Vec<usize> = crossed(&mesh).iter().zip(sent).map(|(after, before)| after - before).collect();
    assert_eq!(asked, [1, 1, 1], "one request of each worker");
    assert_eq!(mesh.workers[0].clients[publisher].plis() - before, 1);
    mesh.run(ms(100));
    mesh.frame(0, publisher, &mut camera, 3, true);
    let served = mesh.workers[0].clients[publisher].plis();
    mesh.run(ms(2_000));
    assert_eq!(mesh.workers[0].clients[publisher].plis(), served, "whoever asked is served");
}

#[test]
fn a_key_frame_that_does_not_come_is_asked_for_again() {
    let (mut mesh, publisher, mut camera) = origin_and_edges(2);
    mesh.frame(0, publisher, &mut camera, 3, false);
    watch(&mut mesh, 1);
    mesh.count.clear();
    for _ in 0..60 {
        mesh.frame(0, publisher, &mut camera, 1, false);
    }
    // In 2 s: 20 heartbeats, 2 refreshments, and a request each 250 ms, though each frame shows that one is needed.
    assert!(mesh.count[&(1, 0)] <= 32, "{} datagrams", mesh.count[&(1, 0)]);
    let asked = mesh.workers[0].clients[publisher].plis();
    assert!((3..=6).contains(&asked), "asked {asked} times in 2 s");
}

#[test]
fn a_joiner_on_an_edge_gets_the_picture_that_is_there_without_a_request_to_the_publisher() {
    let (mut mesh, publisher, mut camera) = origin_and_edges(2);
    mesh.frame(0, publisher, &mut camera, 4, true);
    for _ in 0..20 {
        mesh.frame(0, publisher, &mut camera, 4, false);
    }
    let before = mesh.workers[0].clients[publisher].plis();
    let viewer = watch(&mut mesh, 1);
    mesh.run(ms(50));
    assert_eq!(mesh.workers[1].clients[viewer].received.len(), 84, "the key frame and all since");
    mesh.frame(0, publisher, &mut camera, 4, false);
    let client = &mesh.workers[1].clients[viewer];
    assert_eq!((client.received.len(), client.faults), (88, 0));
    assert!(is_continuous(&client.indices(SEEN)));
    assert_eq!(mesh.workers[0].clients[publisher].plis(), before);
}

#[test]
fn the_next_joiner_on_an_edge_starts_with_what_is_there_already() {
    let (mut mesh, publisher, mut camera) = origin_and_edges(2);
    mesh.frame(0, publisher, &mut camera, 4, true);
    watch(&mut mesh, 1);
    for _ in 0..20 {
        mesh.frame(0, publisher, &mut camera, 4, false);
    }
    let (asked, crossed) = (mesh.workers[0].clients[publisher].plis(), mesh.workers[0].sfu.relays()[0].packets);
    let second = watch(&mut mesh, 1);
    mesh.run(ms(50));
    let client = &mesh.workers[1].clients[second];
    assert_eq!((client.received.len(), client.faults), (84, 0));
    assert!(is_continuous(&client.indices(SEEN)));
    let after = (mesh.workers[0].clients[publisher].plis(), mesh.workers[0].sfu.relays()[0].packets);
    assert_eq!(after, (asked, crossed), "nothing was asked for and nothing crossed the link");
}

#[test]
fn a_picture_whose_first_packet_is_lost_is_made_whole() {
    let (mut mesh, publisher, mut camera) = origin_and_edges(2);
    let viewer = watch(&mut mesh, 1);
    let packets = camera.frame(6, true);
    for (at, packet) in packets.iter().enumerate() {
        mesh.workers[0].send(publisher, packet);
        if at == 0 {
            // What says where the numbers begin goes through.
            mesh.workers[0].wire.retain(|(_, _, datagram)| datagram.len() < 120);
        }
        mesh.carry();
    }
    mesh.run(ms(30));
    mesh.frame(0, publisher, &mut camera, 2, false);
    let received = &mesh.workers[1].clients[viewer].received;
    assert!(received.iter().any(|packet| packet.payload == packets[0].payload), "{}", received.len());
    assert_eq!(mesh.workers[1].sfu.relays()[0].repaired, 1);
}

#[test]
fn a_generation_whose_first_packet_is_lost_is_made_whole() {
    let (mut mesh, publisher, mut camera) = origin_and_edges(2);
    let viewer = watch(&mut mesh, 1);
    mesh.frame(0, publisher, &mut camera, 3, true);
    camera.seq = camera.seq.wrapping_add(20_000);
    let packets = camera.frame(6, true);
    mesh.workers[0].send(publisher, &packets[0]);
    mesh.workers[0].wire.retain(|(_, _, datagram)| datagram.len() < 120);
    for packet in &packets[1..] {
        mesh.send(0, publisher, packet);
    }
    mesh.run(ms(30));
    let client = &mesh.workers[1].clients[viewer];
    assert!(client.received.iter().any(|packet| packet.payload == packets[0].payload), "{}", client.received.len());
    assert_eq!(client.faults, 0);
}
