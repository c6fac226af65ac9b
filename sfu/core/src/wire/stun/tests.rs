//! Claims about STUN: the vectors of RFC 5769, agreement with `rtc-stun`, and that no input breaks it.

use proptest::prelude::*;

use super::*;

/// RFC 5769 section 2: the password of the three vectors.
const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";
const TRANSACTION: TransactionId = TransactionId(*b"\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae");

/// RFC 5769 section 2.1.
const REQUEST: &[u8] = b"\x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
    \x80\x22\x00\x10STUN test client\
    \x00\x24\x00\x04\x6e\x00\x01\xff\
    \x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36\
    \x00\x06\x00\x09\x65\x76\x74\x6a\x3a\x68\x36\x76\x59\x20\x20\x20\
    \x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2\
    \x80\x28\x00\x04\xe5\x7a\x3b\xcf";

/// RFC 5769 section 2.2.
const RESPONSE_IPV4: &[u8] = b"\x01\x01\x00\x3c\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
    \x80\x22\x00\x0b\x74\x65\x73\x74\x20\x76\x65\x63\x74\x6f\x72\x20\
    \x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43\
    \x00\x08\x00\x14\x2b\x91\xf5\x99\xfd\x9e\x90\xc3\x8c\x74\x89\xf9\x2a\xf9\xba\x53\xf0\x6b\xe7\xd7\
    \x80\x28\x00\x04\xc0\x7d\x4c\x96";

/// RFC 5769 section 2.3.
const RESPONSE_IPV6: &[u8] = b"\x01\x01\x00\x48\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
    \x80\x22\x00\x0b\x74\x65\x73\x74\x20\x76\x65\x63\x74\x6f\x72\x20\
    \x00\x20\x00\x14\x00\x02\xa1\x47\x01\x13\xa9\xfa\xa5\xd3\xf1\x79\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9\
    \x00\x08\x00\x14\xa3\x82\x95\x4e\x4b\xe6\x7b\xf1\x17\x84\xc9\x7c\x82\x92\xc2\x75\xbf\xe3\xed\x41\
    \x80\x28\x00\x04\xc8\xfb\x0b\x4c";

fn check() -> Vec<u8> {
    let mut bytes = Vec::new();
    StunWriter::new(&mut bytes, Class::Request, TRANSACTION)
        .username("evtj:h6vY")
        .role(IceRole::Controlling(7))
        .priority(0x6e00_01ff)
        .use_candidate()
        .integrity(PASSWORD)
        .finish();
    bytes
}

#[test]
fn the_request_of_rfc_5769_is_read() {
    let message = Message::parse(REQUEST).unwrap();
    assert_eq!(message.class, Class::Request);
    assert_eq!(message.transaction, TRANSACTION);
    assert_eq!(message.username, Some(("evtj", "h6vY")));
    assert_eq!(message.priority, Some(0x6e00_01ff));
    assert_eq!(message.role, Some(IceRole::Controlled(0x932f_f9b1_5126_3b36)));
    assert!(message.is_authentic(PASSWORD));
    assert!(!message.is_authentic("VOkJxbRl1RmTxUk/WvJxBu"));
    assert_eq!(username(REQUEST), Some(("evtj", "h6vY")));
}

