use super::*;

const SMALL: HistoryLimits =
    HistoryLimits { packets_max: 8, packets_first: 4, chunk_bytes: 4096, chunks_max: 3, keep_ms: 100 };

/// A history whose budget is not in question.
struct Kept(History, CacheBudget);

impl Kept {
    fn new(limits: HistoryLimits) -> Kept {
        Kept(History::new(limits), CacheBudget::default())
    }

    fn push(&mut self, packet: Arrived, extensions: &[u8], payload: &[u8]) -> Option<u64> {
        self.0.push(&mut self.1, packet, extensions, payload)
    }
}

impl std::ops::Deref for Kept {
    type Target = History;

    fn deref(&self) -> &History {
        &self.0
    }
}

fn arrived(sequence: u64, at_ms: u32) -> Arrived {
    Arrived {
        sequence,
        timestamp: 0,
        generation: 0,
        payload_type: 96,
        marker: false,
        keyframe: false,
        sets_only: false,
        ends_burst: false,
        codec: crate::codec::Codec::Vp8,
        frame: crate::codec::frame::FrameNumbers::default(),
        layers: crate::codec::layers::FrameLayers::NONE,
        at_ms,
    }
}

#[test]
fn a_packet_is_found_by_number_and_by_sequence_in_its_own_bytes() {
    let mut history = Kept::new(SMALL);
    let first = history.push(arrived(700, 0), b"ext", b"payload").expect("fits");
    history.push(arrived(699, 0), b"", b"late").expect("fits");
    let entry = *history.entry(first).expect("kept");
    assert_eq!(history.extensions(&entry), b"ext");
    assert_eq!(history.payload(&entry), b"payload");
    assert_eq!(history.payload(history.find(699).expect("kept")), b"late");
    assert!(history.find(701).is_none());
}

#[test]
fn the_oldest_packets_give_way_by_count() {
    let mut history = Kept::new(SMALL);
    for sequence in 0..20 {
        history.push(arrived(sequence, 0), b"", b"x").expect("fits");
    }
    assert_eq!(history.oldest(), 12);
    assert!(history.find(11).is_none());
    assert!((12..20).all(|sequence| history.find(sequence).is_some()));
}

#[test]
fn the_oldest_packets_give_way_by_bytes() {
    let mut history = Kept::new(SMALL);
    for sequence in 0..8 {
        history.push(arrived(sequence, 0), b"", &[sequence as u8; 1500]).expect("fits");
    }
    assert_eq!(history.bytes(), 3 * 4096, "never more than its chunks");
    assert!(history.find(0).is_none());
    for sequence in 2..8u64 {
        let entry = history.find(sequence).expect("kept");
        assert!(history.payload(entry).iter().all(|byte| u64::from(*byte) == sequence));
    }
}

#[test]
fn old_packets_make_room_before_the_history_grows() {
    let mut history = Kept::new(SMALL);
    for sequence in 0..50 {
        history.push(arrived(sequence, sequence as u32 * 200), b"", &[0; 1500]).expect("fits");
    }
    assert!(history.bytes() <= 2 * 4096, "{}", history.bytes());
}

#[test]
fn a_reused_place_does_not_answer_for_another_sequence() {
    let mut history = Kept::new(SMALL);
    for sequence in [5, 13, 21] {
        history.push(arrived(sequence, 0), b"", b"x").expect("fits");
    }
    assert!(history.find(5).is_none(), "its place in the index was taken by 13 and 21");
    assert!(history.find(21).is_some());
}

#[test]
fn padding_is_added_once_and_counts_itself() {
    let mut history = Kept::new(SMALL);
    let number = history.push(arrived(1, 0), b"", b"abc").expect("fits");
    history.0.pad(number, 3);
    history.0.pad(number, 5);
    let entry = *history.entry(number).expect("kept");
    assert_eq!(history.payload(&entry), b"abc\0\0\x03");
    assert_eq!(history.payload(&entry.without_padding()), b"abc");
}

#[test]
fn a_packet_that_is_too_long_is_refused() {
    let mut history = Kept::new(SMALL);
    assert!(history.push(arrived(1, 0), b"", &[0; PACKET_BYTES_MAX + 1]).is_none());
    assert_eq!(history.next(), 0);
}

