//! Commands of signaling: what is refused, what stays, what is told.

use std::time::Duration;

use crate::harness::*;
use chappe_sfu_core::{CloseReason, ControlError, Epoch, Event, IceCredentials, Media, SessionState, TrackId};

const SEEN: u32 = 0x9000;

#[test]
fn a_lower_epoch_is_refused_and_changes_nothing() {
    let mut harness = Harness::new();
    let viewer = harness.join(watches(vec![video_out(Some(CAMERA), SEEN)]));
    let higher = harness.sfu.set_media(harness.now, session(viewer), Epoch(5), no_media());
    assert_eq!(higher, Ok(()));
    let lower = harness.sfu.set_media(harness.now, session(viewer), Epoch(4), watches(vec![video_out(None, SEEN)]));
    assert_eq!(lower, Err(ControlError::StaleEpoch));
    let stale = harness.sfu.close_session(harness.now, session(viewer), Epoch(4), CloseReason::Requested);
    assert_eq!(stale, Err(ControlError::StaleEpoch));
    assert_eq!(harness.sfu.track_counts(), (0, 0));
}

#[test]
fn what_is_not_there_is_not_found_but_closing_it_succeeds() {
    let mut harness = Harness::new();
    let nobody = session(99);
    assert_eq!(harness.sfu.set_media(harness.now, nobody, Epoch(1), no_media()), Err(ControlError::NotFound));
    assert_eq!(harness.sfu.request_keyframe(harness.now, TrackId(1)), Err(ControlError::NotFound));
    assert_eq!(harness.sfu.close_session(harness.now, nobody, Epoch(1), CloseReason::Requested), Ok(()));
    assert!(harness.sfu.session_stats(nobody).is_none());
}

#[test]
fn a_track_has_one_publisher() {
    let mut harness = Harness::new();
    harness.join(publishes(vec![camera_line(CAMERA)]));
    let other = harness.join(no_media());
    let result = harness.sfu.set_media(harness.now, session(other), Epoch(1), publishes(vec![camera_line(CAMERA)]));
    assert!(matches!(result, Err(ControlError::Invalid(_))));
}

#[test]
fn limits_and_contradictions_are_refused_as_a_whole() {
    let mut harness = Harness::new();
    let who = harness.join(no_media());
    let many: Vec<_> = (0..33).map(|at| video_out(None, 100 + at * 2)).collect();
    let twice = vec![video_out(None, 100), video_out(None, 101)];
    let mut rtcp_like = video_out(None, 100);
    rtcp_like.payload_types[0].to = 72;
    let mut silent = video_out(None, 100);
    silent.payload_types[0].clock_rate = 0;
    for lines in [many, twice, vec![rtcp_like], vec![silent]] {
        assert!(harness.sfu.set_media(harness.now, session(who), Epoch(1), watches(lines)).is_err());
        assert_eq!(harness.sfu.track_counts(), (0, 0));
    }
}