#[test]
fn the_responses_of_rfc_5769_are_read() {
    for (bytes, address) in
        [(RESPONSE_IPV4, "192.0.2.1:32853"), (RESPONSE_IPV6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853")]
    {
        let message = Message::parse(bytes).unwrap();
        assert_eq!(message.class, Class::Success);
        assert_eq!(message.mapped_address, Some(address.parse().unwrap()));
        assert!(message.is_authentic(PASSWORD));
    }
}

#[test]
fn the_addresses_of_rfc_5769_are_written() {
    for (vector, address) in
        [(RESPONSE_IPV4, "192.0.2.1:32853"), (RESPONSE_IPV6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853")]
    {
        // The vectors pad SOFTWARE with a space where we write a zero, so integrity and fingerprint differ,
        // but the address must not.
        let mut bytes = Vec::new();
        let writer = StunWriter::new(&mut bytes, Class::Success, TRANSACTION).attribute(0x8022, b"test vector");
        writer.xor_mapped_address(address.parse().unwrap()).integrity(PASSWORD).finish();
        let address_end = vector.len() - 32;
        assert_eq!(bytes[36..address_end], vector[36..address_end]);
        assert_eq!(bytes.len(), vector.len());
        assert!(Message::parse(&bytes).unwrap().is_authentic(PASSWORD));
    }
}

#[test]
fn what_we_write_rtc_stun_reads() {
    use rtc_stun::fingerprint::FINGERPRINT;
    let mut theirs = rtc_stun::message::Message { raw: check(), ..Default::default() };
    theirs.decode().unwrap();
    FINGERPRINT.check(&theirs).unwrap();
    assert_eq!(theirs.get(rtc_stun::attributes::ATTR_USERNAME).unwrap(), b"evtj:h6vY");
    assert_eq!(theirs.get(rtc_stun::attributes::ATTR_PRIORITY).unwrap(), 0x6e00_01ff_u32.to_be_bytes());
    assert!(theirs.contains(rtc_stun::attributes::ATTR_USE_CANDIDATE));
}

#[test]
fn what_rtc_stun_writes_we_read() {
    use rtc_stun::message::{BINDING_SUCCESS, Message as Theirs, Setter, TransactionId as TheirId};
    let address: SocketAddr = "[2001:db8::7]:9".parse().unwrap();
    let mut theirs = Theirs::new();
    let setters: Vec<Box<dyn Setter>> = vec![
        Box::new(TheirId(TRANSACTION.0)),
        Box::new(BINDING_SUCCESS),
        Box::new(rtc_stun::xoraddr::XorMappedAddress { ip: address.ip(), port: address.port() }),
        Box::new(rtc_stun::fingerprint::FINGERPRINT),
    ];
    theirs.build(&setters).unwrap();
    let message = Message::parse(&theirs.raw).unwrap();
    assert_eq!(message.mapped_address, Some(address));
}

#[test]
fn attributes_after_the_integrity_are_nobodys() {
    let mut bytes = Vec::new();
    StunWriter::new(&mut bytes, Class::Request, TRANSACTION)
        .username("evtj:h6vY")
        .integrity(PASSWORD)
        .use_candidate()
        .priority(7)
        .attribute(0x7777, b"")
        .finish();
    let message = Message::parse(&bytes).unwrap();
    assert!(message.is_authentic(PASSWORD));
    assert!(!message.use_candidate);
    assert_eq!(message.priority, None);
    assert!(message.unknown.is_empty());
}

#[test]
fn a_username_after_the_integrity_finds_no_session() {
    let mut bytes = Vec::new();
    StunWriter::new(&mut bytes, Class::Request, TRANSACTION).integrity(PASSWORD).username("evtj:h6vY").finish();
    assert_eq!(username(&bytes), None);
    assert_eq!(Message::parse(&bytes).unwrap().username, None);
}

#[test]
fn a_wrong_fingerprint_is_malformed() {
    let mut bytes = check();
    *bytes.last_mut().unwrap() ^= 1;
    assert_eq!(Message::parse(&bytes).unwrap_err(), MalformedMessage::Fingerprint);
}

#[test]
fn unknown_attributes_that_must_be_understood_are_listed() {
    let mut bytes = Vec::new();
    let mut writer = StunWriter::new(&mut bytes, Class::Request, TRANSACTION);
    for kind in 0x7000..0x7020 {
        writer = writer.attribute(kind, b"abc");
    }
    writer.attribute(0xC057, &[0; 4]).finish();
    let unknown = Message::parse(&bytes).unwrap().unknown;
    assert_eq!(unknown.as_slice(), (0x7000..0x7008).collect::<Vec<u16>>());
}

#[test]
fn sizes_are_checked() {
    for (kind, value) in [
        (PRIORITY, &[0; 3][..]),
        (ICE_CONTROLLING, &[0; 4]),
        (MESSAGE_INTEGRITY, &[0; 19]),
        (XOR_MAPPED_ADDRESS, &[0, 1, 0, 0]),
    ] {
        let mut bytes = Vec::new();
        StunWriter::new(&mut bytes, Class::Request, TRANSACTION).attribute(kind, value).finish();
        assert_eq!(Message::parse(&bytes).unwrap_err(), MalformedMessage::Attribute, "{kind:#x}");
    }
}

#[test]
fn a_message_that_is_longer_or_shorter_than_it_says_is_malformed() {
    let whole = check();
    let mut longer = whole.clone();
    longer.extend_from_slice(&[0; 4]);
    for bytes in [&longer[..], &whole[..whole.len() - 4], &whole[..19], &[]] {
        assert_eq!(Message::parse(bytes).unwrap_err(), MalformedMessage::Header);
        assert_eq!(username(bytes), None);
    }
}

proptest! {
    #[test]
    fn noise_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let _ = username(&bytes);
        if let Ok(message) = Message::parse(&bytes) {
            let _ = message.is_authentic(PASSWORD);
        }
    }

    #[test]
    fn noise_behind_a_right_header_never_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = check()[..HEADER_BYTES].to_vec();
        bytes.extend_from_slice(&body[..body.len() / 4 * 4]);
        let length = (bytes.len() - HEADER_BYTES) as u16;
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        let _ = username(&bytes);
        if let Ok(message) = Message::parse(&bytes) {
            let _ = message.is_authentic(PASSWORD);
        }
    }

    #[test]
    fn a_changed_check_is_not_authentic(index in 0..1_000usize, flip in 1..=255u8) {
        let mut bytes = check();
        // FINGERPRINT itself is not covered, and a header that names another class is no check.
        let index = index % (bytes.len() - 8);
        bytes[index] ^= flip;
        // The fingerprint would give it away, but it is no secret and an attacker can mend it.
        let length = bytes.len();
        let mended = crc::fingerprint(&bytes[..length - 8]);
        bytes[length - 4..].copy_from_slice(&mended.to_be_bytes());
        let authentic = Message::parse(&bytes).is_ok_and(|message| message.is_authentic(PASSWORD));
        prop_assert!(!authentic);
    }

    #[test]
    fn every_address_survives_the_mask(ip in any::<IpAddr>(), port in any::<u16>(), id in any::<[u8; 12]>()) {
        let mut bytes = Vec::new();
        let address = SocketAddr::new(ip, port);
        StunWriter::new(&mut bytes, Class::Success, TransactionId(id)).xor_mapped_address(address).finish();
        prop_assert_eq!(Message::parse(&bytes).unwrap().mapped_address, Some(address));
    }
}
