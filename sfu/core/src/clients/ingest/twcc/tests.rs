#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a test may start its virtual time anywhere")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use rtc_rtcp::transport_feedbacks::transport_layer_cc::{PacketStatusChunk, SymbolTypeTcc, TransportLayerCc};

use super::*;

const SENDER: Ssrc = Ssrc(1);
const MEDIA: Ssrc = Ssrc(2);

/// What one feedback says as the other implementation reads it: of each sequence number the arrival in ticks
/// of 250 µs, or none for lost.
fn statuses(feedback: &TransportLayerCc) -> Vec<(u16, Option<i64>)> {
    let mut symbols = Vec::new();
    for chunk in &feedback.packet_chunks {
        match chunk {
            PacketStatusChunk::RunLengthChunk(run) => {
                symbols.extend(std::iter::repeat_n(run.packet_status_symbol, usize::from(run.run_length)));
            }
            PacketStatusChunk::StatusVectorChunk(vector) => symbols.extend(vector.symbol_list.iter().copied()),
        }
    }
    let mut deltas = feedback.recv_deltas.iter();
    let mut at = i64::from(feedback.reference_time) * 256;
    (0..feedback.packet_status_count)
        .map(|step| {
            let symbol = symbols[usize::from(step)];
            let arrival = (symbol != SymbolTypeTcc::PacketNotReceived).then(|| {
                at += deltas.next().expect("a delta for each received packet").delta / 250;
                at
            });
            (feedback.base_sequence_number.wrapping_add(step), arrival)
        })
        .collect()
}

/// All feedback that is due at `now`.
fn poll_all(log: &mut ArrivalLog, now: Instant) -> Vec<TransportLayerCc> {
    let mut feedbacks = Vec::new();
    let mut out = [0; 1_200];
    loop {
        let mut writer = RtcpWriter::new(&mut out);
        if !log.poll_feedback(now, SENDER, MEDIA, &mut writer) {
            assert!(writer.is_empty());
            return feedbacks;
        }
        let len = writer.len();
        assert!(len <= 1_100, "{len} bytes leave no room for the SRTCP trailer");
        let packets = rtc_rtcp::packet::unmarshal(&mut &out[..len]).expect("valid to the other implementation");
        feedbacks.push(packets[0].as_any().downcast_ref::<TransportLayerCc>().expect("transport-wide").clone());
    }
}

