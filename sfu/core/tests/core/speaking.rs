//! Who speaks, by the audio levels in the headers of packets, where a track is published and where it is relayed to.

use crate::harness::cameras::ms;
use crate::harness::*;
use chappe_sfu_core::{Event, MediaKind};

/// So many packets of 20 ms with this level.
fn say(mesh: &mut Mesh, speaker: Who, seq: &mut u16, level: u8, packets: usize) {
    for _ in 0..packets {
        let mut packet = opus(*seq, u32::from(*seq) * 960);
        packet.extensions.push((AUDIO_LEVEL, vec![level]));
        *seq += 1;
        mesh.send(0, speaker, &packet);
        mesh.run(ms(20));
    }
}

fn told(mesh: &Mesh, worker: usize) -> Vec<bool> {
    let of = |event: &Event| match event {
        Event::Speaking { track: MICROPHONE, speaking } => Some(*speaking),
        _ => None,
    };
    mesh.workers[worker].events.iter().filter_map(of).collect()
}

#[test]
fn who_speaks_is_told_by_each_worker_that_has_the_track_and_so_is_silence() {
    let mut mesh = Mesh::new(2, 1);
    let speaker = mesh.join(0, publishes(vec![microphone_line(MICROPHONE)]));
    mesh.set_origin(1, MICROPHONE, MediaKind::Audio, 0);
    mesh.join(1, watches(vec![audio_out(Some(MICROPHONE), 0x900)]));
    mesh.run(ms(200));
    let mut seq = 1;
    say(&mut mesh, speaker, &mut seq, 70, 50);
    assert_eq!((told(&mesh, 0), told(&mesh, 1)), (vec![], vec![]), "a quiet room");
    say(&mut mesh, speaker, &mut seq, 30, 50);
    assert_eq!((told(&mesh, 0), told(&mesh, 1)), (vec![true], vec![true]));
    // A pause between two words.
    say(&mut mesh, speaker, &mut seq, 90, 20);
    say(&mut mesh, speaker, &mut seq, 30, 50);
    assert_eq!(told(&mesh, 0), [true]);
    say(&mut mesh, speaker, &mut seq, 90, 90);
    assert_eq!((told(&mesh, 0), told(&mesh, 1)), (vec![true, false], vec![true, false]));
}

#[test]
fn a_speaker_whose_packets_stop_has_fallen_silent() {
    let mut mesh = Mesh::new(1, 1);
    let speaker = mesh.join(0, publishes(vec![microphone_line(MICROPHONE)]));
    let mut seq = 1;
    say(&mut mesh, speaker, &mut seq, 20, 50);
    mesh.run(ms(2_000));
    assert_eq!(told(&mesh, 0), [true, false]);
}
