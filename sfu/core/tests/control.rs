//! Commands of signaling: what is refused, what stays, what is told.

mod bed;

use std::time::Duration;

use bed::*;
use chappe_sfu_core::{
    CloseReason, ControlError, Epoch, Event, ExtensionMap, IceCredentials, Media, SessionState, TrackId,
};

const SEEN: u32 = 0x9000;

#[test]
fn a_lower_epoch_is_refused_and_changes_nothing() {
    let mut bed = Bed::new();
    let viewer = bed.join(watches(vec![video_out(Some(CAMERA), SEEN)]));
    let higher = bed.sfu.set_media(bed.now, session(viewer), Epoch(5), no_media());
    assert_eq!(higher, Ok(()));
    let lower = bed.sfu.set_media(bed.now, session(viewer), Epoch(4), watches(vec![video_out(None, SEEN)]));
    assert_eq!(lower, Err(ControlError::StaleEpoch));
    let stale = bed.sfu.close_session(bed.now, session(viewer), Epoch(4), CloseReason::Requested);
    assert_eq!(stale, Err(ControlError::StaleEpoch));
    assert_eq!(bed.sfu.track_counts(), (0, 0));
}

#[test]
fn what_is_not_there_is_not_found_but_closing_it_succeeds() {
    let mut bed = Bed::new();
    let nobody = session(99);
    assert_eq!(bed.sfu.set_media(bed.now, nobody, Epoch(1), no_media()), Err(ControlError::NotFound));
    assert_eq!(bed.sfu.request_keyframe(bed.now, TrackId(1)), Err(ControlError::NotFound));
    assert_eq!(bed.sfu.close_session(bed.now, nobody, Epoch(1), CloseReason::Requested), Ok(()));
    assert!(bed.sfu.session_stats(nobody).is_none());
}

#[test]
fn a_track_has_one_publisher() {
    let mut bed = Bed::new();
    bed.join(publishes(vec![camera_line(CAMERA)]));
    let other = bed.join(no_media());
    let result = bed.sfu.set_media(bed.now, session(other), Epoch(1), publishes(vec![camera_line(CAMERA)]));
    assert!(matches!(result, Err(ControlError::Invalid(_))));
}

#[test]
fn limits_and_contradictions_are_refused_as_a_whole() {
    let mut bed = Bed::new();
    let who = bed.join(no_media());
    let many: Vec<_> = (0..33).map(|at| video_out(None, 100 + at * 2)).collect();
    let twice = vec![video_out(None, 100), video_out(None, 101)];
    let mut rtcp_like = video_out(None, 100);
    rtcp_like.payload_types[0].to = 72;
    let mut silent = video_out(None, 100);
    silent.payload_types[0].clock_rate = 0;
    for lines in [many, twice, vec![rtcp_like], vec![silent]] {
        assert!(bed.sfu.set_media(bed.now, session(who), Epoch(1), watches(lines)).is_err());
        assert_eq!(bed.sfu.track_counts(), (0, 0));
    }
}

