use proptest::prelude::*;

use super::*;

/// The spatial layers of each stream with the rates of their temporal layers.
type Streams = Vec<Vec<(u8, Vec<u32>)>>;

fn leb128(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// As libwebrtc writes it, on a packet of one of the streams.
fn written(own: u8, streams: &Streams, has_sizes: bool) -> Vec<u8> {
    let masks: Vec<u8> =
        streams.iter().map(|layers| layers.iter().fold(0, |mask, (spatial, _)| mask | 1 << spatial)).collect();
    let is_same = masks.iter().all(|mask| *mask == masks[0]) && masks[0] != 0;
    let mut bytes = vec![own << 6 | (streams.len() as u8 - 1) << 4 | if is_same { masks[0] } else { 0 }];
    if !is_same {
        bytes.extend(masks.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).copied().unwrap_or(0)));
    }
    let layers: Vec<_> = streams.iter().flatten().collect();
    let count = |(_, rates): &(u8, Vec<u32>)| rates.len() as u8 - 1;
    bytes.extend(layers.chunks(4).map(|four| {
        let counts = four.iter().enumerate();
        counts.fold(0, |byte, (at, layer)| byte | count(layer) << (6 - 2 * at))
    }));
    bytes.extend(layers.iter().flat_map(|(_, rates)| rates).flat_map(|rate| leb128(*rate)));
    if has_sizes {
        bytes.extend(layers.iter().flat_map(|_| [4, 255, 2, 207, 30]));
    }
    bytes
}

fn kbps(allocation: &LayersAllocation) -> Vec<[u32; 4]> {
    let row = |spatial| [0, 1, 2, 3].map(|temporal| allocation.kbps_at(OperatingPoint::new(spatial, temporal)));
    (0..4).map(row).collect()
}

#[test]
fn three_streams_are_read_as_libwebrtc_writes_them() {
    // The second of three; each has one spatial layer, with two temporal ones in the first and three in the others.
    let head = [0x61, 0x68];
    let first = [60, 100];
    let second = [0xc8, 0x01, 0xac, 0x02, 0xf4, 0x03];
    let third = [0xe8, 0x07, 0xdc, 0x0b, 0xc4, 0x13];
    let bytes = [&head[..], &first, &second, &third].concat();
    let read = LayersAllocation::parse(&bytes).expect("well formed");
    assert_eq!(kbps(&read), [[200, 300, 500, 500], [0; 4], [0; 4], [0; 4]]);
    assert_eq!((read.kbps(), read.kbps_max()), (Some(500), 500));
}

#[test]
fn of_several_spatial_layers_it_is_not_known_what_all_take() {
    let streams = vec![vec![(0, vec![100, 150]), (1, vec![400, 500]), (3, vec![1_600, 2_000])]];
    let read = LayersAllocation::parse(&written(0, &streams, true)).expect("well formed");
    assert_eq!(kbps(&read), [[100, 150, 150, 150], [400, 500, 500, 500], [0; 4], [1_600, 2_000, 2_000, 2_000]]);
    assert_eq!((read.kbps(), read.kbps_max()), (None, 2_650));
}

#[test]
fn a_stream_that_is_not_sent_has_no_rates() {
    let silent = LayersAllocation::default();
    assert_eq!(LayersAllocation::parse(&[0]), Some(silent), "all are off");
    let streams = vec![vec![(0, vec![100])], vec![], vec![(0, vec![900])]];
    assert_eq!(LayersAllocation::parse(&written(1, &streams, true)), Some(silent));
    assert_eq!(LayersAllocation::parse(&written(3, &streams, false)), Some(silent), "of a stream beyond those");
    assert_eq!((silent.kbps(), silent.kbps_max()), (None, 0));
}

#[test]
fn what_is_malformed_is_not_read() {
    let well = written(0, &vec![vec![(0, vec![150, 300])]], true);
    assert!(LayersAllocation::parse(&well).is_some());
    let table: [(&str, Vec<u8>); 9] = [
        ("nothing", vec![]),
        ("masks are missing", vec![0x40]),
        ("half of the masks are missing", vec![0x30, 0x11]),
        ("counts are missing", vec![0x01]),
        ("a rate is missing", vec![0x01, 0x40, 10]),
        ("a rate does not end", vec![0x01, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0]),
        ("a rate is out of reason", [vec![0x01, 0], leb128(KBPS_MAX + 1)].concat()),
        ("a higher layer takes less", vec![0x01, 0x40, 20, 10]),
        ("a part of a size", well[..well.len() - 1].to_vec()),
    ];
    for (what, bytes) in table {
        assert_eq!(LayersAllocation::parse(&bytes), None, "{what}: {bytes:?}");
    }
}

fn streams() -> impl Strategy<Value = Streams> {
    let rates = prop::collection::vec(0..100_000_u32, 1..=4).prop_map(|mut rates| {
        rates.sort_unstable();
        rates
    });
    let layers = prop::collection::btree_map(0..4_u8, rates, 0..=4).prop_map(|layers| layers.into_iter().collect());
    prop::collection::vec(layers, 1..=4)
}

proptest! {
    #[test]
    fn what_was_written_is_read(own in 0..4_u8, streams in streams(), has_sizes: bool) {
        let read = LayersAllocation::parse(&written(own, &streams, has_sizes)).expect("well formed");
        let mut expected = vec![[0; 4]; 4];
        for (spatial, rates) in streams.get(usize::from(own)).into_iter().flatten() {
            expected[usize::from(*spatial)] =
                [0, 1, 2, 3].map(|temporal: usize| rates[temporal.min(rates.len() - 1)]);
        }
        prop_assert_eq!(kbps(&read), expected);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..255)) {
        if let Some(read) = LayersAllocation::parse(&bytes) {
            prop_assert!(kbps(&read).iter().flatten().all(|kbps| *kbps <= KBPS_MAX));
        }
    }
}
