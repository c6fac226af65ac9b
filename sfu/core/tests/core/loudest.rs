//! Whom viewers of many hear: all of a few, of a crowd the loudest, and nobody who is silent. In virtual time.

use crate::harness::client::Received;
use crate::harness::*;
use chappe_sfu_core::{CROWD, LOUDEST_DEFAULT, TrackId};

const SPEAKERS: usize = CROWD + 4;
/// Of the sound of the n-th speaker.
const HEARD: u32 = 0xb000;
const SILENCE: u8 = 127;
const SPEECH: u8 = 30;

struct Hall {
    harness: Harness,
    speakers: Vec<Who>,
    /// What the packets say of each: `None` where they say nothing.
    levels: [Option<u8>; SPEAKERS],
    seq: u16,
}

fn track(at: usize) -> TrackId {
    TrackId(MICROPHONE.0 + 0x100 + at as u64)
}

fn hears(speakers: std::ops::Range<usize>) -> chappe_sfu_core::Media {
    let lines = speakers.map(|at| {
        let mut line = audio_out(Some(track(at)), HEARD + at as u32);
        line.mid = format!("a{at}");
        line
    });
    watches(lines.collect())
}

impl Hall {
    fn new() -> Hall {
        let mut harness = Harness::new();
        let speakers = (0..SPEAKERS).map(|at| harness.join(publishes(vec![microphone_line(track(at))]))).collect();
        Hall { harness, speakers, levels: [Some(SILENCE); SPEAKERS], seq: 100 }
    }

    /// Packets of 20 ms from everybody.
    fn play(&mut self, packets: usize) {
        for _ in 0..packets {
            self.seq += 1;
            for (who, level) in self.speakers.iter().zip(self.levels) {
                let mut packet = opus(self.seq, u32::from(self.seq) * 960);
                packet.extensions.extend(level.map(|level| (AUDIO_LEVEL, vec![level])));
                self.harness.clients[*who].send(&packet);
            }
            self.harness.exchange();
            self.harness.run(std::time::Duration::from_millis(20));
        }
    }

    fn received(&self, viewer: Who, at: usize) -> Vec<&Received> {
        let of = |packet: &&Received| packet.ssrc == HEARD + at as u32;
        self.harness.clients[viewer].received.iter().filter(of).collect()
    }

    /// Of whom something came while so many packets were sent.
    fn heard(&mut self, viewer: Who, packets: usize) -> Vec<usize> {
        let counts = |hall: &Hall| -> Vec<usize> { (0..SPEAKERS).map(|at| hall.received(viewer, at).len()).collect() };
        let before = counts(self);
        self.play(packets);
        let after = counts(self);
        (0..SPEAKERS).filter(|at| after[*at] > before[*at]).collect()
    }
}

/// The number that a speaker gave a packet.
fn seq_of(packet: &Received) -> u16 {
    u16::from_be_bytes(*packet.payload.last_chunk().expect("sound of ours"))
}

#[test]
fn of_a_crowd_that_is_silent_nothing_is_sent_and_the_first_word_comes_whole() {
    let mut hall = Hall::new();
    let viewer = hall.harness.join(hears(0..SPEAKERS));
    hall.play(10);
    assert_eq!(hall.heard(viewer, 50), [], "silence costs nothing");
    for _ in 0..3 {
        hall.levels[7] = Some(SPEECH);
        let began = hall.seq + 1;
        hall.play(50);
        let word: Vec<u16> = hall.received(viewer, 7).iter().map(|packet| seq_of(packet)).collect();
        let first = word.iter().position(|seq| *seq >= began).expect("it is heard");
        assert_eq!(word[first..], (began..began + 50).collect::<Vec<_>>(), "from the first loud packet on");
        hall.levels[7] = Some(SILENCE);
        hall.play(100);
        assert_eq!(hall.heard(viewer, 50), []);
    }
    let packets = hall.received(viewer, 7);
    for pair in packets.windows(2) {
        assert_eq!(pair[1].index, pair[0].index + 1, "no gap in the sequence");
        let passed = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        assert_eq!(passed, u32::from(seq_of(pair[1]) - seq_of(pair[0])) * 960, "the time that passed");
    }
    assert_eq!(hall.harness.clients[viewer].faults, 0);
}

#[test]
fn of_many_that_speak_the_loudest_are_heard_and_stay_until_somebody_is_clearly_louder() {
    let mut hall = Hall::new();
    let viewer = hall.harness.join(hears(0..SPEAKERS));
    hall.play(10);
    for (at, level) in [(0, 44), (1, 30), (2, 36), (3, 32), (4, 34), (5, 46), (6, 38)] {
        hall.levels[at] = Some(level);
    }
    hall.play(100);
    assert_eq!(hall.heard(viewer, 50), [1, 2, 3, 4, 6]);
    hall.levels[0] = Some(35);
    hall.play(100);
    assert_eq!(hall.heard(viewer, 50), [1, 2, 3, 4, 6], "a little louder than the quietest");
    hall.levels[0] = Some(25);
    hall.play(100);
    assert_eq!(hall.heard(viewer, 50), [0, 1, 2, 3, 4]);
    assert_eq!(hall.heard(viewer, 200).len(), LOUDEST_DEFAULT, "nobody comes and goes");
}

#[test]
fn who_begins_while_others_pause_is_heard_at_once() {
    let mut hall = Hall::new();
    let viewer = hall.harness.join(hears(0..SPEAKERS));
    (0..LOUDEST_DEFAULT).for_each(|at| hall.levels[at] = Some(SPEECH));
    hall.play(100);
    // It pauses, and is still among those that are heard.
    hall.levels[2] = Some(SILENCE);
    hall.play(15);
    hall.levels[12] = Some(SPEECH);
    let began = hall.seq + 1;
    hall.play(50);
    let word: Vec<u16> =
        hall.received(viewer, 12).iter().map(|packet| seq_of(packet)).filter(|s| *s >= began).collect();
    assert_eq!(word, (began..began + 50).collect::<Vec<_>>());
}

#[test]
fn a_viewer_of_one_or_of_a_few_hears_all_of_it() {
    let mut hall = Hall::new();
    let (one, few) = (hall.harness.join(hears(0..1)), hall.harness.join(hears(0..CROWD)));
    hall.play(100);
    assert_eq!(hall.received(one, 0).len(), 100);
    assert!((0..CROWD).all(|at| hall.received(few, at).len() == 100));
    // It becomes one of a crowd, and of a few again.
    hall.harness.set_media(few, hears(0..SPEAKERS));
    hall.play(5);
    assert_eq!(hall.heard(few, 50), []);
    hall.harness.set_media(few, hears(0..CROWD));
    assert_eq!(hall.heard(few, 5), (0..CROWD).collect::<Vec<_>>());
}

#[test]
fn who_does_not_say_how_loud_they_are_is_heard_beside_the_loudest() {
    let mut hall = Hall::new();
    hall.levels = [None; SPEAKERS];
    let viewer = hall.harness.join(hears(0..SPEAKERS));
    assert_eq!(hall.heard(viewer, 50).len(), SPEAKERS);
    (0..SPEAKERS - 2).for_each(|at| hall.levels[at] = Some(if at < 7 { SPEECH + at as u8 } else { SILENCE }));
    hall.play(100);
    let heard = hall.heard(viewer, 50);
    assert_eq!(heard, [0, 1, 2, 3, 4, SPEAKERS - 2, SPEAKERS - 1]);
}