#[test]
fn ssrcs_that_come_and_go_are_bounded() {
    let mut bed = Bed::new();
    let who = bed.join(no_media());
    let mut refused = 0;
    for at in 0..700 {
        let media = watches(vec![video_out(None, 1_000 + at * 2)]);
        refused += usize::from(bed.sfu.set_media(bed.now, session(who), Epoch(1), media).is_err());
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn a_session_tells_its_life() {
    let mut bed = Bed::new();
    let who = bed.join(publishes(vec![camera_line(CAMERA)]));
    bed.frame(who, &mut Camera::new(VIDEO_SSRC), 1, true);
    let summary = bed.sfu.sessions(bed.now).next().expect("one session");
    assert_eq!((summary.state, summary.active.as_slice()), (SessionState::Connected, &[CAMERA][..]));
    assert!(summary.age > Duration::ZERO);
    bed.sfu.close_session(bed.now, session(who), Epoch(1), CloseReason::Drained).expect("open");
    bed.exchange();
    assert!(bed.clients[who].is_closed, "the goodbye reached the client");
    let session = session(who);
    let told = [
        Event::StateChanged { session, state: SessionState::Connecting },
        Event::StateChanged { session, state: SessionState::Connected },
        Event::TrackActive { session, track: CAMERA, active: true },
        Event::TrackActive { session, track: CAMERA, active: false },
        Event::Closed { session, reason: CloseReason::Drained },
    ];
    assert_eq!(bed.events, told);
    assert_eq!(bed.sfu.session_count(), 0);
    assert!(bed.sfu.poll_timeout().is_none(), "nothing is left to wait for");
}

#[test]
fn statistics_count_both_ends() {
    let mut bed = Bed::new();
    let publisher = bed.join(publishes(vec![camera_line(CAMERA)]));
    let viewer = bed.join(watches(vec![video_out(Some(CAMERA), SEEN)]));
    let mut camera = Camera::new(VIDEO_SSRC);
    for at in 0..90 {
        bed.frame(publisher, &mut camera, 4, at == 0);
    }
    let received = &bed.sfu.session_stats(session(publisher)).expect("open").received[0];
    let sent = &bed.sfu.session_stats(session(viewer)).expect("open").sent[0];
    assert_eq!((received.packets, received.bytes, received.lost), (360, 36_000, 0));
    assert_eq!((sent.packets, sent.bytes, sent.track), (360, 36_000, Some(CAMERA)));
    assert!((80_000..120_000).contains(&received.bits_per_second), "{}", received.bits_per_second);
}

#[test]
fn an_ice_restart_keeps_the_picture() {
    let mut bed = Bed::new();
    let publisher = bed.join(publishes(vec![camera_line(CAMERA)]));
    let viewer = bed.join(watches(vec![video_out(Some(CAMERA), SEEN)]));
    let mut camera = Camera::new(VIDEO_SSRC);
    bed.frame(publisher, &mut camera, 1, true);
    let local = IceCredentials { ufrag: "new-server".into(), pwd: "a-new-server-password-22".into() };
    let remote = IceCredentials { ufrag: "new-client".into(), pwd: "a-new-client-password-22".into() };
    bed.sfu.restart_ice(bed.now, session(viewer), Epoch(1), local.clone(), remote.clone()).expect("open");
    bed.frame(publisher, &mut camera, 1, false);
    let now = bed.now;
    bed.clients[viewer].restart_ice(now, remote, local);
    bed.run(Duration::from_secs(40));
    bed.frame(publisher, &mut camera, 1, true);
    assert_eq!(bed.clients[viewer].received.len(), 3);
    assert_eq!(bed.sfu.session_state(session(viewer)), Some(SessionState::Connected));
}

#[test]
fn a_viewer_may_come_before_its_publisher() {
    let mut bed = Bed::new();
    let viewer = bed.join(watches(vec![video_out(Some(CAMERA), SEEN)]));
    let publisher = bed.join(publishes(vec![camera_line(CAMERA)]));
    bed.frame(publisher, &mut Camera::new(VIDEO_SSRC), 2, true);
    assert_eq!(bed.clients[viewer].received.len(), 2);
}

#[test]
fn a_paused_m_line_goes_on_at_the_last_key_frame() {
    let mut bed = Bed::new();
    let publisher = bed.join(publishes(vec![camera_line(CAMERA)]));
    let viewer = bed.join(watches(vec![video_out(Some(CAMERA), SEEN)]));
    let mut camera = Camera::new(VIDEO_SSRC);
    bed.frame(publisher, &mut camera, 2, true);
    bed.set_media(viewer, watches(vec![video_out(None, SEEN)]));
    bed.frame(publisher, &mut camera, 2, true);
    bed.set_media(viewer, watches(vec![video_out(Some(CAMERA), SEEN)]));
    let asked = bed.clients[publisher].plis();
    assert_eq!(bed.clients[viewer].received.len(), 4, "what came in the pause is there");
    bed.run(Duration::from_millis(600));
    assert_eq!(bed.clients[publisher].plis(), asked, "and nobody is asked for it again");
    bed.frame(publisher, &mut camera, 2, false);
    bed.frame(publisher, &mut camera, 2, true);
    let indices = bed.clients[viewer].indices(SEEN);
    assert_eq!(indices.len(), 8);
    assert!(indices.windows(2).all(|pair| pair[1] == pair[0] + 1));
}

#[test]
fn one_client_may_publish_and_watch_in_one_session() {
    let mut bed = Bed::new();
    let (one, two) = (TrackId(1), TrackId(2));
    let both = |own, other| Media {
        extensions: ExtensionMap::empty(),
        receive: vec![camera_line(own)],
        send: vec![video_out(Some(other), SEEN)],
    };
    let a = bed.join(both(one, two));
    let b = bed.join(both(two, one));
    bed.frame(a, &mut Camera::new(VIDEO_SSRC), 2, true);
    bed.frame(b, &mut Camera::new(VIDEO_SSRC), 3, true);
    assert_eq!((bed.clients[a].received.len(), bed.clients[b].received.len()), (3, 2));
}
