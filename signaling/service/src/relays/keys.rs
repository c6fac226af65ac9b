//! Owns the keys of relays: how both ends of an association come to the same ones without speaking to each
//! other. Never stores one.

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use chappe_sfu_api::{Boot, RelayKey};

/// What the keys of all associations between some workers are derived from: those of one node, or those of
/// different nodes.
#[derive(Clone)]
pub struct RelaySecret(Prk);

impl RelaySecret {
    pub fn new(secret: &[u8]) -> RelaySecret {
        RelaySecret(Salt::new(HKDF_SHA256, SALT).extract(secret))
    }

    /// The key of what `from` sends to `to` (RFC 5869). Boots are drawn at random for each process, so that no
    /// pair of them, and no key, occurs twice.
    pub fn key(&self, from: Boot, to: Boot) -> RelayKey {
        let (from, to) = (from.0.to_be_bytes(), to.0.to_be_bytes());
        let mut bytes = [0; KEY_BYTES + SALT_BYTES];
        let info: [&[u8]; 3] = [INFO, &from, &to];
        let material = self.0.expand(&info, Length).and_then(|okm| okm.fill(&mut bytes));
        material.expect("28 bytes are within what HKDF gives");
        let (key, salt) = bytes.split_at(KEY_BYTES);
        let mut derived = RelayKey { key: [0; KEY_BYTES], salt: [0; SALT_BYTES] };
        derived.key.copy_from_slice(key);
        derived.salt.copy_from_slice(salt);
        derived
    }
}

impl std::fmt::Debug for RelaySecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RelaySecret(…)")
    }
}

struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        KEY_BYTES + SALT_BYTES
    }
}

const SALT: &[u8] = b"chappe relay secret 1";
const INFO: &[u8] = b"chappe relay key 1";
const KEY_BYTES: usize = 16;
const SALT_BYTES: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_derive_the_same_keys_and_no_two_directions_share_one() {
        let (a, b) = (RelaySecret::new(b"secret"), RelaySecret::new(b"secret"));
        assert_eq!(a.key(Boot(1), Boot(2)), b.key(Boot(1), Boot(2)));
        assert_ne!(a.key(Boot(1), Boot(2)), a.key(Boot(2), Boot(1)));
        assert_ne!(a.key(Boot(1), Boot(2)), a.key(Boot(1), Boot(3)));
        assert_ne!(a.key(Boot(1), Boot(2)), RelaySecret::new(b"other").key(Boot(1), Boot(2)));
    }
}
