#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a test may start its virtual time anywhere")]

use proptest::prelude::*;
use rtc_srtp::context::Context;
use rtc_srtp::crypto;
use rtc_srtp::protection_profile::ProtectionProfile;

use super::*;
use crate::wire::rtp::{Header, OutgoingHeader, Seq, Ssrc, write_extensions};

const PROFILES: [Profile; 3] = [Profile::AeadAes128Gcm, Profile::AeadAes256Gcm, Profile::Aes128CmSha1_80];
/// A sender report without blocks.
const REPORT: [u8; 28] = [0x80, 200, 0, 6, 1, 2, 3, 4, 9, 9, 9, 9, 9, 9, 9, 9, 8, 8, 8, 8, 7, 7, 7, 7, 6, 6, 6, 6];

fn master(profile: Profile, seed: u8) -> MasterKey {
    let key: Vec<u8> = (0..profile.key_len() as u8).map(|byte| byte.wrapping_mul(7).wrapping_add(seed)).collect();
    let salt: Vec<u8> = (0..profile.salt_len() as u8).map(|byte| byte.wrapping_mul(5).wrapping_add(seed)).collect();
    MasterKey::new(profile, &key, &salt).expect("lengths fit")
}

fn sealer(profile: Profile) -> Sealer {
    Sealer::from_master(master(profile, 1)).expect("keys fit")
}

fn opener(profile: Profile) -> Opener {
    Opener::from_master(master(profile, 1)).expect("keys fit")
}

/// The other implementation, for one direction.
fn other(profile: Profile) -> Context {
    let theirs = match profile {
        Profile::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
        Profile::AeadAes256Gcm => ProtectionProfile::AeadAes256Gcm,
        Profile::Aes128CmSha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
    };
    let keys = master(profile, 1);
    let provider = crypto::default_provider().expect("a crypto provider");
    Context::new(&keys.key, &keys.salt, theirs, None, None, provider.crypto()).expect("keys fit")
}

fn header(seq: u16, ssrc: u32, extension: &[u8]) -> Vec<u8> {
    let mut out = [0; 64];
    let fixed = OutgoingHeader {
        marker: true,
        payload_type: 96,
        seq: Seq(seq),
        timestamp: 12_345,
        ssrc: Ssrc(ssrc),
        extended: !extension.is_empty(),
        padded: false,
    };
    let mut len = fixed.write(&mut out).expect("fits");
    if !extension.is_empty() {
        len += write_extensions(&[(3, extension)], &mut out[len..]).expect("fits");
    }
    out[..len].to_vec()
}

#[test]
fn exporter_bytes_are_client_and_server_keys_then_salts() {
    let material: Vec<u8> = (0..60).collect();
    let keys = MasterKeys::from_exporter(Profile::Aes128CmSha1_80, &material).expect("60 bytes");
    assert_eq!(keys.client.key[..], material[..16]);
    assert_eq!(keys.server.key[..], material[16..32]);
    assert_eq!(keys.client.salt[..], material[32..46]);
    assert_eq!(keys.server.salt[..], material[46..]);
    assert_eq!(MasterKeys::from_exporter(Profile::AeadAes128Gcm, &material), Err(KeyError::Length));
    assert_eq!(Profile::AeadAes128Gcm.exporter_len(), 56);
    assert_eq!(Profile::AeadAes256Gcm.exporter_len(), 88);
}

#[test]
fn keys_do_not_show_in_debug_output() {
    let shown = format!("{:?}", master(Profile::AeadAes128Gcm, 0xab));
    assert!(!shown.contains("171") && !shown.to_lowercase().contains("ab,"), "{shown}");
}

#[test]
fn a_changed_bit_anywhere_is_detected() {
    for profile in PROFILES {
        let mut sealed = [0; 128];
        let rtp_header = header(7, 9, &[1, 2]);
        let len = sealer(profile).seal_rtp(7, &rtp_header, b"payload", &mut sealed).expect("fits");
        for at in 0..len {
            let mut packet = sealed[..len].to_vec();
            packet[at] ^= 0x10;
            let opened = opener(profile).open_rtp(7, rtp_header.len(), &mut packet);
            assert_eq!(opened, Err(OpenError::Forged), "{profile:?} RTP byte {at}");
        }
        let len = sealer(profile).seal_rtcp(&REPORT, &mut sealed).expect("fits");
        for at in 0..len {
            let mut packet = sealed[..len].to_vec();
            packet[at] ^= 0x10;
            assert_eq!(opener(profile).open_rtcp(&mut packet), Err(OpenError::Forged), "{profile:?} RTCP byte {at}");
        }
    }
}

#[test]
fn a_packet_opens_only_under_its_roll_over_counter() {
    for profile in PROFILES {
        let index = 3 << 16 | 7;
        let mut sealed = [0; 128];
        let rtp_header = header(7, 9, &[]);
        let len = sealer(profile).seal_rtp(index, &rtp_header, b"payload", &mut sealed).expect("fits");
        let mut packet = sealed[..len].to_vec();
        assert_eq!(opener(profile).open_rtp(7, 12, &mut packet), Err(OpenError::Forged));
        assert_eq!(opener(profile).open_rtp(index, 12, &mut sealed[..len]), Ok(7));
    }
}

