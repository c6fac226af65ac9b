//! Owns a client that is played by hand, because the engine as a client has one list of SRTP profiles only: it
//! offers any list, and follows the handshake just far enough to read the server's choice. Never finishes one.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey, quic};
use aws_lc_rs::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::{digest, hmac};

use crate::crypto::srtp::Profile;

pub struct PlayedClient {
    is_13: bool,
    key: EphemeralPrivateKey,
    /// The ClientHello as the transcript has it.
    hello: Vec<u8>,
}

impl PlayedClient {
    pub fn new(is_13: bool, profiles: &[Profile]) -> PlayedClient {
        let key = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).unwrap();
        let profiles: Vec<u8> = profiles.iter().flat_map(|profile| profile.id().to_be_bytes()).collect();
        let mut extensions = [
            extension(SUPPORTED_GROUPS, &vector_u16(&GROUP_P256)),
            extension(SIGNATURE_ALGORITHMS, &vector_u16(&[4, 3])),
            extension(USE_SRTP, &[vector_u16(&profiles), vec![0]].concat()),
        ]
        .concat();
        if is_13 {
            let public = key.compute_public_key().unwrap();
            let share = [GROUP_P256.to_vec(), vector_u16(public.as_ref())].concat();
            extensions.extend(extension(SUPPORTED_VERSIONS, &[2, 0xFE, 0xFC]));
            extensions.extend(extension(KEY_SHARE, &vector_u16(&share)));
        } else {
            extensions.extend(extension(EC_POINT_FORMATS, &[1, 0]));
            extensions.extend(extension(EXTENDED_MASTER_SECRET, &[]));
        }
        let suite = if is_13 { [0x13, 0x01] } else { [0xC0, 0x2B] };
        let mut body = vec![0xFE, 0xFD];
        body.extend([7; 32]);
        body.extend([0, 0]);
        body.extend(vector_u16(&suite));
        body.extend([1, 0]);
        body.extend(vector_u16(&extensions));
        let hello = [&[1, 0][..], &vector_u16(&body)].concat();
        PlayedClient { is_13, key, hello }
    }

    pub fn datagram(&self) -> Vec<u8> {
        let (header, body) = self.hello.split_at(4);
        let handshake = [header, &[0; 5], &header[1..], body].concat();
        [&[22, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 0][..], &vector_u16(&handshake)].concat()
    }

    /// What the server chose, from the datagrams of its first flight.
    pub fn profile(self, flight: &[Vec<u8>]) -> Option<Profile> {
        let first = flight.concat();
        let (length, rest) = first[11..].split_first_chunk().unwrap();
        let (server_hello, rest) = rest.split_at(usize::from(u16::from_be_bytes(*length)));
        assert_eq!((first[0], server_hello[0]), (22, 2), "a ServerHello comes first");
        let chosen = match self.is_13 {
            false => find(server_extensions(server_hello), USE_SRTP)?,
            true => find(&self.open_encrypted_extensions(server_hello, rest)[14..], USE_SRTP)?,
        };
        // A list of one, and no MKI.
        let [0, 2, high, low, 0] = chosen[..] else { panic!("{chosen:?}") };
        let all = [Profile::AeadAes128Gcm, Profile::AeadAes256Gcm, Profile::Aes128CmSha1_80];
        all.into_iter().find(|profile| profile.id().to_be_bytes() == [high, low])
    }

    /// RFC 8446 section 7.1 with the labels of RFC 9147 section 5.9, then the record of section 4 there.
    fn open_encrypted_extensions(self, server_hello: &[u8], record: &[u8]) -> Vec<u8> {
        let share = find(server_extensions(server_hello), KEY_SHARE).unwrap();
        let server_key = UnparsedPublicKey::new(&ECDH_P256, share[4..].to_vec());
        let shared = agree_ephemeral(self.key, server_key, (), |shared| Ok(shared.to_vec())).unwrap();
        // The transcript leaves out what is DTLS's own in the header of a message.
        let transcript = [&self.hello, &server_hello[..4], &server_hello[12..]].concat();
        let transcript = digest::digest(&digest::SHA256, &transcript);
        let nothing = digest::digest(&digest::SHA256, &[]);
        let early = mac(&[0; 32], &[0; 32]);
        let handshake = mac(&expand(&early, "derived", nothing.as_ref(), 32), &shared);
        let traffic = expand(&handshake, "s hs traffic", transcript.as_ref(), 32);
        let [key, number_key] = ["key", "sn"].map(|label| expand(&traffic, label, &[], 16));
        let mut nonce: [u8; 12] = expand(&traffic, "iv", &[], 12).try_into().unwrap();

        let (header, rest) = record.split_first_chunk::<5>().unwrap();
        let mut header = *header;
        assert_eq!(header[0], 0b0010_1110, "epoch 2, a long number, and a length");
        let mut sealed = rest[..usize::from(u16::from_be_bytes([header[3], header[4]]))].to_vec();
        let mask =
            quic::HeaderProtectionKey::new(&quic::AES_128, &number_key).unwrap().new_mask(&sealed[..16]).unwrap();
        for (index, mask) in mask[..2].iter().enumerate() {
            header[1 + index] ^= mask;
            nonce[10 + index] ^= header[1 + index];
        }
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).unwrap());
        let nonce = Nonce::assume_unique_for_key(nonce);
        let opened = key.open_in_place(nonce, Aad::from(header), &mut sealed).unwrap();
        assert_eq!(opened[0], 8, "EncryptedExtensions");
        opened.to_vec()
    }
}

/// The extensions of a ServerHello, behind version, random, session id, suite, compression and their length.
fn server_extensions(message: &[u8]) -> &[u8] {
    let session = usize::from(message[12 + 34]);
    &message[12 + 35 + session + 5..]
}

fn find(mut extensions: &[u8], wanted: u16) -> Option<Vec<u8>> {
    while let Some((&[k0, k1, l0, l1], rest)) = extensions.split_first_chunk() {
        let (content, after) = rest.split_at_checked(usize::from(u16::from_be_bytes([l0, l1])))?;
        if u16::from_be_bytes([k0, k1]) == wanted {
            return Some(content.to_vec());
        }
        extensions = after;
    }
    None
}

fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &vector_u16(content)].concat()
}

fn vector_u16(content: &[u8]) -> Vec<u8> {
    [&(content.len() as u16).to_be_bytes()[..], content].concat()
}

fn mac(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref().to_vec()
}

/// HKDF-Expand-Label of one block at most.
fn expand(secret: &[u8], label: &str, context: &[u8], length: u8) -> Vec<u8> {
    let label = ["dtls13", label].concat();
    let info = [&[0, length, label.len() as u8], label.as_bytes(), &[context.len() as u8], context, &[1]].concat();
    mac(secret, &info)[..usize::from(length)].to_vec()
}

const GROUP_P256: [u8; 2] = [0, 23];
const SUPPORTED_GROUPS: u16 = 10;
const EC_POINT_FORMATS: u16 = 11;
const SIGNATURE_ALGORITHMS: u16 = 13;
const USE_SRTP: u16 = 14;
const EXTENDED_MASTER_SECRET: u16 = 23;
const SUPPORTED_VERSIONS: u16 = 43;
const KEY_SHARE: u16 = 51;
