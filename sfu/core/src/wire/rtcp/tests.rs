#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a test may start its virtual time anywhere")]

use proptest::prelude::*;
use rtc_rtcp::goodbye::Goodbye;
use rtc_rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc_rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;
use rtc_rtcp::receiver_report::ReceiverReport as TheirReceiverReport;
use rtc_rtcp::sender_report::SenderReport as TheirSenderReport;
use rtc_rtcp::source_description::SourceDescription;
use rtc_rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack;

use super::*;
use crate::wire::rtp::Seq;

const REPORT: SenderReport = SenderReport {
    ssrc: Ssrc(0x0102_0304),
    ntp: 0xe123_4567_89ab_cdef,
    rtp_timestamp: 90_000,
    packets: 77,
    bytes: 8_888,
};
const BLOCK: ReportBlock = ReportBlock {
    ssrc: Ssrc(0xdead_beef),
    fraction_lost: 64,
    cumulative_lost: -3,
    highest_seq: 0x0001_0203,
    jitter: 42,
    last_sr: 0x4567_89ab,
    delay_since_last_sr: 65_536,
};

/// What `write` appends, in a buffer with room for it.
fn written(write: impl FnOnce(&mut RtcpWriter<'_>) -> Option<()>) -> Vec<u8> {
    let mut out = [0xee; 1_500];
    let mut writer = RtcpWriter::new(&mut out);
    write(&mut writer).expect("fits");
    let len = writer.len();
    assert_eq!(len % 4, 0);
    out[..len].to_vec()
}

/// The one packet in `bytes` as the other implementation sees it.
fn theirs<T: Clone + 'static>(bytes: &[u8]) -> T {
    let packets = rtc_rtcp::packet::unmarshal(&mut &bytes[..]).expect("valid to the other implementation");
    assert_eq!(packets.len(), 1);
    packets[0].as_any().downcast_ref::<T>().expect("of this type").clone()
}

fn ours(bytes: &[u8]) -> Packet<'_> {
    let mut compound = Compound::new(bytes);
    let packet = compound.next().expect("one packet").expect("well-formed");
    assert!(compound.next().is_none());
    packet
}

#[test]
fn a_sender_report_is_the_same_to_both_implementations() {
    let bytes = written(|writer| writer.sender_report(&REPORT, &[BLOCK]));
    let their: TheirSenderReport = theirs(&bytes);
    assert_eq!((their.ssrc, their.ntp_time, their.rtp_time), (0x0102_0304, REPORT.ntp, 90_000));
    assert_eq!((their.packet_count, their.octet_count), (77, 8_888));
    assert_eq!(their.reports[0].total_lost, 0x00ff_fffd, "-3 in 24 bits");
    assert_eq!(their.reports[0].fraction_lost, 64);
    assert_eq!(their.reports[0].last_sequence_number, 0x0001_0203);
    assert_eq!(their.reports[0].delay, 65_536);
    let Packet::SenderReport(report, mut blocks) = ours(&bytes) else { panic!("not an SR") };
    assert_eq!(report, REPORT);
    assert_eq!(blocks.next(), Some(BLOCK));
    assert_eq!(blocks.next(), None);
}

#[test]
fn a_receiver_report_holds_up_to_31_blocks() {
    let bytes = written(|writer| writer.receiver_report(Ssrc(1), &[BLOCK; 31]));
    assert_eq!(theirs::<TheirReceiverReport>(&bytes).reports.len(), 31);
    let Packet::ReceiverReport { sender: Ssrc(1), blocks } = ours(&bytes) else { panic!("not an RR") };
    assert!(blocks.eq([BLOCK; 31]));
    let mut out = [0; 1_500];
    assert_eq!(RtcpWriter::new(&mut out).receiver_report(Ssrc(1), &[BLOCK; 32]), None);
}

#[test]
fn a_cname_chunk_ends_with_a_zero_whatever_its_length() {
    for len in 0..9 {
        let name = &"abcdefghi"[..len];
        let bytes = written(|writer| writer.cname(Ssrc(9), name));
        let their: SourceDescription = theirs(&bytes);
        assert_eq!(their.chunks[0].source, 9);
        assert_eq!(their.chunks[0].items[0].text, name.as_bytes());
        assert!(Compound::new(&bytes).next().is_none(), "skipped when read");
    }
    let mut out = [0; 1_500];
    assert_eq!(RtcpWriter::new(&mut out).cname(Ssrc(9), &"x".repeat(256)), None);
}

