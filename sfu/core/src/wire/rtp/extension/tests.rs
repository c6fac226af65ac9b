use proptest::prelude::*;

use super::*;

#[test]
fn one_byte_elements_with_padding_between_are_read() {
    let values = [0x10, 0xaa, 0, 0, 0x22, 1, 2, 3, 0, 0, 0, 0];
    let found: Vec<_> = Elements::new(0xbede, &values).collect();
    assert_eq!(found, [(1, &[0xaa][..]), (2, &[1, 2, 3][..])]);
}

#[test]
fn id_fifteen_and_a_padding_with_a_length_end_the_block() {
    assert_eq!(Elements::new(0xbede, &[0xf0, 0xaa, 0x10, 0xbb]).count(), 0);
    assert_eq!(Elements::new(0xbede, &[0x02, 0xaa, 0x10, 0xbb]).count(), 0);
}

#[test]
fn two_byte_elements_may_be_empty_and_long() {
    let mut values = vec![200, 0, 0, 7, 20];
    values.extend([9; 20]);
    let found: Vec<_> = Elements::new(0x1005, &values).collect();
    assert_eq!(found, [(200, &[][..]), (7, &[9; 20][..])]);
}

#[test]
fn an_element_longer_than_the_block_ends_it() {
    assert_eq!(Elements::new(0xbede, &[0x1f, 1, 2, 3]).count(), 0);
    assert_eq!(Elements::new(0x1000, &[1]).count(), 0);
    assert_eq!(Elements::new(0x1000, &[1, 3, 0, 0]).count(), 0);
}

#[test]
fn a_profile_of_something_else_has_no_elements() {
    assert_eq!(Elements::new(0xabac, &[0x10, 1, 0x20, 2]).count(), 0);
}

#[test]
fn negotiated_ids_are_found_in_one_pass_and_the_first_counts() {
    let map = ExtensionMap::empty()
        .with(ExtensionKind::Mid, Some(4))
        .with(ExtensionKind::TransportCc, Some(5))
        .with(ExtensionKind::DependencyDescriptor, Some(77))
        .with(ExtensionKind::Rid, None);
    let block = [4, 1, b'0', 5, 2, 0x12, 0x34, 77, 1, 9, 4, 1, b'1', 6, 1, 1];
    let values = map.find(Elements::new(0x1000, &block));
    assert_eq!(values.value(ExtensionKind::Mid), Some(&b"0"[..]));
    assert_eq!(values.transport_seq(), Some(0x1234));
    assert_eq!(values.value(ExtensionKind::DependencyDescriptor), Some(&[9][..]));
    assert_eq!(values.value(ExtensionKind::Rid), None);
    assert_eq!(values.iter().count(), 3);
    assert_eq!(map.id(ExtensionKind::DependencyDescriptor), Some(77));
    assert_eq!(map.id(ExtensionKind::Rid), None);
    assert_eq!(map.kind(6), None);
}

#[test]
fn an_id_belongs_to_one_kind_only() {
    let map = ExtensionMap::empty().with(ExtensionKind::Mid, Some(3)).with(ExtensionKind::Rid, Some(3));
    assert_eq!(map.kind(3), Some(ExtensionKind::Rid));
    assert_eq!(map.id(ExtensionKind::Mid), None);
}

#[test]
fn a_short_transport_seq_is_not_a_number() {
    let map = ExtensionMap::empty().with(ExtensionKind::TransportCc, Some(5));
    assert_eq!(map.find(Elements::new(0xbede, &[0x50, 1, 0, 0])).transport_seq(), None);
}

#[test]
fn the_one_byte_form_is_used_where_it_fits() {
    let mut out = [0xff; 32];
    let written = write_extensions(&[(1, b"0"), (5, &[1, 2])], &mut out);
    assert_eq!(written, Some(12));
    assert_eq!(out[..12], [0xbe, 0xde, 0, 2, 0x10, b'0', 0x51, 1, 2, 0, 0, 0]);
    let written = write_extensions(&[(15, b"0")], &mut out).expect("fits");
    assert_eq!(out[..written], [0x10, 0, 0, 1, 15, 1, b'0', 0]);
    assert_eq!(write_extensions(&[], &mut []), Some(0));
}

#[test]
fn what_cannot_be_written_is_refused() {
    let mut out = [0; 600];
    assert_eq!(write_extensions(&[(0, b"0")], &mut out), None);
    assert_eq!(write_extensions(&[(1, &[0; 256])], &mut out), None);
    assert_eq!(write_extensions(&[(1, b"abcd")], &mut out[..8]), None, "no room for the padding");
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        elements in prop::collection::vec((1u8.., prop::collection::vec(any::<u8>(), 0..40)), 0..8)
    ) {
        let pairs: Vec<(u8, &[u8])> = elements.iter().map(|(id, value)| (*id, &value[..])).collect();
        let mut out = [0; 512];
        let written = write_extensions(&pairs, &mut out).expect("fits");
        prop_assert_eq!(written % 4, 0);
        if written > 0 {
            let profile = u16::from_be_bytes([out[0], out[1]]);
            prop_assert_eq!(usize::from(u16::from_be_bytes([out[2], out[3]])) * 4 + 4, written);
            let read: Vec<_> = Elements::new(profile, &out[4..written]).collect();
            prop_assert_eq!(read, pairs);
        }
    }

    #[test]
    fn any_block_is_read_to_its_end(profile in prop::sample::select(vec![0xbedeu16, 0x1000, 0x100f, 7]),
                                    values in prop::collection::vec(any::<u8>(), 0..100)) {
        let total: usize = Elements::new(profile, &values).map(|(_, value)| value.len() + 1).sum();
        prop_assert!(total <= values.len());
    }
}
