//! Tracks that an operator muted: their packets reach nobody, and all that is known of them stays.

use crate::harness::cameras::{SEEN, ms};
use crate::harness::relays::{is_continuous, origin_and_edges, watch};
use crate::harness::*;
use chappe_sfu_core::{DropReason, Event, Media, MediaKind};

fn muted(muted: bool) -> Media {
    let mut camera = camera_line(CAMERA);
    camera.muted = muted;
    publishes(vec![camera])
}

fn received(mesh: &Mesh, at: usize, viewer: Who) -> usize {
    mesh.workers[at].clients[viewer].received.len()
}

#[test]
fn a_muted_track_reaches_no_viewer_here_or_elsewhere_until_it_is_unmuted_and_then_begins_at_a_key_frame() {
    let (mut mesh, publisher, mut camera) = origin_and_edges(2);
    camera.extensions = vec![(MID, b"0".to_vec())];
    let viewers = [watch(&mut mesh, 0), watch(&mut mesh, 1)];
    mesh.frame(0, publisher, &mut camera, 3, true);
    mesh.frame(0, publisher, &mut camera, 3, false);
    assert_eq!([0, 1].map(|at| received(&mesh, at, viewers[at])), [6, 6]);

    mesh.workers[0].set_media(publisher, muted(true));
    let events = mesh.workers[0].events.len();
    for frame in 0..40 {
        mesh.frame(0, publisher, &mut camera, 40, frame % 10 == 0);
    }
    assert_eq!([0, 1].map(|at| received(&mesh, at, viewers[at])), [6, 6], "key frames do not pass either");
    let counters = mesh.workers[0].sfu.counters();
    assert_eq!((counters.dropped(DropReason::RtpMuted), counters.dropped(DropReason::RtpReplayed)), (1_600, 0));
    let stats = mesh.workers[0].sfu.session_stats(session(publisher)).expect("it is there");
    assert_eq!((stats.received[0].packets, stats.received[0].lost), (1_606, 0), "it is counted and reported");
    assert_eq!(mesh.workers[0].events[events..], [], "media arrives as before");

    let asked = mesh.workers[0].clients[publisher].plis();
    mesh.workers[0].set_media(publisher, muted(false));
    mesh.run(ms(500));
    assert!(mesh.workers[0].clients[publisher].plis() > asked, "a key frame is asked for");
    mesh.frame(0, publisher, &mut camera, 3, false);
    assert_eq!([0, 1].map(|at| received(&mesh, at, viewers[at])), [6, 6]);
    mesh.frame(0, publisher, &mut camera, 3, true);
    mesh.frame(0, publisher, &mut camera, 3, false);
    for (at, viewer) in viewers.into_iter().enumerate() {
        let client = &mesh.workers[at].clients[viewer];
        assert_eq!((client.received.len(), client.faults), (12, 0), "at {at}");
        assert!(is_continuous(&client.indices(SEEN)), "nothing is asked for again");
        assert_eq!(client.received[6].payload[..2], [0x10, 0], "a key frame");
    }
}

#[test]
fn who_comes_while_a_track_is_muted_is_not_shown_what_came_before() {
    let (mut mesh, publisher, mut camera) = origin_and_edges(2);
    camera.extensions = vec![(MID, b"0".to_vec())];
    mesh.frame(0, publisher, &mut camera, 3, true);
    mesh.workers[0].set_media(publisher, muted(true));
    let viewers = [watch(&mut mesh, 0), watch(&mut mesh, 1)];
    mesh.run(ms(300));
    mesh.frame(0, publisher, &mut camera, 3, true);
    assert_eq!([0, 1].map(|at| received(&mesh, at, viewers[at])), [0, 0]);
    mesh.workers[0].set_media(publisher, muted(false));
    mesh.run(ms(20));
    mesh.frame(0, publisher, &mut camera, 3, true);
    assert_eq!([0, 1].map(|at| received(&mesh, at, viewers[at])), [3, 3]);
}

#[test]
fn no_key_frame_is_asked_for_of_a_track_that_is_muted_from_the_start_until_it_is_unmuted() {
    let mut mesh = Mesh::new(1, 1);
    let publisher = mesh.join(0, muted(true));
    let viewer = watch(&mut mesh, 0);
    let mut camera = Camera::new(VIDEO_SSRC);
    camera.extensions = vec![(MID, b"0".to_vec())];
    mesh.frame(0, publisher, &mut camera, 3, true);
    mesh.frame(0, publisher, &mut camera, 3, false);
    let second = watch(&mut mesh, 0);
    mesh.run(ms(1_000));
    let asked = |mesh: &Mesh| mesh.workers[0].clients[publisher].plis();
    assert_eq!((asked(&mesh), received(&mesh, 0, viewer)), (0, 0));
    mesh.workers[0].set_media(publisher, muted(false));
    mesh.run(ms(20));
    assert_eq!(asked(&mesh), 1);
    mesh.frame(0, publisher, &mut camera, 3, true);
    assert_eq!([viewer, second].map(|viewer| received(&mesh, 0, viewer)), [3, 3]);
}

#[test]
fn sound_that_is_muted_while_somebody_speaks_is_silence() {
    let mut mesh = Mesh::new(2, 1);
    let speaker = mesh.join(0, publishes(vec![microphone_line(MICROPHONE)]));
    mesh.set_origin(1, MICROPHONE, MediaKind::Audio, 0);
    let viewer = mesh.join(1, watches(vec![audio_out(Some(MICROPHONE), SEEN)]));
    mesh.run(ms(200));
    let mut seq = 1;
    let mut say = |mesh: &mut Mesh| {
        for _ in 0..30 {
            let mut packet = opus(seq, u32::from(seq) * 960);
            packet.extensions.push((AUDIO_LEVEL, vec![20]));
            seq += 1;
            mesh.send(0, speaker, &packet);
            mesh.run(ms(20));
        }
    };
    say(&mut mesh);
    let mut line = microphone_line(MICROPHONE);
    line.muted = true;
    mesh.workers[0].set_media(speaker, publishes(vec![line]));
    mesh.run(ms(20));
    let heard = received(&mesh, 1, viewer);
    say(&mut mesh);
    assert_eq!((heard, received(&mesh, 1, viewer)), (30, 30));
    for at in 0..2 {
        let told = mesh.workers[at].events.iter().filter_map(|event| match event {
            Event::Speaking { speaking, .. } => Some(*speaking),
            _ => None,
        });
        assert_eq!(told.collect::<Vec<_>>(), [true, false], "at {at}");
    }
    mesh.workers[0].set_media(speaker, publishes(vec![microphone_line(MICROPHONE)]));
    say(&mut mesh);
    assert_eq!(received(&mesh, 1, viewer), 60);
}
