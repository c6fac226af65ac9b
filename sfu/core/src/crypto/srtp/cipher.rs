//! Owns the choice of the cipher for the profile of a session. Never touches a packet.

use super::error::KeyError;
use super::master::{MasterKey, Profile};
use super::{aes_cm, aes_gcm};

/// The session keys of one direction, for both RTP and RTCP.
pub(super) enum Cipher {
    Gcm(aes_gcm::Keys),
    Cm(Box<aes_cm::Keys>),
}

impl Cipher {
    pub fn new(master: &MasterKey) -> Result<Cipher, KeyError> {
        Ok(match master.profile {
            Profile::AeadAes128Gcm | Profile::AeadAes256Gcm => Cipher::Gcm(aes_gcm::Keys::new(master)?),
            Profile::Aes128CmSha1_80 => Cipher::Cm(Box::new(aes_cm::Keys::new(master)?)),
        })
    }
}
