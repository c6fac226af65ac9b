//! Owns the sending direction of SRTP and SRTCP of one session.

use super::cipher::Cipher;
use super::error::KeyError;
use super::master::{MasterKey, Profile};

/// Protects what we send to one client. The packet index of RTP comes from the caller, who numbers the
/// packets of each SSRC; the index of RTCP is kept here.
pub struct Sealer {
    master: MasterKey,
    cipher: Cipher,
    /// Index of the last SRTCP packet (31 bits), one count for all our SSRCs: no pair of SSRC and index
    /// repeats, and each SSRC's indices grow as its receiver expects.
    rtcp_index: u32,
}

/// All of a sealer as plain data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealerState {
    pub master: MasterKey,
    pub rtcp_index: u32,
}

impl Sealer {
    pub fn new(profile: Profile, key: &[u8], salt: &[u8]) -> Result<Sealer, KeyError> {
        Sealer::import(SealerState { master: MasterKey::new(profile, key, salt)?, rtcp_index: 0 })
    }

    pub fn from_master(master: MasterKey) -> Result<Sealer, KeyError> {
        Sealer::import(SealerState { master, rtcp_index: 0 })
    }

    pub fn import(state: SealerState) -> Result<Sealer, KeyError> {
        let cipher = Cipher::new(&state.master)?;
        Ok(Sealer { master: state.master, cipher, rtcp_index: state.rtcp_index })
    }

    pub fn export(&self) -> SealerState {
        SealerState { master: self.master.clone(), rtcp_index: self.rtcp_index }
    }

    pub fn profile(&self) -> Profile {
        self.master.profile
    }

    pub fn rtp_overhead(&self) -> usize {
        self.master.profile.rtp_overhead()
    }

    pub fn rtcp_overhead(&self) -> usize {
        self.master.profile.rtcp_overhead()
    }

    /// `index` is ROC × 2^16 + SEQ and must never repeat for an SSRC. `header` includes CSRCs and
    /// extensions. Writes header, ciphertext and tag to `out` and returns their length; none when `out` is
    /// too short.
    #[inline]
    pub fn seal_rtp(&self, index: u64, header: &[u8], payload: &[u8], out: &mut [u8]) -> Option<usize> {
        debug_assert_eq!(header.get(2..4), Some(&index.to_be_bytes()[6..]), "the index is not of this header");
        match &self.cipher {
            Cipher::Gcm(keys) => keys.seal_rtp(index, header, payload, out),
            Cipher::Cm(keys) => keys.seal_rtp_parts(index, header, &[], payload, out),
        }
    }

    /// Like [`Sealer::seal_rtp`] with a payload in two parts, as RTX has it (RFC 4588 section 4: two bytes
    /// of original sequence number, then the original payload).
    pub fn seal_rtp_parts(
        &self,
        index: u64,
        header: &[u8],
        head: &[u8],
        payload: &[u8],
        out: &mut [u8],
    ) -> Option<usize> {
        debug_assert_eq!(header.get(2..4), Some(&index.to_be_bytes()[6..]), "the index is not of this header");
        match &self.cipher {
            Cipher::Gcm(keys) => keys.seal_rtp_parts(index, header, head, payload, out),
            Cipher::Cm(keys) => keys.seal_rtp_parts(index, header, head, payload, out),
        }
    }

    /// Seals a compound RTCP packet. None when `out` is too short, or after 2^31 packets, when the keys are
    /// used up (RFC 3711 section 9.2).
    pub fn seal_rtcp(&mut self, packet: &[u8], out: &mut [u8]) -> Option<usize> {
        // Advanced before use: whoever imports a state exported in between cannot repeat an index.
        let index = self.rtcp_index.checked_add(1).filter(|index| *index <= RTCP_INDEX_MAX)?;
        self.rtcp_index = index;
        match &self.cipher {
            Cipher::Gcm(keys) => keys.seal_rtcp(index, packet, out),
            Cipher::Cm(keys) => keys.seal_rtcp(index, packet, out),
        }
    }
}

const RTCP_INDEX_MAX: u32 = (1 << 31) - 1;