#[test]
fn ssrcs_that_come_and_go_are_bounded() {
    let mut harness = Harness::new();
    let who = harness.join(no_media());
    let mut refused = 0;
    for at in 0..700 {
        let media = watches(vec![video_out(None, 1_000 + at * 2)]);
        refused += usize::from(harness.sfu.set_media(harness.now, session(who), Epoch(1), media).is_err());
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn a_session_tells_its_life() {
    let mut harness = Harness::new();
    let who = harness.join(publishes(vec![camera_line(CAMERA)]));
    harness.frame(who, &mut Camera::new(VIDEO_SSRC), 1, true);
    let summary = harness.sfu.sessions(harness.now).next().expect("one session");
    assert_eq!((summary.state, summary.active.as_slice()), (SessionState::Connected, &[CAMERA][..]));
    assert!(summary.age > Duration::ZERO);
    harness.sfu.close_session(harness.now, session(who), Epoch(1), CloseReason::Drained).expect("open");
    harness.exchange();
    assert!(harness.clients[who].is_closed, "the goodbye reached the client");
    let session = session(who);
    let told = [
        Event::StateChanged { session, state: SessionState::Connecting },
        Event::StateChanged { session, state: SessionState::Connected },
        Event::TrackActive { session, track: CAMERA, active: true },
        Event::TrackActive { session, track: CAMERA, active: false },
        Event::Closed { session, reason: CloseReason::Drained },
    ];
    assert_eq!(harness.events, told);
    assert_eq!(harness.sfu.session_count(), 0);
    assert!(harness.sfu.poll_timeout().is_none(), "nothing is left to wait for");
}

#[test]
fn statistics_count_both_ends() {
    let mut harness = Harness::new();
    let publisher = harness.join(publishes(vec![camera_line(CAMERA)]));
    let viewer = harness.join(watches(vec![video_out(Some(CAMERA), SEEN)]));
    let mut camera = Camera::new(VIDEO_SSRC);
    for at in 0..90 {
        harness.frame(publisher, &mut camera, 4, at == 0);
    }
    let received = &harness.sfu.session_stats(session(publisher)).expect("open").received[0];
    let sent = &harness.sfu.session_stats(session(viewer)).expect("open").sent[0];
    assert_eq!((received.packets, received.bytes, received.lost), (360, 36_000, 0));
    assert_eq!((sent.packets, sent.bytes, sent.track), (360, 36_000, Some(CAMERA)));
    assert!((80_000..120_000).contains(&received.bits_per_second), "{}", received.bits_per_second);
}

#[test]
fn an_ice_restart_keeps_the_picture() {
    let mut harness = Harness::new();
    let publisher = harness.join(publishes(vec![camera_line(CAMERA)]));
    let viewer = harness.join(watches(vec![video_out(Some(CAMERA), SEEN)]));
    let mut camera = Camera::new(VIDEO_SSRC);
    harness.frame(publisher, &mut camera, 1, true);
    let local = IceCredentials { ufrag: "new-server".into(), pwd: "a-new-server-password-22".into() };
    let remote = IceCredentials { ufrag: "new-client".into(), pwd: "a-new-client-password-22".into() };
    harness.sfu.restart_ice(harness.now, session(viewer), Epoch(1), local.clone(), remote.clone()).expect("open");
    harness.frame(publisher, &mut camera, 1, false);
    let now = harness.now;
    harness.clients[viewer].restart_ice(now, remote, local);
    harness.run(Duration::from_secs(40));
    harness.frame(publisher, &mut camera, 1, true);
    assert_eq!(harness.clients[viewer].received.len(), 3);
    assert_eq!(harness.sfu.session_state(session(viewer)), Some(SessionState::Connected));
}

#[test]
fn a_viewer_may_come_before_its_publisher() {
    let mut harness = Harness::new();
    let viewer = harness.join(watches(vec![video_out(Some(CAMERA), SEEN)]));
    let publisher = harness.join(publishes(vec![camera_line(CAMERA)]));
    harness.frame(publisher, &mut Camera::new(VIDEO_SSRC), 2, true);
    assert_eq!(harness.clients[viewer].received.len(), 2);
}

#[test]
fn a_paused_m_line_goes_on_at_the_last_key_frame() {
    let mut harness = Harness::new();
    let publisher = harness.join(publishes(vec![camera_line(CAMERA)]));
    let viewer = harness.join(watches(vec![video_out(Some(CAMERA), SEEN)]));
    let mut camera = Camera::new(VIDEO_SSRC);
    harness.frame(publisher, &mut camera, 2, true);
    harness.set_media(viewer, watches(vec![video_out(None, SEEN)]));
    harness.frame(publisher, &mut camera, 2, true);
    harness.set_media(viewer, watches(vec![video_out(Some(CAMERA), SEEN)]));
    let asked = harness.clients[publisher].plis();
    assert_eq!(harness.clients[viewer].received.len(), 4, "what came in the pause is there");
    harness.run(Duration::from_millis(600));
    assert_eq!(harness.clients[publisher].plis(), asked, "and nobody is asked for it again");
    harness.frame(publisher, &mut camera, 2, false);
    harness.frame(publisher, &mut camera, 2, true);
    let indices = harness.clients[viewer].indices(SEEN);
    assert_eq!(indices.len(), 8);
    assert!(indices.windows(2).all(|pair| pair[1] == pair[0] + 1));
}

#[test]
fn one_client_may_publish_and_watch_in_one_session() {
    let mut harness = Harness::new();
    let (one, two) = (TrackId(1), TrackId(2));
    let both =
        |own, other| Media { receive: vec![camera_line(own)], send: vec![video_out(Some(other), SEEN)], ..no_media() };
    let a = harness.join(both(one, two));
    let b = harness.join(both(two, one));
    harness.frame(a, &mut Camera::new(VIDEO_SSRC), 2, true);
    harness.frame(b, &mut Camera::new(VIDEO_SSRC), 3, true);
    assert_eq!((harness.clients[a].received.len(), harness.clients[b].received.len()), (3, 2));
}