#[test]
fn keyframe_requests_are_the_same_to_both_implementations() {
    let bytes = written(|writer| writer.pli(Ssrc(1), Ssrc(2)));
    assert_eq!(theirs::<PictureLossIndication>(&bytes), PictureLossIndication { sender_ssrc: 1, media_ssrc: 2 });
    assert!(matches!(ours(&bytes), Packet::Pli { sender: Ssrc(1), media: Ssrc(2) }));

    let bytes = written(|writer| writer.fir(Ssrc(1), &[(Ssrc(2), 5), (Ssrc(3), 255)]));
    let their: FullIntraRequest = theirs(&bytes);
    assert_eq!((their.fir[1].ssrc, their.fir[1].sequence_number), (3, 255));
    let Packet::Fir { sender: Ssrc(1), requests } = ours(&bytes) else { panic!("not a FIR") };
    assert!(requests.eq([(Ssrc(2), 5), (Ssrc(3), 255)]));
}

#[test]
fn a_nack_packs_what_lies_within_sixteen() {
    let lost = [65_530, 65_531, 10, 11, 26, 27, 28].map(Seq);
    let bytes = written(|writer| writer.nack(Ssrc(1), Ssrc(2), &lost));
    assert_eq!(bytes.len(), 12 + 3 * 4, "65530 and 65531, 10 to 26, 27 and 28");
    let their: TransportLayerNack = theirs(&bytes);
    let named: Vec<u16> = their.nacks.iter().flat_map(|pair| pair.into_iter()).collect();
    assert_eq!(named, lost.map(|seq| seq.0));
    let Packet::Nack { sender: Ssrc(1), media: Ssrc(2), lost: read } = ours(&bytes) else { panic!("not a NACK") };
    assert!(read.eq(lost));
}

#[test]
fn a_bye_names_its_sources() {
    let bytes = written(|writer| writer.bye(&[Ssrc(7), Ssrc(8)]));
    assert_eq!(theirs::<Goodbye>(&bytes).sources, [7, 8]);
    let Packet::Bye { sources } = ours(&bytes) else { panic!("not a BYE") };
    assert!(sources.eq([Ssrc(7), Ssrc(8)]));
}

#[test]
fn a_remb_keeps_eighteen_bits_of_its_bitrate() {
    for bitrate in [0, 1, 262_143, 262_144, 1_500_000, u64::MAX] {
        let bytes = written(|writer| writer.remb(Ssrc(1), bitrate, &[Ssrc(5)]));
        let Packet::Remb { sender: Ssrc(1), bitrate_bps } = ours(&bytes) else { panic!("not a REMB") };
        assert!(bitrate_bps <= bitrate && bitrate - bitrate_bps <= bitrate >> 17, "{bitrate} became {bitrate_bps}");
        let their: ReceiverEstimatedMaximumBitrate = theirs(&bytes);
        assert_eq!(their.ssrcs, [5]);
        // It reads a mantissa of 0 as 2^23.
        assert!(bitrate == 0 || their.bitrate == bitrate_bps as f32);
    }
    // Mantissa 2^17 with the highest exponent is more than 64 bits.
    let mut bytes = written(|writer| writer.remb(Ssrc(1), 1, &[]));
    bytes[17] = 0xfe;
    assert!(matches!(ours(&bytes), Packet::Remb { bitrate_bps: u64::MAX, .. }));
}

#[test]
fn a_compound_packet_is_read_in_order_and_the_unknown_skipped() {
    let mut out = [0; 256];
    let mut writer = RtcpWriter::new(&mut out);
    writer.sender_report(&REPORT, &[]).expect("fits");
    writer.cname(REPORT.ssrc, "a").expect("fits");
    // One packet, which arrived.
    let feedback = [0, 1, 0, 1, 0, 0, 0, 0, 0x20, 1, 4, 0];
    writer.transport_feedback(Ssrc(1), Ssrc(2), feedback.len()).expect("fits").copy_from_slice(&feedback);
    writer.pli(Ssrc(1), Ssrc(2)).expect("fits");
    let len = writer.len();
    let mut bytes = out[..len].to_vec();
    // Of one packet of one stream, which arrived a second before.
    bytes.extend([0x8b, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1, 0, 1, 0x84, 0, 0, 0, 1, 2, 3, 4]);
    let kinds: Vec<_> = Compound::new(&bytes).collect();
    let [
        Ok(Packet::SenderReport(..)),
        Ok(Packet::TransportFeedback { .. }),
        Ok(Packet::Pli { .. }),
        Ok(Packet::CongestionFeedback { sender: Ssrc(1), feedback }),
    ] = &kinds[..]
    else {
        panic!("{kinds:?}");
    };
    let told: Vec<_> = feedback.streams().map(|report| (report.ssrc, report.metric(Seq(1)))).collect();
    assert_eq!((feedback.report_time, told), (0x0102_0304, vec![(Ssrc(2), Some(Metric::Before(1_024)))]));
}