#[test]
fn an_rtcp_packet_is_accepted_once_and_each_sender_counts_for_itself() {
    for profile in PROFILES {
        let mut sealer_a = sealer(profile);
        let mut sealer_b = sealer(profile);
        let mut other_report = REPORT;
        other_report[7] = 99;
        let mut opener = opener(profile);
        let mut packets = Vec::new();
        for _ in 0..70 {
            let mut out = [0; 64];
            let len = sealer_a.seal_rtcp(&REPORT, &mut out).expect("fits");
            packets.push(out[..len].to_vec());
        }
        for packet in packets.iter().skip(3).rev().take(64).rev() {
            assert_eq!(opener.open_rtcp(&mut packet.clone()), Ok(REPORT.len()));
            assert_eq!(opener.open_rtcp(&mut packet.clone()), Err(OpenError::Replayed));
        }
        assert_eq!(opener.open_rtcp(&mut packets[0].clone()), Err(OpenError::Replayed), "too old to tell");
        let mut out = [0; 64];
        let len = sealer_b.seal_rtcp(&other_report, &mut out).expect("fits");
        assert_eq!(opener.open_rtcp(&mut out[..len]), Ok(REPORT.len()), "the first of another sender");
    }
}

#[test]
fn a_late_rtcp_packet_is_accepted_once() {
    let mut sealer = sealer(Profile::AeadAes128Gcm);
    let mut opener = opener(Profile::AeadAes128Gcm);
    let mut packets: Vec<Vec<u8>> = Vec::new();
    for _ in 0..3 {
        let mut out = [0; 64];
        let len = sealer.seal_rtcp(&REPORT, &mut out).expect("fits");
        packets.push(out[..len].to_vec());
    }
    assert!(opener.open_rtcp(&mut packets[2].clone()).is_ok());
    assert!(opener.open_rtcp(&mut packets[0].clone()).is_ok());
    assert_eq!(opener.open_rtcp(&mut packets[0].clone()), Err(OpenError::Replayed));
}

#[test]
fn a_forged_rtcp_packet_leaves_no_trace() {
    let mut opener = opener(Profile::AeadAes128Gcm);
    let mut out = [0; 64];
    let len = sealer(Profile::AeadAes128Gcm).seal_rtcp(&REPORT, &mut out).expect("fits");
    let mut forged = out[..len].to_vec();
    forged[10] ^= 1;
    assert_eq!(opener.open_rtcp(&mut forged), Err(OpenError::Forged));
    assert!(opener.export().rtcp_windows.is_empty());
    assert!(opener.open_rtcp(&mut out[..len]).is_ok());
}

#[test]
fn a_session_goes_on_from_its_exported_state() {
    for profile in PROFILES {
        let mut first = sealer(profile);
        let mut out = [0; 64];
        let len = first.seal_rtcp(&REPORT, &mut out).expect("fits");
        let mut opener = opener(profile);
        assert!(opener.open_rtcp(&mut out[..len].to_vec()).is_ok());

        let mut second = Sealer::import(first.export()).expect("keys fit");
        let mut taken_over = Opener::import(opener.export()).expect("keys fit");
        assert_eq!(taken_over.open_rtcp(&mut out[..len]), Err(OpenError::Replayed));
        let len = second.seal_rtcp(&REPORT, &mut out).expect("fits");
        assert!(taken_over.open_rtcp(&mut out[..len]).is_ok(), "the index went on");
    }
}

#[test]
fn more_senders_than_a_session_has_do_not_grow_the_list() {
    let mut sealer = sealer(Profile::AeadAes128Gcm);
    let mut opener = opener(Profile::AeadAes128Gcm);
    for ssrc in 0..1_100u32 {
        let mut report = REPORT;
        report[4..8].copy_from_slice(&ssrc.to_be_bytes());
        let mut out = [0; 64];
        let len = sealer.seal_rtcp(&report, &mut out).expect("fits");
        assert!(opener.open_rtcp(&mut out[..len]).is_ok());
    }
    assert_eq!(opener.export().rtcp_windows.len(), 1_024);
}

#[test]
fn used_up_rtcp_indices_seal_nothing() {
    let state = SealerState { master: master(Profile::AeadAes128Gcm, 1), rtcp_index: (1 << 31) - 2 };
    let mut sealer = Sealer::import(state).expect("keys fit");
    let mut out = [0; 64];
    assert!(sealer.seal_rtcp(&REPORT, &mut out).is_some());
    assert_eq!(sealer.seal_rtcp(&REPORT, &mut out), None);
}

