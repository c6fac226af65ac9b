use proptest::prelude::*;

use super::*;

const PLAIN: [u8; 16] = [0x80, 0xe0, 0x12, 0x34, 0, 0, 0, 9, 1, 2, 3, 4, 0xaa, 0xbb, 0xcc, 0xdd];

#[test]
fn a_plain_packet_is_header_and_payload() {
    let header = Header::parse(&PLAIN).expect("valid");
    assert!(header.marker);
    assert_eq!(header.payload_type, 0x60);
    assert_eq!(header.seq, Seq(0x1234));
    assert_eq!(header.timestamp, 9);
    assert_eq!(header.ssrc, Ssrc(0x0102_0304));
    assert_eq!(header.header_len, 12);
    assert_eq!(header.payload(&PLAIN), Some(Payload { start: 12, end: 16, padding: 0 }));
    assert_eq!(header.extensions(&PLAIN).count(), 0);
}

#[test]
fn csrcs_and_extension_belong_to_the_header() {
    let mut packet = vec![0x92, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
    packet.extend([0; 8]);
    packet.extend([0xbe, 0xde, 0, 2, 0x31, 0xca, 0xfe, 0x10, 0x07, 0, 0, 0]);
    packet.extend([1, 2, 3]);
    let header = Header::parse(&packet).expect("valid");
    assert_eq!(header.csrc_count, 2);
    assert_eq!(header.header_len, 32);
    let elements: Vec<_> = header.extensions(&packet).collect();
    assert_eq!(elements, [(3, &[0xca, 0xfe][..]), (1, &[0x07][..])]);
    assert_eq!(header.payload(&packet).map(|payload| payload.range()), Some(32..35));
}

#[test]
fn padding_is_cut_off_and_counted() {
    let mut packet = PLAIN.to_vec();
    packet[0] |= 0x20;
    packet[15] = 3;
    let header = Header::parse(&packet).expect("valid");
    assert_eq!(header.payload(&packet), Some(Payload { start: 12, end: 13, padding: 3 }));
    packet[15] = 4;
    assert!(header.payload(&packet).expect("only padding").is_empty());
    packet[15] = 5;
    assert_eq!(header.payload(&packet), None, "padding longer than the body");
    packet[15] = 0;
    assert_eq!(header.payload(&packet), None, "padding of zero bytes");
    assert_eq!(header.payload(&packet[..12]), None, "padding without a body");
}

#[test]
fn a_packet_that_ends_inside_its_header_is_refused() {
    assert_eq!(Header::parse(&PLAIN[..11]), Err(HeaderError::Short));
    let mut packet = PLAIN;
    packet[0] = 0x82;
    assert_eq!(Header::parse(&packet), Err(HeaderError::Short), "two CSRCs need eight bytes");
    packet[0] = 0x90;
    packet[12..].copy_from_slice(&[0xbe, 0xde, 0, 1]);
    assert_eq!(Header::parse(&packet), Err(HeaderError::Short), "the extension block is cut");
    packet[0] = 0x40;
    assert_eq!(Header::parse(&packet), Err(HeaderError::Version));
    assert_eq!(Header::parse(&vec![0x80; 65_536]), Err(HeaderError::Long));
}

#[test]
fn an_empty_extension_block_has_no_elements() {
    let mut packet = PLAIN;
    packet[0] = 0x90;
    packet[12..].copy_from_slice(&[0xbe, 0xde, 0, 0]);
    let header = Header::parse(&packet).expect("valid");
    assert_eq!(header.header_len, 16);
    assert_eq!(header.extensions(&packet).count(), 0);
}

proptest! {
    #[test]
    fn any_bytes_are_parsed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(header) = Header::parse(&bytes) {
            prop_assert!(header.header_len <= bytes.len());
            let inside: usize = header.extensions(&bytes).map(|(_, value)| value.len()).sum();
            prop_assert!(inside <= header.header_len);
            if let Some(payload) = header.payload(&bytes) {
                prop_assert!(bytes.get(payload.range()).is_some());
                prop_assert_eq!(payload.end + usize::from(payload.padding), bytes.len());
            }
        }
    }

    #[test]
    fn what_is_written_is_read_back(marker: bool, payload_type in 0u8..128, seq: u16, timestamp: u32, ssrc: u32) {
        let outgoing = OutgoingHeader {
            marker, payload_type, seq: Seq(seq), timestamp, ssrc: Ssrc(ssrc), extended: false, padded: false,
        };
        let mut bytes = [0; 12];
        prop_assert_eq!(outgoing.write(&mut bytes), Some(12));
        let header = Header::parse(&bytes).expect("our own header");
        prop_assert_eq!(
            (header.marker, header.payload_type, header.seq.0, header.timestamp, header.ssrc.0),
            (marker, payload_type, seq, timestamp, ssrc)
        );
        prop_assert_eq!(outgoing.write(&mut bytes[..11]), None);
    }
}
