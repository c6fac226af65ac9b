//! Who has an address: a client that uses its socket again has it at once, one that forges it never.

use chappe_sfu_core::{SessionState, TrackId};

use crate::bed::cameras::ms;
use crate::bed::*;

const SEEN: u32 = 900;
const BEFORE: TrackId = TrackId(1);
const AFTER: TrackId = TrackId(2);

/// A client that died after so many datagrams (`None`: connected, and heard this moment), and the one that has its
/// socket now.
fn reused(sends: Option<usize>) -> (Bed, Who, Who, Who) {
    let mut bed = Bed::new();
    let viewer = bed.join(watches(vec![video_out(Some(AFTER), SEEN)]));
    let old = bed.open(publishes(vec![camera_line(BEFORE)]));
    bed.clients[old].sends_left = sends;
    bed.run(ms(50));
    if sends.is_none() {
        bed.frame(old, &mut Camera::new(11), 2, true);
    }
    let new = bed.open(publishes(vec![camera_line(AFTER)]));
    bed.inherit(new, old);
    (bed, viewer, old, new)
}

#[test]
fn a_socket_that_is_used_again_connects_as_fast_as_a_new_one() {
    for sends in [Some(1), Some(2), Some(3), Some(4), None] {
        let (mut bed, viewer, _, new) = reused(sends);
        bed.run(ms(60));
        assert!(bed.clients[new].is_ready(), "{sends:?}");
        bed.run(ms(2));
        bed.frame(new, &mut Camera::new(22), 3, true);
        assert_eq!(bed.clients[viewer].payloads(SEEN).len(), 3, "{sends:?}");
        assert_eq!(bed.sfu.session_state(session(new)), Some(SessionState::Connected));
    }
}

#[test]
fn the_session_before_sends_nothing_to_a_socket_that_is_used_again() {
    let mut bed = Bed::new();
    let publisher = bed.join(publishes(vec![camera_line(BEFORE)]));
    let old = bed.join(watches(vec![video_out(Some(BEFORE), SEEN)]));
    let mut camera = Camera::new(11);
    bed.frame(publisher, &mut camera, 2, true);
    let new = bed.open(watches(vec![video_out(Some(BEFORE), SEEN)]));
    bed.inherit(new, old);
    bed.run(ms(60));
    assert!(bed.clients[new].is_ready());
    let faults = bed.clients[new].faults;
    for _ in 0..300 {
        bed.frame(publisher, &mut camera, 2, false);
    }
    let client = &bed.clients[new];
    assert_eq!((client.faults - faults, client.indices(SEEN).len()), (0, 2 * 301));
    // Nobody is where it was: silence ends it, as it ends everybody.
    assert_eq!(bed.sfu.session_state(session(old)), Some(SessionState::Disconnected));
    bed.run(ms(30_000));
    assert_eq!(bed.sfu.session_state(session(old)), None);
    assert_eq!(bed.sfu.session_state(session(new)), Some(SessionState::Connected));
}

#[test]
fn two_sessions_at_one_address_are_both_served() {
    let mut bed = Bed::new();
    let viewer = bed.join(watches(vec![video_out(Some(BEFORE), SEEN), video_out(Some(AFTER), SEEN + 10)]));
    let first = bed.join(publishes(vec![camera_line(BEFORE)]));
    let second = bed.open(publishes(vec![camera_line(AFTER)]));
    let (now, home) = (bed.now, bed.clients[first].route);
    bed.inherit(second, first);
    bed.clients[first].sends_left = None;
    bed.clients[first].move_to(now, home);
    bed.run(ms(60));
    assert!(bed.clients[second].is_ready());
    // By then the first has checked again.
    bed.run(ms(3_000));
    let mut cameras = [Camera::new(11), Camera::new(11)];
    // Their checks, two and a half seconds apart, claim the address in turn.
    for at in 0..400 {
        bed.frame(first, &mut cameras[0], 2, at == 0);
        bed.frame(second, &mut cameras[1], 2, at == 0);
    }
    for ssrc in [SEEN, SEEN + 10] {
        let received = bed.clients[viewer].payloads(ssrc).len();
        assert_eq!(received, 800, "{ssrc}");
    }
}

#[test]
fn a_client_that_forges_its_address_does_not_cut_off_who_lives_there() {
    let mut bed = Bed::new();
    let publisher = bed.join(publishes(vec![camera_line(BEFORE)]));
    let viewer = bed.join(watches(vec![video_out(Some(BEFORE), SEEN)]));
    let connected = bed.join(no_media());
    let mut camera = Camera::new(11);
    bed.frame(publisher, &mut camera, 1, true);
    // One that is connected, and one that forges all it sends from the start.
    let villains = [connected, bed.open(no_media())];
    let (now, home) = (bed.now, bed.clients[publisher].route);
    for villain in villains {
        bed.clients[villain].route = home;
        bed.clients[villain].move_to(now, home);
    }
    for frame in 0..100 {
        bed.frame(publisher, &mut camera, 1, false);
        bed.clients[villains[0]].send(&opus(frame, 0));
        bed.run(ms(1));
        assert_eq!(bed.clients[viewer].payloads(SEEN).len(), usize::from(frame) + 2, "the publisher is still heard");
    }
    assert_eq!(bed.clients[publisher].faults, 0);
    assert_eq!(bed.sfu.session_state(session(publisher)), Some(SessionState::Connected));
    assert!(!bed.clients[villains[1]].is_ready(), "what answers it goes to the address");
}
