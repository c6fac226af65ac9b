use super::*;

const SPS: [u8; 5] = [0x67, 0x42, 0xc0, 0x1f, 0xda];
const OTHER_SPS: [u8; 5] = [0x67, 0x42, 0xc0, 0x28, 0xdb];
const PPS: [u8; 3] = [0x68, 0xce, 0x3c];
/// Its id is 1.
const SECOND_PPS: [u8; 3] = [0x68, 0x5e, 0x3c];
const IDR: [u8; 3] = [0x65, 0x88, 0x84];
const INTER: [u8; 3] = [0x41, 0x9a, 0x24];

struct Stream {
    sets: ParameterSets,
    format: NalFormat,
}

impl Stream {
    fn new(format: NalFormat, seeds: &[ParameterSetSpec]) -> Stream {
        let mut sets = ParameterSets::default();
        sets.begin(96, format, seeds);
        Stream { sets, format }
    }

    /// The place and the sets that are put in before a packet. The timestamp is in frames.
    fn take(&mut self, index: u64, timestamp: u32, marker: bool, payload: &[u8]) -> Option<(u64, Vec<Vec<u8>>)> {
        let packet = NalPacket { index, timestamp, marker, payload };
        let insertion = self.sets.handle_packet(self.format, packet)?;
        let units: Vec<_> = self.sets.inserted(&insertion).map(<[u8]>::to_vec).collect();
        assert_eq!(units.len() as u64, insertion.count);
        Some((insertion.before, units))
    }
}

fn sent_once() -> Stream {
    let mut stream = Stream::new(NalFormat::H264, &[]);
    for (index, payload, marker) in [(1, &SPS[..], false), (2, &PPS, false), (3, &IDR, true)] {
        assert_eq!(stream.take(index, 1, marker, payload), None, "the picture has its own");
    }
    assert_eq!(stream.take(4, 2, true, &INTER), None);
    stream
}

#[test]
fn a_key_frame_without_sets_gets_those_that_came_before() {
    let mut stream = sent_once();
    assert_eq!(stream.take(5, 3, false, &IDR), Some((5, vec![SPS.to_vec(), PPS.to_vec()])));
    assert_eq!(stream.take(6, 3, true, &[0x65, 0x40, 0x84]), None, "a later slice of the same picture");
    assert_eq!(stream.take(7, 4, true, &IDR), Some((7, vec![SPS.to_vec(), PPS.to_vec()])), "and so does the next");
}

#[test]
fn sets_with_another_timestamp_are_put_before_the_picture_again() {
    let mut stream = Stream::new(NalFormat::H264, &[]);
    stream.take(1, 1, true, &[0x78, 0, 5, 0x67, 0x42, 0xc0, 0x1f, 0xda, 0, 3, 0x68, 0xce, 0x3c]);
    assert_eq!(stream.take(2, 2, true, &IDR), Some((2, vec![SPS.to_vec(), PPS.to_vec()])));
}

#[test]
fn the_newest_of_each_id_counts_and_a_late_one_does_not() {
    let mut stream = sent_once();
    stream.take(6, 3, false, &OTHER_SPS);
    stream.take(5, 3, false, &SPS);
    stream.take(7, 3, false, &SECOND_PPS);
    let sets = vec![OTHER_SPS.to_vec(), PPS.to_vec(), SECOND_PPS.to_vec()];
    assert_eq!(stream.take(8, 4, true, &IDR), Some((8, sets)));
}

#[test]
fn a_picture_that_brings_only_some_gets_the_others() {
    let mut stream = sent_once();
    stream.take(5, 3, false, &SPS);
    assert_eq!(stream.take(6, 3, true, &IDR), Some((6, vec![PPS.to_vec()])));
    stream.take(7, 4, false, &PPS);
    let all = vec![SPS.to_vec(), PPS.to_vec()];
    assert_eq!(stream.take(8, 4, true, &IDR), Some((8, all)), "a picture set comes after its sequence set");
}

