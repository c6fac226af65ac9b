//! Claims about the choice of the DTLS version and about the reassembly before it.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy)]
struct Offer<'a> {
    versions: Option<&'a [u16]>,
    suites: &'a [u16],
    profiles: &'a [u16],
    extended_master_secret: bool,
}

/// Chromium 156 with a post-quantum key share, in what matters here.
const CHROMIUM: Offer<'_> = Offer {
    versions: Some(&[VERSION_13, VERSION_12]),
    suites: &[0x1301, 0x1302, 0xC02B, 0xC02F],
    profiles: &[1, 8, 7],
    extended_master_secret: true,
};
const FIREFOX: Offer<'_> = Offer { profiles: &[7, 8, 1, 2], ..CHROMIUM };

fn bytes(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

fn vector_u16(content: &[u8]) -> Vec<u8> {
    [&(content.len() as u16).to_be_bytes()[..], content].concat()
}

fn body(offer: Offer<'_>) -> Vec<u8> {
    let extension = |kind: u16, content: &[u8]| [&kind.to_be_bytes()[..], &vector_u16(content)].concat();
    let mut extensions = extension(10, &[0; 900]);
    extensions.extend(extension(EXTENSION_USE_SRTP, &[&vector_u16(&bytes(offer.profiles))[..], &[0]].concat()));
    if offer.extended_master_secret {
        extensions.extend(extension(EXTENSION_EXTENDED_MASTER_SECRET, &[]));
    }
    if let Some(versions) = offer.versions {
        let list = bytes(versions);
        extensions.extend(extension(EXTENSION_SUPPORTED_VERSIONS, &[&[list.len() as u8][..], &list].concat()));
    }
    let mut body = vec![0xFE, 0xFD];
    body.extend([7; RANDOM_BYTES]);
    body.extend([0, 0]);
    body.extend(vector_u16(&bytes(offer.suites)));
    body.extend([1, 0]);
    body.extend(vector_u16(&extensions));
    body
}

fn record(body: &[u8], offset: usize, end: usize) -> Vec<u8> {
    let number = |number: usize| (number as u32).to_be_bytes()[1..].to_vec();
    let mut handshake = vec![HANDSHAKE_CLIENT_HELLO];
    handshake.extend(number(body.len()));
    handshake.extend([0, 0]);
    handshake.extend(number(offset));
    handshake.extend(number(end - offset));
    handshake.extend(&body[offset..end]);
    let mut record = vec![CONTENT_HANDSHAKE, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 0];
    record.extend(vector_u16(&handshake));
    record
}

fn version_of(offer: Offer<'_>) -> Option<Version> {
    let body = body(offer);
    HelloAssembly::default().add(&record(&body, 0, body.len()))
}

#[test]
fn a_client_that_heads_its_list_with_sha1_gets_1_2_where_the_order_is_ours() {
    assert_eq!(version_of(CHROMIUM), Some(Version::Dtls12));
    assert_eq!(version_of(Offer { profiles: &[2, 1, 7], ..CHROMIUM }), Some(Version::Dtls12));
}

#[test]
fn a_client_that_heads_its_list_with_gcm_gets_1_3() {
    assert_eq!(version_of(FIREFOX), Some(Version::Dtls13));
    assert_eq!(version_of(Offer { profiles: &[5, 8, 1], ..CHROMIUM }), Some(Version::Dtls13));
}

#[test]
fn a_client_gets_the_only_version_it_can() {
    assert_eq!(version_of(Offer { versions: Some(&[VERSION_13]), ..CHROMIUM }), Some(Version::Dtls13));
    assert_eq!(version_of(Offer { suites: &[0x1301], ..CHROMIUM }), Some(Version::Dtls13));
    assert_eq!(version_of(Offer { extended_master_secret: false, ..CHROMIUM }), Some(Version::Dtls13));
    assert_eq!(version_of(Offer { versions: Some(&[VERSION_12]), ..FIREFOX }), Some(Version::Dtls12));
    assert_eq!(version_of(Offer { versions: None, ..FIREFOX }), Some(Version::Dtls12));
}

#[test]
fn fragments_in_any_order_and_overlapping_are_put_together() {
    let body = body(CHROMIUM);
    let length = body.len();
    let pieces = [record(&body, 600, length), record(&body, 0, 500), record(&body, 300, 700)];
    let mut assembly = HelloAssembly::default();
    assert_eq!(assembly.add(&pieces[0]), None);
    assert_eq!(assembly.add(&pieces[1]), None);
    assert_eq!(assembly.add(&pieces[1]), None);
    assert_eq!(assembly.add(&pieces[2]), Some(Version::Dtls12));
    assert_eq!(assembly.take_datagrams(), pieces);
}

#[test]
fn two_fragments_in_one_datagram_are_both_read() {
    let body = body(FIREFOX);
    let datagram = [record(&body, 0, 400), record(&body, 400, body.len())].concat();
    assert_eq!(HelloAssembly::default().add(&datagram), Some(Version::Dtls13));
}

#[test]
fn crumbs_do_not_pile_up() {
    let body = body(FIREFOX);
    let mut assembly = HelloAssembly::default();
    for offset in 0..body.len() - 1 {
        assembly.add(&record(&body, offset, offset + 1));
        assert!(assembly.datagrams.len() <= DATAGRAMS_MAX);
    }
}

#[test]
fn an_oversized_hello_is_not_kept() {
    let body = vec![0; HELLO_BYTES_MAX + 1];
    let mut assembly = HelloAssembly::default();
    assert_eq!(assembly.add(&record(&body, 0, 100)), None);
    assert!(assembly.body.is_empty() && assembly.datagrams.is_empty());
}

proptest! {
    #[test]
    fn a_damaged_hello_never_panics(index in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut damaged = body(CHROMIUM);
        *index.get_mut(&mut damaged) = byte;
        damaged.truncate(cut.index(damaged.len()) + 1);
        HelloAssembly::default().add(&record(&damaged, 0, damaged.len()));
    }

    #[test]
    fn noise_never_panics(datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20)) {
        let mut assembly = HelloAssembly::default();
        for mut datagram in datagrams {
            assembly.add(&datagram);
            if datagram.len() > 26 {
                datagram[..5].copy_from_slice(&[CONTENT_HANDSHAKE, 0xFE, 0xFD, 0, 0]);
                datagram[11] = 0;
                datagram[13] = HANDSHAKE_CLIENT_HELLO;
                assembly.add(&datagram);
            }
        }
    }
}
