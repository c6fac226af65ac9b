//! Who has an address: a client that uses its socket again has it at once, one that forges it never.

use chappe_sfu_core::{SessionState, TrackId};

use crate::harness::cameras::ms;
use crate::harness::*;

const SEEN: u32 = 900;
const BEFORE: TrackId = TrackId(1);
const AFTER: TrackId = TrackId(2);

/// A client that died after so many datagrams (`None`: connected, and heard this moment), and the one that has its
/// socket now.
fn reused(sends: Option<usize>) -> (Harness, Who, Who, Who) {
    let mut harness = Harness::new();
    let viewer = harness.join(watches(vec![video_out(Some(AFTER), SEEN)]));
    let old = harness.open(publishes(vec![camera_line(BEFORE)]));
    harness.clients[old].sends_left = sends;
    harness.run(ms(50));
    if sends.is_none() {
        harness.frame(old, &mut Camera::new(11), 2, true);
    }
    let new = harness.open(publishes(vec![camera_line(AFTER)]));
    harness.inherit(new, old);
    (harness, viewer, old, new)
}

#[test]
fn a_socket_that_is_used_again_connects_as_fast_as_a_new_one() {
    for sends in [Some(1), Some(2), Some(3), Some(4), None] {
        let (mut harness, viewer, _, new) = reused(sends);
        harness.run(ms(60));
        assert!(harness.clients[new].is_ready(), "{sends:?}");
        harness.run(ms(2));
        harness.frame(new, &mut Camera::new(22), 3, true);
        assert_eq!(harness.clients[viewer].payloads(SEEN).len(), 3, "{sends:?}");
        assert_eq!(harness.sfu.session_state(session(new)), Some(SessionState::Connected));
    }
}

#[test]
fn the_session_before_sends_nothing_to_a_socket_that_is_used_again() {
    let mut harness = Harness::new();
    let publisher = harness.join(publishes(vec![camera_line(BEFORE)]));
    let old = harness.join(watches(vec![video_out(Some(BEFORE), SEEN)]));
    let mut camera = Camera::new(11);
    harness.frame(publisher, &mut camera, 2, true);
    let new = harness.open(watches(vec![video_out(Some(BEFORE), SEEN)]));
    harness.inherit(new, old);
    harness.run(ms(60));
    assert!(harness.clients[new].is_ready());
    let faults = harness.clients[new].faults;
    for _ in 0..300 {
        harness.frame(publisher, &mut camera, 2, false);
    }
    let client = &harness.clients[new];
    assert_eq!((client.faults - faults, client.indices(SEEN).len()), (0, 2 * 301));
    // Nobody is where it was: silence ends it, as it ends everybody.
    assert_eq!(harness.sfu.session_state(session(old)), Some(SessionState::Disconnected));
    harness.run(ms(30_000));
    assert_eq!(harness.sfu.session_state(session(old)), None);
    assert_eq!(harness.sfu.session_state(session(new)), Some(SessionState::Connected));
}

#[test]
fn two_sessions_at_one_address_are_both_served() {
    let mut harness = Harness::new();
    let viewer = harness.join(watches(vec![video_out(Some(BEFORE), SEEN), video_out(Some(AFTER), SEEN + 10)]));
    let first = harness.join(publishes(vec![camera_line(BEFORE)]));
    let second = harness.open(publishes(vec![camera_line(AFTER)]));
    let (now, home) = (harness.now, harness.clients[first].route);
    harness.inherit(second, first);
    harness.clients[first].sends_left = None;
    harness.clients[first].move_to(now, home);
    harness.run(ms(60));
    assert!(harness.clients[second].is_ready());
    // By then the first has checked again.
    harness.run(ms(3_000));
    let mut cameras = [Camera::new(11), Camera::new(11)];
    // Their checks, two and a half seconds apart, claim the address in turn.
    for at in 0..400 {
        harness.frame(first, &mut cameras[0], 2, at == 0);
        harness.frame(second, &mut cameras[1], 2, at == 0);
    }
    for ssrc in [SEEN, SEEN + 10] {
        let received = harness.clients[viewer].payloads(ssrc).len();
        assert_eq!(received, 800, "{ssrc}");
    }
}

#[test]
fn a_client_that_forges_its_address_does_not_cut_off_who_lives_there() {
    let mut harness = Harness::new();
    let publisher = harness.join(publishes(vec![camera_line(BEFORE)]));
    let viewer = harness.join(watches(vec![video_out(Some(BEFORE), SEEN)]));
    let connected = harness.join(no_media());
    let mut camera = Camera::new(11);
    harness.frame(publisher, &mut camera, 1, true);
    // One that is connected, and one that forges all it sends from the start.
    let villains = [connected, harness.open(no_media())];
    let (now, home) = (harness.now, harness.clients[publisher].route);
    for villain in villains {
        harness.clients[villain].route = home;
        harness.clients[villain].move_to(now, home);
    }
    for frame in 0..100 {
        harness.frame(publisher, &mut camera, 1, false);
        harness.clients[villains[0]].send(&opus(frame, 0));
        harness.run(ms(1));
        assert_eq!(
            harness.clients[viewer].payloads(SEEN).len(),
            usize::from(frame) + 2,
            "the publisher is still heard"
        );
    }
    assert_eq!(harness.clients[publisher].faults, 0);
    assert_eq!(harness.sfu.session_state(session(publisher)), Some(SessionState::Connected));
    assert!(!harness.clients[villains[1]].is_ready(), "what answers it goes to the address");
}
