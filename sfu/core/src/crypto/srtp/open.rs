//! Owns the receiving direction of SRTP and SRTCP of one session, with the replay windows of SRTCP.

use super::cipher::Cipher;
use super::error::{KeyError, OpenError};
use super::master::{CM_TAG_BYTES, MasterKey, Profile, RTCP_CLEAR_BYTES, RTCP_ENCRYPTED};
use crate::wire::rtp::Ssrc;

/// Opens what one client sends. Replay windows of RTP belong to the caller, one per SSRC; those of RTCP are
/// here.
pub struct Opener {
    master: MasterKey,
    cipher: Cipher,
    /// Each sender SSRC counts its SRTCP packets on its own (RFC 3711 section 3.2.3): a browser has one
    /// count per media track. Oldest use first, at most [`RTCP_SENDERS_MAX`].
    rtcp_windows: Vec<(Ssrc, RtcpWindow)>,
}

/// All of an opener as plain data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenerState {
    pub master: MasterKey,
    pub rtcp_windows: Vec<(Ssrc, RtcpWindow)>,
}

/// The last 64 SRTCP indices of one sender (RFC 3711 section 3.3.2). Plain data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RtcpWindow {
    highest: u32,
    /// Bit n is set when `highest - n` was received. Zero before the first packet.
    seen: u64,
}

impl Opener {
    pub fn new(profile: Profile, key: &[u8], salt: &[u8]) -> Result<Opener, KeyError> {
        Opener::from_master(MasterKey::new(profile, key, salt)?)
    }

    pub fn from_master(master: MasterKey) -> Result<Opener, KeyError> {
        Opener::import(OpenerState { master, rtcp_windows: Vec::new() })
    }

    pub fn import(state: OpenerState) -> Result<Opener, KeyError> {
        let cipher = Cipher::new(&state.master)?;
        Ok(Opener { master: state.master, cipher, rtcp_windows: state.rtcp_windows })
    }

    pub fn export(&self) -> OpenerState {
        OpenerState { master: self.master.clone(), rtcp_windows: self.rtcp_windows.clone() }
    }

    /// Whether RTCP was opened that is still remembered.
    pub fn has_heard(&self) -> bool {
        self.rtcp_windows.last().is_some_and(|(_, window)| window.seen != 0)
    }

    pub fn profile(&self) -> Profile {
        self.master.profile
    }

    /// Opens in place. `index` is what [`super::ReplayWindow::guess`] said of the packet's sequence number. Returns
    /// the length of the payload, which lies at `header_len`; on an error the packet's content is undefined.
    pub fn open_rtp(&self, index: u64, header_len: usize, packet: &mut [u8]) -> Result<usize, OpenError> {
        match &self.cipher {
            Cipher::Gcm(keys) => keys.open_rtp(index, header_len, packet),
            Cipher::Cm(keys) => keys.open_rtp(index, header_len, packet),
        }
    }

    /// Opens in place and returns the length of the compound packet, which lies at the start. A packet that
    /// is authenticated but not encrypted is refused (RFC 8827 section 6.5 has all media encrypted).
    pub fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, OpenError> {
        let (ssrc, word) = self.rtcp_index(packet)?;
        if word & RTCP_ENCRYPTED == 0 {
            return Err(OpenError::Unencrypted);
        }
        let index = word & !RTCP_ENCRYPTED;
        let known = self.rtcp_windows.iter().position(|(sender, _)| *sender == ssrc);
        let mut window = known.and_then(|at| self.rtcp_windows.get(at)).map(|(_, window)| *window).unwrap_or_default();
        if !window.check(index) {
            return Err(OpenError::Replayed);
        }
        let len = match &self.cipher {
            Cipher::Gcm(keys) => keys.open_rtcp(index, packet)?,
            Cipher::Cm(keys) => keys.open_rtcp(index, packet)?,
        };
        window.accept(index);
        self.keep_window(known, ssrc, window);
        Ok(len)
    }

    /// The sender's SSRC and the word with the E flag and the index.
    fn rtcp_index(&self, packet: &[u8]) -> Result<(Ssrc, u32), OpenError> {
        let clear = packet.first_chunk::<RTCP_CLEAR_BYTES>().ok_or(OpenError::Short)?;
        let [.., s0, s1, s2, s3] = *clear;
        let behind_word = match self.cipher {
            Cipher::Gcm(_) => 0,
            Cipher::Cm(_) => CM_TAG_BYTES,
        };
        let body = packet.get(RTCP_CLEAR_BYTES..packet.len().saturating_sub(behind_word)).ok_or(OpenError::Short)?;
        let word = body.last_chunk::<4>().ok_or(OpenError::Short)?;
        Ok((Ssrc(u32::from_be_bytes([s0, s1, s2, s3])), u32::from_be_bytes(*word)))
    }

    /// Only packets that were authenticated come here, so that only the client itself can fill the list. A
    /// client with more senders than fit loses the window least recently used.
    fn keep_window(&mut self, known: Option<usize>, ssrc: Ssrc, window: RtcpWindow) {
        match known {
            Some(at) => {
                self.rtcp_windows.remove(at);
            }
            None if self.rtcp_windows.len() >= RTCP_SENDERS_MAX => {
                self.rtcp_windows.remove(0);
            }
            None => {}
        }
        self.rtcp_windows.push((ssrc, window));
    }
}

impl RtcpWindow {
    fn check(&self, index: u32) -> bool {
        if self.seen == 0 || index > self.highest {
            return true;
        }
        let behind = self.highest - index;
        behind < u64::BITS && self.seen & (1 << behind) == 0
    }

    fn accept(&mut self, index: u32) {
        if self.seen == 0 {
            *self = RtcpWindow { highest: index, seen: 1 };
        } else if index > self.highest {
            self.seen = self.seen.checked_shl(index - self.highest).unwrap_or(0) | 1;
            self.highest = index;
        } else {
            self.seen |= 1u64.checked_shl(self.highest - index).unwrap_or(0);
        }
    }
}

/// Senders in one session whose SRTCP indices are tracked: more than a session ever has, with all that it
/// negotiates in its life.
const RTCP_SENDERS_MAX: usize = 1_024;
