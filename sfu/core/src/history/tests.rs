use super::*;

const SMALL: HistoryLimits = HistoryLimits { packets_max: 8, chunk_bytes: 4096, chunks_max: 3, keep_ms: 100 };

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
        at_ms,
    }
}

#[test]
fn a_packet_is_found_by_number_and_by_sequence_in_its_own_bytes() {
    let mut history = History::new(SMALL);
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
    let mut history = History::new(SMALL);
    for sequence in 0..20 {
        history.push(arrived(sequence, 0), b"", b"x").expect("fits");
    }
    assert_eq!(history.oldest(), 12);
    assert!(history.find(11).is_none());
    assert!((12..20).all(|sequence| history.find(sequence).is_some()));
}

#[test]
fn the_oldest_packets_give_way_by_bytes() {
    let mut history = History::new(SMALL);
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
    let mut history = History::new(SMALL);
    for sequence in 0..50 {
        history.push(arrived(sequence, sequence as u32 * 200), b"", &[0; 1500]).expect("fits");
    }
    assert!(history.bytes() <= 2 * 4096, "{}", history.bytes());
}

#[test]
fn a_reused_place_does_not_answer_for_another_sequence() {
    let mut history = History::new(SMALL);
    for sequence in [5, 13, 21] {
        history.push(arrived(sequence, 0), b"", b"x").expect("fits");
    }
    assert!(history.find(5).is_none(), "its place in the index was taken by 13 and 21");
    assert!(history.find(21).is_some());
}

#[test]
fn padding_is_added_once_and_counts_itself() {
    let mut history = History::new(SMALL);
    let number = history.push(arrived(1, 0), b"", b"abc").expect("fits");
    history.pad(number, 3);
    history.pad(number, 5);
    let entry = *history.entry(number).expect("kept");
    assert_eq!(history.payload(&entry), b"abc\0\0\x03");
    assert_eq!(history.payload(&entry.without_padding()), b"abc");
}

#[test]
fn a_packet_that_is_too_long_is_refused() {
    let mut history = History::new(SMALL);
    assert!(history.push(arrived(1, 0), b"", &[0; PACKET_BYTES_MAX + 1]).is_none());
    assert_eq!(history.next(), 0);
}

#[test]
fn a_key_frame_is_too_old_by_the_timestamps_also_if_all_of_it_came_at_once() {
    for (frames, is_kept) in [(120, true), (121, false)] {
        let mut history = History::new(HistoryLimits::VIDEO);
        for at in 0..=frames {
            let packet = Arrived { timestamp: at as u32 * 3_000, keyframe: at == 0, ..arrived(at, 0) };
            history.push(packet, b"", b"x").expect("fits");
        }
        assert_eq!(history.cached_gop().is_some(), is_kept, "{frames} frames");
    }
}
