//! The published test vectors of RFC 3711 and RFC 7714, and libsrtp's of a whole AES-CM packet.

use aws_lc_rs::cipher::AES_128;

use super::derive::{Label, apply_counter_mode, counter_key, derive};
use super::{MasterKey, OpenError, Opener, Profile, Sealer, aes_gcm};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

const MASTER_KEY: &str = "e1f97a0d3e018be0d64fa32c06de4139";
const MASTER_SALT: &str = "0ec675ad498afeebb6960b3aabe6";

#[test]
fn session_keys_are_those_of_rfc_3711_appendix_b_3() {
    let master = MasterKey::new(Profile::Aes128CmSha1_80, &hex(MASTER_KEY), &hex(MASTER_SALT)).expect("lengths fit");
    let derived = |label, len| {
        let mut out = vec![0; len];
        derive(&master, label, &mut out).expect("derives");
        out
    };
    assert_eq!(derived(Label::RtpEncryption, 16), hex("c61e7a93744f39ee10734afe3ff7a087"));
    assert_eq!(derived(Label::RtpSalt, 14), hex("30cbbc08863d8c85d49db34a9ae1"));
    assert_eq!(derived(Label::RtpAuthentication, 20), hex("cebe321f6ff7716b6fd4ab49af256a156d38baa4"));
}

#[test]
fn the_key_stream_is_that_of_rfc_3711_appendix_b_2() {
    let key = counter_key(&AES_128, &hex("2b7e151628aed2a6abf7158809cf4f3c")).expect("16 bytes");
    let mut iv = [0; 16];
    iv.copy_from_slice(&hex("f0f1f2f3f4f5f6f7f8f9fafbfcfd0000"));
    let mut stream = vec![0; 48];
    apply_counter_mode(&key, iv, &mut stream).expect("encrypts");
    assert_eq!(
        stream,
        hex("e03ead0935c95e80e166b16dd92b4eb4 d23513162b02d0f72a43a2fe4a5f97ab 41e95b3bb0a2e8dd477901e4fca894c0")
    );
    iv[14..].copy_from_slice(&[0xfe, 0xff]);
    stream.fill(0);
    apply_counter_mode(&key, iv, &mut stream).expect("encrypts");
    assert_eq!(
        stream,
        hex("ec8cdf7398607cb0f2d21675ea9ea1e4 362b7c3c6773516318a077d7fc5073ae 6a2cc3787889374fbeb4c81b17ba6c44")
    );
}

/// `srtp_validate` of libsrtp's test/srtp_driver.c.
#[test]
fn an_aes_cm_packet_is_the_one_libsrtp_makes() {
    let mut sealer = Sealer::new(Profile::Aes128CmSha1_80, &hex(MASTER_KEY), &hex(MASTER_SALT)).expect("lengths fit");
    let header = hex("800f1234decafbadcafebabe");
    let mut out = [0; 64];
    let len = sealer.seal_rtp(0x1234, &header, &[0xab; 16], &mut out).expect("fits");
    assert_eq!(out[..len], hex("800f1234decafbadcafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb"));
    let packet = [hex("81c8000bcafebabe"), vec![0xab; 16]].concat();
    let len = sealer.seal_rtcp(&packet, &mut out).expect("fits");
    assert_eq!(out[..len], hex("81c8000bcafebabe 7128035be487b9bdbef89041f977a5a8 80000001 993e08cd54d6c1230798"));
}

const GCM_SALT: [u8; 12] = *b"Quid pro quo";
const RTP_HEADER: &str = "8040f17b8041f8d35501a0b2";
const RTP_PAYLOAD: &[u8] = b"Gallia est omnis divisa in partes tres";
const RTCP_PACKET: &str = "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61\
                           deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";
const RTCP_INDEX: u32 = 0x5d4;

/// Key bytes 00, 01, 02 and so on, of both RFC 7714 sections.
fn counting_key(len: u8) -> aes_gcm::Keys {
    aes_gcm::Keys::from_session(&(0..len).collect::<Vec<u8>>(), GCM_SALT)
}

fn check_rtp_vector(keys: &aes_gcm::Keys, sealed: &str) {
    let header = hex(RTP_HEADER);
    let expected = [header.clone(), hex(sealed)].concat();
    let mut out = [0; 80];
    let len = keys.seal_rtp(0xf17b, &header, RTP_PAYLOAD, &mut out).expect("fits");
    assert_eq!(out[..len], expected);
    let (head, rest) = RTP_PAYLOAD.split_at(2);
    let len = keys.seal_rtp_parts(0xf17b, &header, head, rest, &mut out).expect("fits");
    assert_eq!(out[..len], expected);
    assert_eq!(keys.open_rtp(0xf17b, 12, &mut out[..len]), Ok(RTP_PAYLOAD.len()));
    assert_eq!(&out[12..12 + RTP_PAYLOAD.len()], RTP_PAYLOAD);
}

fn check_rtcp_vector(keys: &aes_gcm::Keys, sealed: &str) {
    let packet = hex(RTCP_PACKET);
    let mut out = [0; 80];
    let len = keys.seal_rtcp(RTCP_INDEX, &packet, &mut out).expect("fits");
    assert_eq!(out[..len], hex(sealed));
    assert_eq!(keys.open_rtcp(RTCP_INDEX, &mut out[..len]), Ok(packet.len()));
    assert_eq!(out[..packet.len()], packet);
}

#[test]
fn gcm_128_is_that_of_rfc_7714_sections_16_1_and_17_1() {
    let keys = counting_key(16);
    check_rtp_vector(
        &keys,
        "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833\
         899d7f27beb16a9152cf765ee4390cce",
    );
    check_rtcp_vector(
        &keys,
        "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b46\
         86303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4",
    );
}

#[test]
fn gcm_256_is_that_of_rfc_7714_sections_16_2_and_17_2() {
    let keys = counting_key(32);
    check_rtp_vector(
        &keys,
        "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b\
         7aa3db36dfffd6b0f9bb7878d7a76c13",
    );
    check_rtcp_vector(
        &keys,
        "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658\
         c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4",
    );
}

/// RFC 7714 section 17.3: tagged, E flag clear.
#[test]
fn a_tagged_packet_in_the_clear_is_refused() {
    let mut packet = hex("81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeef\
         deadbeefdeadbeef841dd9683dd78ec92ae58790125f62b3000005d4");
    let mut opener = Opener::new(Profile::AeadAes128Gcm, &[7; 16], &[7; 12]).expect("lengths fit");
    assert_eq!(opener.open_rtcp(&mut packet), Err(OpenError::Unencrypted));
}