#[test]
fn sets_come_before_what_is_missing_at_the_start_of_a_picture() {
    let fragment = [0x7c, 0x05, 0x88];
    let mut stream = sent_once();
    let place = stream.take(7, 3, false, &fragment).map(|(place, _)| place);
    assert_eq!(place, Some(5), "the picture before has ended");
    assert_eq!(stream.take(6, 3, false, &[0x7c, 0x85, 0x88]), None, "what comes late has its sets already");
    stream.take(8, 4, false, &INTER);
    assert_eq!(stream.take(10, 5, false, &fragment), None, "the end of the picture before may be missing");
    assert_eq!(stream.take(9, 5, false, &[0x7c, 0x85, 0x88]), None, "and there is no room any more");
}

#[test]
fn fragmented_sets_are_put_together() {
    let mut stream = Stream::new(NalFormat::H264, &[]);
    stream.take(1, 1, false, &[0x7c, 0x87, 0x42, 0xc0]);
    stream.take(2, 1, false, &[0x7c, 0x07, 0x1f]);
    stream.take(3, 1, false, &[0x7c, 0x47, 0xda]);
    stream.take(4, 1, false, &PPS);
    assert_eq!(stream.take(5, 2, true, &IDR), Some((5, vec![SPS.to_vec(), PPS.to_vec()])));
}

#[test]
fn h265_has_three_kinds_with_ids_of_their_own() {
    let vps = [0x40, 0x01, 0x0c, 0x01];
    // Main profile; emulation prevention bytes among the constraint flags; id 0.
    let sps = [
        0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00, 0x5d,
        0xa0,
    ];
    let pps = [0x44, 0x01, 0xc1, 0x73];
    let idr = [0x26, 0x01, 0xaf, 0x01];
    let mut stream = Stream::new(NalFormat::H265, &[]);
    let mut together = vec![0x60, 0x01];
    for unit in [&vps[..], &sps, &pps] {
        together.extend((unit.len() as u16).to_be_bytes());
        together.extend(unit);
    }
    stream.take(1, 1, false, &together);
    assert_eq!(stream.take(2, 1, true, &idr), None);
    let all = vec![vps.to_vec(), sps.to_vec(), pps.to_vec()];
    assert_eq!(stream.take(3, 2, true, &idr), Some((3, all)));
}

#[test]
fn the_description_counts_until_the_stream_says_otherwise() {
    let seed = |unit: &[u8]| ParameterSetSpec { payload_type: 96, unit: unit.to_vec() };
    let mut stream = Stream::new(NalFormat::H264, &[seed(&SPS), seed(&PPS)]);
    assert_eq!(stream.take(1, 1, true, &IDR), Some((1, vec![SPS.to_vec(), PPS.to_vec()])));
    stream.take(2, 2, false, &OTHER_SPS);
    stream.sets.begin(96, NalFormat::H264, &[seed(&SPS), seed(&PPS)]);
    assert_eq!(stream.take(3, 3, true, &IDR), Some((3, vec![OTHER_SPS.to_vec(), PPS.to_vec()])));
    stream.sets.begin(97, NalFormat::H264, &[seed(&SPS), seed(&PPS)]);
    assert_eq!(stream.take(4, 4, true, &IDR), None, "another payload type has none");
}

#[test]
fn no_publisher_fills_the_memory_with_sets() {
    let mut stream = sent_once();
    for id in 0..200u64 {
        // Picture sets with the ids 0 to 127, and far too long ones.
        let code = (id % 127 + 1) << (7 - (id % 127 + 1).ilog2()) << 8;
        let [.., b0, b1] = code.to_be_bytes();
        stream.take(5 + id, 3, false, &[0x68, b0, b1, 0xff]);
        stream.take(300 + id, 3, false, &[&[0x68, 0xce][..], &[0xff; SET_BYTES_MAX]].concat());
    }
    assert!(stream.sets.sets.len() <= SETS_MAX);
    assert!(stream.sets.sets.iter().all(|set| set.unit.len() <= SET_BYTES_MAX));
}