fn ticks(epoch: Instant, at: Instant) -> i64 {
    (at - epoch).as_micros() as i64 / 250
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn arrivals_are_told_after_the_interval_and_once() {
    let epoch = Instant::now();
    let mut log = ArrivalLog::new(epoch);
    assert_eq!(log.poll_timeout(), None);
    for step in 0..5 {
        log.record(epoch + MS * 10 * step, Seq(100 + step as u16));
    }
    assert_eq!(log.poll_timeout(), Some(epoch + FEEDBACK_INTERVAL));
    assert!(poll_all(&mut log, epoch + 49 * MS).is_empty());
    let feedbacks = poll_all(&mut log, epoch + 50 * MS);
    assert_eq!(feedbacks.len(), 1);
    assert_eq!((feedbacks[0].sender_ssrc, feedbacks[0].media_ssrc, feedbacks[0].fb_pkt_count), (1, 2, 0));
    let expected: Vec<_> = (0..5).map(|step| (100 + step as u16, Some(step * 40))).collect();
    assert_eq!(statuses(&feedbacks[0]), expected);
    assert_eq!(log.poll_timeout(), None);

    log.record(epoch + 60 * MS, Seq(105));
    assert_eq!(log.poll_timeout(), Some(epoch + 100 * MS));
    let feedbacks = poll_all(&mut log, epoch + 100 * MS);
    assert_eq!(feedbacks[0].fb_pkt_count, 1);
    assert_eq!(statuses(&feedbacks[0]), [(105, Some(240))]);
}

#[test]
fn many_arrivals_are_told_at_once() {
    let epoch = Instant::now();
    let mut log = ArrivalLog::new(epoch);
    for seq in 0..PENDING_MAX as u16 {
        log.record(epoch, Seq(seq));
    }
    assert_eq!(log.poll_timeout(), Some(epoch));
    let feedbacks = poll_all(&mut log, epoch);
    assert_eq!(feedbacks.len(), 1);
    assert_eq!(feedbacks[0].packet_chunks.len(), 1, "one run");
    assert_eq!(statuses(&feedbacks[0]).len(), PENDING_MAX);
}

#[test]
fn lost_packets_are_told_even_between_two_feedbacks() {
    let epoch = Instant::now();
    let mut log = ArrivalLog::new(epoch);
    log.record(epoch, Seq(10));
    log.record(epoch + MS, Seq(12));
    poll_all(&mut log, epoch + 50 * MS);
    log.record(epoch + 60 * MS, Seq(15));
    let feedbacks = poll_all(&mut log, epoch + 200 * MS);
    assert_eq!(statuses(&feedbacks[0]), [(13, None), (14, None), (15, Some(240))]);
}

#[test]
fn a_packet_that_comes_after_its_loss_was_told_is_told_as_received() {
    let epoch = Instant::now();
    let mut log = ArrivalLog::new(epoch);
    log.record(epoch, Seq(10));
    log.record(epoch + MS, Seq(12));
    poll_all(&mut log, epoch + 50 * MS);
    log.record(epoch + 52 * MS, Seq(11));
    log.record(epoch + 52 * MS, Seq(11));
    let feedbacks = poll_all(&mut log, epoch + 200 * MS);
    assert_eq!(statuses(&feedbacks[0]), [(11, Some(208)), (12, Some(4))]);
}

#[test]
fn a_silence_longer_than_a_delta_holds_starts_a_new_packet() {
    let epoch = Instant::now();
    let mut log = ArrivalLog::new(epoch);
    log.record(epoch, Seq(65_535));
    let later = epoch + Duration::from_millis(64 * 8_191);
    log.record(later, Seq(1));
    let feedbacks = poll_all(&mut log, later);
    assert_eq!(feedbacks.len(), 2);
    assert_eq!(statuses(&feedbacks[0]), [(65_535, Some(0))]);
    assert_eq!(statuses(&feedbacks[1]), [(0, None), (1, Some(ticks(epoch, later)))]);
    assert_eq!(feedbacks[1].fb_pkt_count, 1);
}

#[test]
fn the_reference_time_wraps_at_24_bits() {
    let epoch = Instant::now();
    let mut log = ArrivalLog::new(epoch);
    let later = epoch + Duration::from_millis(64 * ((1 << 24) + 5));
    log.record(later, Seq(1));
    assert_eq!(poll_all(&mut log, later + 50 * MS)[0].reference_time, 5);
}

#[test]
fn a_jump_beyond_the_window_starts_anew() {
    let epoch = Instant::now();
    let mut log = ArrivalLog::new(epoch);
    log.record(epoch, Seq(0));
    log.record(epoch + MS, Seq(30_000));
    let feedbacks = poll_all(&mut log, epoch + 50 * MS);
    assert_eq!(feedbacks.len(), 1);
    assert_eq!(statuses(&feedbacks[0]), [(30_000, Some(4))]);
}

#[test]
fn a_writer_without_room_keeps_the_feedback() {
    let epoch = Instant::now();
    let mut log = ArrivalLog::new(epoch);
    log.record(epoch, Seq(0));
    let mut out = [0; 20];
    assert!(!log.poll_feedback(epoch + 50 * MS, SENDER, MEDIA, &mut RtcpWriter::new(&mut out)));
    assert_eq!(poll_all(&mut log, epoch + 50 * MS).len(), 1);
}

/// One packet of a run: what happens to it and how long after the one before it comes.
fn any_packet() -> impl Strategy<Value = (u16, u64)> {
    let step = prop_oneof![12 => Just(1u16), 2 => 2u16..6, 1 => 6u16..300];
    let pause_us = prop_oneof![10 => 0u64..2_000, 3 => 2_000u64..90_000, 1 => 90_000u64..9_000_000];
    (step, pause_us)
}

proptest! {
    /// Sequence numbers with losses, in bursts and with pauses, across the wrap; some packets swap places.
    #[test]
    fn feedback_says_exactly_what_arrived(start: u16, packets in prop::collection::vec(any_packet(), 1..600),
                                          swaps in prop::collection::vec(0usize..600, 0..30)) {
        let epoch = Instant::now();
        let mut log = ArrivalLog::new(epoch);
        let mut seqs = vec![u64::from(start)];
        packets.iter().skip(1).for_each(|(step, _)| seqs.push(seqs[seqs.len() - 1] + u64::from(*step)));
        for swap in swaps {
            // The first one stays: nothing before it is expected.
            if swap > 0 && swap + 1 < seqs.len() && seqs[swap + 1].abs_diff(seqs[swap]) < 50 {
                seqs.swap(swap, swap + 1);
            }
        }
        let mut arrived = BTreeMap::new();
        let mut told: BTreeMap<u64, Option<i64>> = BTreeMap::new();
        let mut now = epoch;
        let mut count = 0u8;
        let mut tell = |log: &mut ArrivalLog, now: Instant, newest: u64| {
            for feedback in poll_all(log, now) {
                assert_eq!(feedback.fb_pkt_count, count);
                count = count.wrapping_add(1);
                for (seq, arrival) in statuses(&feedback) {
                    let at = ExtendedSeq(newest + (1 << 16)).unwrap(Seq(seq)).0 - (1 << 16);
                    told.insert(at, arrival);
                }
            }
        };
        for (seq, (_, pause_us)) in seqs.iter().zip(&packets) {
            now += Duration::from_micros(*pause_us);
            tell(&mut log, now, *seq);
            log.record(now, Seq((*seq & 0xffff) as u16));
            arrived.insert(*seq, ticks(epoch, now));
            tell(&mut log, now, *seq);
        }
        let newest = *arrived.keys().last().expect("one packet");
        tell(&mut log, now + FEEDBACK_INTERVAL, newest);
        prop_assert_eq!(log.poll_timeout(), None, "all is told");
        for at in u64::from(start)..=newest {
            prop_assert_eq!(told.get(&at), Some(&arrived.get(&at).copied()), "packet {}", at);
        }
    }

    #[test]
    fn any_sequence_numbers_are_recorded(seqs in prop::collection::vec((any::<u16>(), 0u64..50_000), 0..300)) {
        let epoch = Instant::now();
        let mut log = ArrivalLog::new(epoch);
        let mut now = epoch;
        for (seq, pause_us) in seqs {
            now += Duration::from_micros(pause_us);
            log.record(now, Seq(seq));
            for feedback in poll_all(&mut log, now) {
                prop_assert!(!statuses(&feedback).is_empty());
            }
            prop_assert!(log.end - log.begin <= WINDOW);
        }
    }
}