#[test]
fn a_buffer_that_is_too_short_seals_nothing() {
    for profile in PROFILES {
        let rtp_header = header(1, 1, &[]);
        let needed = 12 + 5 + profile.rtp_overhead();
        let mut out = vec![0; needed];
        assert_eq!(sealer(profile).seal_rtp(1, &rtp_header, b"12345", &mut out), Some(needed));
        assert_eq!(sealer(profile).seal_rtp(1, &rtp_header, b"12345", &mut out[1..]), None);
        assert_eq!(sealer(profile).seal_rtp_parts(1, &rtp_header, b"12", b"345", &mut out[1..]), None);
        let needed = REPORT.len() + profile.rtcp_overhead();
        let mut out = vec![0; needed];
        assert_eq!(sealer(profile).seal_rtcp(&REPORT, &mut out[1..]), None);
        assert_eq!(sealer(profile).seal_rtcp(&REPORT, &mut out), Some(needed));
    }
}

#[test]
fn the_other_implementation_reads_our_rtcp_and_we_read_its() {
    for profile in PROFILES {
        let mut theirs = other(profile);
        let mut ours = sealer(profile);
        let mut opener = opener(profile);
        for _ in 0..3 {
            let mut out = [0; 64];
            let len = ours.seal_rtcp(&REPORT, &mut out).expect("fits");
            let opened = other(profile).decrypt_rtcp(&out[..len]).expect("ours is valid");
            assert_eq!(opened[..], REPORT);
            let mut sealed = theirs.encrypt_rtcp(&REPORT).expect("seals").to_vec();
            assert_eq!(opener.open_rtcp(&mut sealed), Ok(REPORT.len()));
            assert_eq!(sealed[..REPORT.len()], REPORT);
        }
    }
}

#[test]
fn the_other_implementation_follows_us_across_the_wrap() {
    for profile in PROFILES {
        let mut theirs = other(profile);
        let ours = sealer(profile);
        for index in 65_530u64..65_545 {
            let rtp_header = header((index & 0xffff) as u16, 5, &[]);
            let mut out = [0; 64];
            let len = ours.seal_rtp(index, &rtp_header, b"over the edge", &mut out).expect("fits");
            assert_eq!(theirs.decrypt_rtp(&out[..len]).expect("ours is valid")[12..], *b"over the edge");
        }
    }
}

fn any_profile() -> impl Strategy<Value = Profile> {
    prop::sample::select(PROFILES.to_vec())
}

proptest! {
    #[test]
    fn what_is_sealed_opens_to_the_same(
        profile in any_profile(),
        roc in 0u64..1 << 32,
        seq: u16,
        ssrc: u32,
        extension in prop::collection::vec(any::<u8>(), 0..20),
        payload in prop::collection::vec(any::<u8>(), 0..1300),
    ) {
        let index = roc << 16 | u64::from(seq);
        let rtp_header = header(seq, ssrc, &extension);
        let mut out = [0; 1500];
        let len = sealer(profile).seal_rtp(index, &rtp_header, &payload, &mut out).expect("fits");
        prop_assert_eq!(len, rtp_header.len() + payload.len() + profile.rtp_overhead());
        let (head, tail) = payload.split_at(payload.len().min(2));
        let mut parts = [0; 1500];
        prop_assert_eq!(sealer(profile).seal_rtp_parts(index, &rtp_header, head, tail, &mut parts), Some(len));
        prop_assert_eq!(&out[..len], &parts[..len]);

        let parsed = Header::parse(&out[..len]).expect("a header of ours");
        prop_assert_eq!(parsed.header_len, rtp_header.len());
        prop_assert_eq!(opener(profile).open_rtp(index, parsed.header_len, &mut out[..len]), Ok(payload.len()));
        prop_assert_eq!(&out[parsed.header_len..parsed.header_len + payload.len()], &payload[..]);
    }

    #[test]
    fn the_other_implementation_agrees_on_rtp(
        profile in any_profile(),
        seq: u16,
        ssrc: u32,
        extension in prop::collection::vec(any::<u8>(), 0..20),
        payload in prop::collection::vec(any::<u8>(), 1..1200),
    ) {
        let rtp_header = header(seq, ssrc, &extension);
        let plain = [&rtp_header[..], &payload].concat();
        let mut out = [0; 1500];
        let len = sealer(profile).seal_rtp(u64::from(seq), &rtp_header, &payload, &mut out).expect("fits");
        let theirs = other(profile).encrypt_rtp(&plain).expect("seals");
        prop_assert_eq!(&out[..len], &theirs[..]);
        let opened = other(profile).decrypt_rtp(&out[..len]).expect("ours is valid");
        prop_assert_eq!(&opened[..], &plain[..]);
    }

    #[test]
    fn noise_is_refused(profile in any_profile(), index: u32, header_len in 0usize..64,
                        bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        prop_assert!(opener(profile).open_rtp(u64::from(index), header_len, &mut bytes.clone()).is_err());
        prop_assert!(opener(profile).open_rtcp(&mut bytes.clone()).is_err());
    }
}