#[test]
fn a_key_frame_is_too_old_by_the_timestamps_also_if_all_of_it_came_at_once() {
    for (frames, is_kept) in [(300, true), (301, false)] {
        let mut history = Kept::new(HistoryLimits::VIDEO);
        for at in 0..=frames {
            let packet = Arrived { timestamp: at as u32 * 3_000, keyframe: at == 0, ..arrived(at, 0) };
            history.push(packet, b"", b"x").expect("fits");
        }
        assert_eq!(history.cached_gop().is_some(), is_kept, "{frames} frames");
    }
}

/// Frames of a kilobyte, 30 a second, with a key frame each `gop` of them.
fn play(history: &mut Kept, frames: std::ops::Range<u64>, gop: u64, packets: u64) {
    for at in frames {
        for packet in 0..packets {
            let arrived = Arrived {
                timestamp: at as u32 * 3_000,
                keyframe: at % gop == 0 && packet == 0,
                marker: packet + 1 == packets,
                ..arrived(at * packets + packet, at as u32 * 33)
            };
            history.push(arrived, b"", &[0; 1_000]).expect("fits");
        }
    }
}

#[test]
fn eight_seconds_of_six_hundred_packets_are_there_for_a_joiner() {
    let mut history = Kept::new(HistoryLimits::VIDEO);
    play(&mut history, 0..2 * 240 - 1, 240, 20);
    let gop = history.cached_gop().expect("all of it");
    assert_eq!((gop.sequence, history.oldest() <= gop.number), (240 * 20, true));
    assert!((gop.sequence..479 * 20).all(|sequence| history.find(sequence).is_some()));
    assert!(history.bytes() <= 7 << 20, "{} bytes", history.bytes());
}

#[test]
fn memory_follows_what_is_to_be_kept_and_is_given_back() {
    let mut quiet = Kept::new(HistoryLimits::VIDEO);
    play(&mut quiet, 0..600, 30, 1);
    assert!(quiet.bytes() <= 4 * (32 << 10), "two seconds of 30 kB: {}", quiet.bytes());
    assert!(quiet.entries.len() <= 128);
    let mut history = Kept::new(HistoryLimits::VIDEO);
    play(&mut history, 0..240, 240, 20);
    let most = history.bytes();
    play(&mut history, 240..960, 240, 20);
    assert!(
        (most..=most + (64 << 10)).contains(&history.bytes()),
        "what is needed again in a moment is not given back"
    );
    play(&mut history, 960..2_400, 30, 20);
    assert!(history.bytes() <= most / 2, "{} of {most} bytes", history.bytes());
    assert_eq!(history.1.used(), history.bytes());
    history.0.release(&mut history.1);
    assert_eq!(history.1.used(), 0);
}

#[test]
fn what_is_not_cached_has_a_reason() {
    let mut history = Kept::new(HistoryLimits::VIDEO);
    play(&mut history, 1..2, 30, 1);
    assert_eq!(history.gop_state(), GopState::NoKeyframe);
    play(&mut history, 30..40, 30, 1);
    assert_eq!(history.gop_state(), GopState::Cached);
    play(&mut history, 41..42, 30, 1);
    assert_eq!(history.gop_state(), GopState::Incomplete);
    play(&mut history, 1_000..1_302, 1_000, 1);
    assert_eq!(history.gop_state(), GopState::TooLong);
    play(&mut history, 2_000..2_240, 1_000, 35);
    assert_eq!(history.gop_state(), GopState::TooBig);
    assert!(history.bytes() <= 9 << 20, "{} bytes", history.bytes());
}

#[test]
fn a_budget_that_is_used_up_costs_cached_pictures_and_no_repairs() {
    let mut history = Kept(History::new(HistoryLimits::VIDEO), CacheBudget::new(1 << 20));
    play(&mut history, 0..240, 240, 20);
    assert_eq!(history.gop_state(), GopState::OverBudget);
    assert!((239 * 20 - 1_000..240 * 20).all(|sequence| history.find(sequence).is_some()), "two seconds of it");
    assert!(history.bytes() <= 3 << 20, "{} bytes", history.bytes());
    // A shorter one fits.
    play(&mut history, 240..250, 240, 20);
    assert_eq!(history.gop_state(), GopState::Cached);
}
