//! Owns SRTP key derivation (RFC 3711 section 4.3): session keys from a master key, AES-CM as the PRF.

use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;

use super::error::KeyError;
use super::master::MasterKey;

/// What a session key is for (RFC 3711 section 4.3.1 and 4.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    RtpEncryption = 0,
    RtpAuthentication = 1,
    RtpSalt = 2,
    RtcpEncryption = 3,
    RtcpAuthentication = 4,
    RtcpSalt = 5,
}

/// Fills `out` with the session key of `label`. The key derivation rate is zero: one set of keys for the
/// life of a master key, as DTLS-SRTP has it.
pub(super) fn derive(master: &MasterKey, label: Label, out: &mut [u8]) -> Result<(), KeyError> {
    // A salt of 12 bytes is used as one of 14 with zeros behind it (RFC 7714 section 11); the two last
    // bytes of the IV are the block counter.
    let mut iv = [0; IV_BYTES];
    iv.iter_mut().zip(&master.salt).for_each(|(byte, salt)| *byte = *salt);
    iv[LABEL_AT] ^= label as u8;
    out.fill(0);
    let algorithm = if master.key.len() == 32 { &AES_256 } else { &AES_128 };
    counter_key(algorithm, &master.key).and_then(|key| apply_counter_mode(&key, iv, out)).ok_or(KeyError::Refused)
}

/// The key schedule of AES in counter mode.
pub(super) fn counter_key(algorithm: &'static aws_lc_rs::cipher::Algorithm, key: &[u8]) -> Option<EncryptingKey> {
    EncryptingKey::ctr(UnboundCipherKey::new(algorithm, key).ok()?).ok()
}

/// XORs the AES-CM key stream that starts at `iv` into `bytes` (RFC 3711 section 4.1.1): the same to encrypt
/// and to decrypt.
pub(super) fn apply_counter_mode(key: &EncryptingKey, iv: [u8; IV_BYTES], bytes: &mut [u8]) -> Option<()> {
    key.less_safe_encrypt(bytes, EncryptionContext::Iv128(FixedLength::from(iv))).ok().map(|_| ())
}

pub(super) const IV_BYTES: usize = 16;
/// The label is XORed 48 bits above the end of the 112-bit salt.
const LABEL_AT: usize = 7;
