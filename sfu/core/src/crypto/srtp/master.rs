//! Owns what a handshake agrees on: the protection profile, and the master keys of both directions. Never protects a
//! packet.

use arrayvec::ArrayVec;

use super::error::KeyError;

/// Protection profiles of DTLS-SRTP (RFC 5764 section 4.1.2, RFC 7714 section 14.2), best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Profile {
    AeadAes128Gcm,
    AeadAes256Gcm,
    Aes128CmSha1_80,
}

impl Profile {
    pub fn key_len(self) -> usize {
        match self {
            Profile::AeadAes128Gcm | Profile::Aes128CmSha1_80 => 16,
            Profile::AeadAes256Gcm => 32,
        }
    }

    pub fn salt_len(self) -> usize {
        match self {
            Profile::AeadAes128Gcm | Profile::AeadAes256Gcm => 12,
            Profile::Aes128CmSha1_80 => 14,
        }
    }

    /// Bytes that sealing adds to an RTP packet.
    pub fn rtp_overhead(self) -> usize {
        match self {
            Profile::AeadAes128Gcm | Profile::AeadAes256Gcm => GCM_TAG_BYTES,
            Profile::Aes128CmSha1_80 => CM_TAG_BYTES,
        }
    }

    /// Bytes that sealing adds to an RTCP packet: the tag and the word with E flag and index.
    pub fn rtcp_overhead(self) -> usize {
        self.rtp_overhead() + RTCP_INDEX_BYTES
    }

    /// Bytes to ask the DTLS exporter `EXTRACTOR-dtls_srtp` for.
    pub fn exporter_len(self) -> usize {
        2 * (self.key_len() + self.salt_len())
    }

    /// The value in the `use_srtp` extension.
    pub fn id(self) -> u16 {
        match self {
            Profile::Aes128CmSha1_80 => 0x0001,
            Profile::AeadAes128Gcm => 0x0007,
            Profile::AeadAes256Gcm => 0x0008,
        }
    }
}

/// Master key and salt of one direction. Plain data; it does not show itself in `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey {
    pub profile: Profile,
    pub key: ArrayVec<u8, 32>,
    pub salt: ArrayVec<u8, 14>,
}

impl MasterKey {
    pub fn new(profile: Profile, key: &[u8], salt: &[u8]) -> Result<MasterKey, KeyError> {
        if key.len() != profile.key_len() || salt.len() != profile.salt_len() {
            return Err(KeyError::Length);
        }
        Ok(MasterKey {
            profile,
            key: ArrayVec::try_from(key).map_err(|_| KeyError::Length)?,
            salt: ArrayVec::try_from(salt).map_err(|_| KeyError::Length)?,
        })
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MasterKey").field("profile", &self.profile).finish_non_exhaustive()
    }
}

/// Both directions of a DTLS association. The DTLS client seals with `client` and opens with `server`, the
/// DTLS server the other way around.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterKeys {
    pub client: MasterKey,
    pub server: MasterKey,
}

impl MasterKeys {
    /// Exporter output is client key, server key, client salt, server salt (RFC 5764 section 4.2).
    pub fn from_exporter(profile: Profile, material: &[u8]) -> Result<MasterKeys, KeyError> {
        if material.len() != profile.exporter_len() {
            return Err(KeyError::Length);
        }
        let (keys, salts) = material.split_at(2 * profile.key_len());
        let (client_key, server_key) = keys.split_at(profile.key_len());
        let (client_salt, server_salt) = salts.split_at(profile.salt_len());
        Ok(MasterKeys {
            client: MasterKey::new(profile, client_key, client_salt)?,
            server: MasterKey::new(profile, server_key, server_salt)?,
        })
    }
}

pub(super) const GCM_TAG_BYTES: usize = 16;
pub(super) const CM_TAG_BYTES: usize = 10;
/// An RTCP packet is authenticated from its first byte and encrypted from after its first SSRC on.
pub(super) const RTCP_CLEAR_BYTES: usize = 8;
pub(super) const RTCP_INDEX_BYTES: usize = 4;
/// First bit of the word with the SRTCP index: the packet is encrypted (RFC 3711 section 3.4).
pub(super) const RTCP_ENCRYPTED: u32 = 1 << 31;
