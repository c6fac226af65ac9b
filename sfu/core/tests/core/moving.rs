//! A viewer of relays whose publisher moves: what flows goes on until what came over another relay can begin.

use crate::harness::cameras::*;
use crate::harness::client;
use crate::harness::mesh::Path;
use crate::harness::*;
use chappe_sfu_core::MediaKind;

/// Published at 0 and 2, watched at 1; both ways take 60 ms. The first camera runs for `frames`.
fn apart(frames: usize) -> (Mesh, [Who; 2], Who, [Camera; 2]) {
    let mut mesh = Mesh::new(3, 1);
    mesh.set_all(Path { delay_ms: 60, ..Path::default() });
    let publishers = [(0, CAMERA), (2, SECOND)].map(|(at, track)| mesh.join(at, publishes(vec![camera_line(track)])));
    for (at, track) in [(0, CAMERA), (2, SECOND)] {
        mesh.set_origin(1, track, MediaKind::Video, at);
    }
    mesh.run(ms(200));
    let viewer = mesh.join(1, sees(Some(CAMERA)));
    mesh.run(ms(100));
    let mut cameras = [1, 2].map(camera);
    for at in 0..frames {
        play(&mut mesh, publishers, &mut cameras, [true, false], at == 0);
    }
    (mesh, publishers, viewer, cameras)
}

/// Frames of the cameras that run; a publisher answers a request with a key frame, as soon as it has come.
fn play(mesh: &mut Mesh, publishers: [Who; 2], cameras: &mut [Camera; 2], runs: [bool; 2], keyframe: bool) {
    for (at, place) in [0, 2].into_iter().enumerate().filter(|(at, _)| runs[*at]) {
        let told = &mut mesh.workers[place].clients[publishers[at]].received_rtcp;
        let is_asked = told.iter().any(|packet| matches!(packet, client::ReceivedRtcp::Pli(_)));
        told.clear();
        for packet in cameras[at].frame(2, keyframe || is_asked) {
            mesh.workers[place].clients[publishers[at]].send(&packet);
        }
        mesh.workers[place].exchange();
    }
    mesh.carry();
    mesh.run(ms(33));
}

#[test]
fn a_viewer_of_relays_sees_no_gap_when_its_publisher_moves_to_another_worker() {
    // The new publisher has sent for this many frames when the viewer's worker is told.
    for head_start in [0, 1, 3, 20] {
        let (mut mesh, publishers, viewer, mut cameras) = apart(30);
        for at in 0..head_start {
            play(&mut mesh, publishers, &mut cameras, [true, true], at == 0);
        }
        mesh.workers[1].set_media(viewer, sees(Some(SECOND)));
        let mut frames = 0;
        while names(&mesh.workers[1].clients[viewer].received).last() == Some(&1) {
            play(&mut mesh, publishers, &mut cameras, [true, true], frames == 0 && head_start == 0);
            frames += 1;
            assert!(frames < 20, "with a head start of {head_start}");
        }
        for _ in 0..10 {
            play(&mut mesh, publishers, &mut cameras, [true, true], false);
        }
        let client = &mesh.workers[1].clients[viewer];
        let names = names(&client.received);
        let first = names.iter().position(|name| *name == 2).expect("it came");
        assert!(names[first..].iter().all(|name| *name == 2) && is_continuous(client));
        assert!(is_keyframe(&client.received[first]));
        let old = counters(&client.received, 1);
        assert!(old.windows(2).all(|pair| pair[1] == pair[0] + 1), "{old:?}");
        // A frame each 33 ms, and the new source was no further behind than its frames are apart.
        let gaps = client.arrivals.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(gaps.max() <= Some(ms(66)), "with a head start of {head_start}");
        let soon = client.arrivals[first] + ms(20);
        let burst = client.arrivals[first..].iter().filter(|at| **at < soon).count();
        assert!(burst <= 12, "{burst} packets at once with a head start of {head_start}");
        mesh.run(ms(2_500));
        let open: Vec<_> = mesh.workers[1].sfu.relays().iter().map(|relay| relay.track).collect();
        assert_eq!(open, [SECOND], "the old relay is closed");
    }
}

#[test]
fn the_relay_of_the_old_source_stays_open_while_the_new_one_is_awaited() {
    let (mut mesh, publishers, viewer, mut cameras) = apart(5);
    mesh.workers[1].set_media(viewer, sees(Some(SECOND)));
    mesh.run(ms(130));
    assert_eq!(mesh.workers[1].sfu.relays().len(), 2, "that of the new one opens at once");
    for _ in 0..50 {
        play(&mut mesh, publishers, &mut cameras, [true, false], false);
    }
    mesh.run(ms(60));
    assert_eq!(names(&mesh.workers[1].clients[viewer].received).len(), 55 * 2);
    // Nor does the new one's outlive the waiting.
    mesh.workers[1].set_media(viewer, sees(Some(CAMERA)));
    mesh.run(ms(2_200));
    let tracks: Vec<_> = mesh.workers[1].sfu.relays().iter().map(|relay| relay.track).collect();
    assert_eq!(tracks, [CAMERA]);
}