#[test]
fn a_damaged_packet_is_one_error_and_the_end() {
    let pli = written(|writer| writer.pli(Ssrc(1), Ssrc(2)));
    let error = |bytes: &[u8]| {
        let mut compound = Compound::new(bytes);
        let last = compound.by_ref().last().expect("something").expect_err("an error");
        assert!(compound.next().is_none());
        last
    };
    assert_eq!(error(&pli[..11]), RtcpError::Short);
    assert_eq!(error(&[&pli[..], &[0x81, 206]].concat()), RtcpError::Short);
    assert_eq!(error(&[0x01, 206, 0, 0]), RtcpError::Version);
    assert_eq!(error(&[0x81, 200, 0, 0]), RtcpError::Malformed, "an SR without a body");
    assert_eq!(error(&[0x81, 201, 0, 1, 0, 0, 0, 1]), RtcpError::Malformed, "an RR without its block");
    assert_eq!(error(&[0x82, 203, 0, 1, 0, 0, 0, 1]), RtcpError::Malformed, "a BYE of two with one");
    let unkept = [0x8b, 205, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1, 0, 1, 1, 2, 3, 4];
    assert_eq!(error(&unkept), RtcpError::Malformed, "congestion control feedback of one packet with none");
    assert_eq!(error(&[0xa1, 206, 0, 1, 0, 0, 0, 5]), RtcpError::Malformed, "padding longer than the body");
    assert_eq!(error(&[0xa1, 206, 0, 1, 0, 0, 0, 0]), RtcpError::Malformed, "padding of zero bytes");
}

#[test]
fn padding_is_not_content() {
    let mut bytes = written(|writer| writer.bye(&[Ssrc(7)]));
    bytes[0] |= 0x20;
    bytes[3] = 2;
    bytes.extend([0, 0, 0, 4]);
    let Packet::Bye { sources } = ours(&bytes) else { panic!("not a BYE") };
    assert!(sources.eq([Ssrc(7)]));
}

#[test]
fn a_packet_that_does_not_fit_leaves_the_buffer_as_it_was() {
    let mut out = [0; 20];
    let mut writer = RtcpWriter::new(&mut out);
    writer.pli(Ssrc(1), Ssrc(2)).expect("fits");
    assert_eq!(writer.pli(Ssrc(1), Ssrc(2)), None);
    assert_eq!(writer.len(), 12);
    assert_eq!(writer.bye(&[Ssrc(3)]), Some(()));
}

proptest! {
    #[test]
    fn any_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        consume(&bytes);
    }

    #[test]
    fn any_body_behind_a_valid_header_ends(kind in 199u8..208, count in 0u8..32, padded: bool,
                                           words in prop::collection::vec(any::<u32>(), 0..40)) {
        let mut bytes = vec![0x80 | count | if padded { 0x20 } else { 0 }, kind, 0, words.len() as u8];
        bytes.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        consume(&bytes);
    }

    #[test]
    fn every_lost_packet_is_named_once(start: u16, gaps in prop::collection::vec(1u16..40, 0..100)) {
        let mut seq = start;
        let mut lost = vec![Seq(start)];
        lost.extend(gaps.into_iter().map(|gap| { seq = seq.wrapping_add(gap); Seq(seq) }));
        let bytes = written(|writer| writer.nack(Ssrc(1), Ssrc(2), &lost));
        let Packet::Nack { lost: read, .. } = ours(&bytes) else { panic!("not a NACK") };
        prop_assert_eq!(read.collect::<Vec<_>>(), lost);
    }
}

/// Reads everything there is to read.
fn consume(bytes: &[u8]) {
    let packets: Vec<_> = Compound::new(bytes).collect();
    assert!(packets.len() <= bytes.len() / 4 + 1);
    for packet in packets.into_iter().flatten() {
        let items = match packet {
            Packet::SenderReport(_, blocks) | Packet::ReceiverReport { blocks, .. } => blocks.count(),
            Packet::Nack { lost, .. } => lost.count() / 17,
            Packet::Fir { requests, .. } => requests.count(),
            Packet::Bye { sources } => sources.count(),
            Packet::TransportFeedback { feedback, .. } => feedback.arrivals().count(),
            Packet::CongestionFeedback { feedback, .. } => feedback.streams().count(),
            Packet::Pli { .. } | Packet::Remb { .. } => 0,
        };
        assert!(items <= bytes.len() / 4);
    }
}
