//! Owns AEAD_AES_128_GCM and AEAD_AES_256_GCM for SRTP and SRTCP (RFC 7714). [`Keys::seal_rtp`] is the
//! innermost call of the forward path: it allocates nothing and copies only what it encrypts.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::derive::{Label, derive};
use super::error::{KeyError, OpenError};
use super::master::{GCM_TAG_BYTES as TAG_BYTES, MasterKey, RTCP_CLEAR_BYTES, RTCP_ENCRYPTED, RTCP_INDEX_BYTES};

pub(super) struct Keys {
    rtp: LessSafeKey,
    rtp_salt: [u8; NONCE_BYTES],
    rtcp: LessSafeKey,
    rtcp_salt: [u8; NONCE_BYTES],
}

impl Keys {
    pub(super) fn new(master: &MasterKey) -> Result<Keys, KeyError> {
        let mut rtp_salt = [0; NONCE_BYTES];
        derive(master, Label::RtpSalt, &mut rtp_salt)?;
        let mut rtcp_salt = [0; NONCE_BYTES];
        derive(master, Label::RtcpSalt, &mut rtcp_salt)?;
        Ok(Keys {
            rtp: session_key(master, Label::RtpEncryption)?,
            rtp_salt,
            rtcp: session_key(master, Label::RtcpEncryption)?,
            rtcp_salt,
        })
    }

    /// From session keys, as the vectors of RFC 7714 give them.
    #[cfg(test)]
    pub(super) fn from_session(key: &[u8], salt: [u8; NONCE_BYTES]) -> Keys {
        let cipher = || session_cipher(key).expect("a key of 16 or 32 bytes");
        Keys { rtp: cipher(), rtp_salt: salt, rtcp: cipher(), rtcp_salt: salt }
    }

    /// The header in the clear, the payload encrypted, the tag behind it.
    pub(super) fn seal_rtp(&self, index: u64, header: &[u8], payload: &[u8], out: &mut [u8]) -> Option<usize> {
        let nonce = self.rtp_nonce(index, header)?;
        let (sealed_header, rest) = out.split_at_mut_checked(header.len())?;
        sealed_header.copy_from_slice(header);
        let (ciphertext, rest) = rest.split_at_mut_checked(payload.len())?;
        let tag = rest.get_mut(..TAG_BYTES)?;
        self.rtp.seal_out_of_place_scatter(nonce, Aad::from(header), payload, ciphertext, &[], tag).ok()?;
        Some(header.len() + payload.len() + TAG_BYTES)
    }

    /// Like `seal_rtp`, for a payload whose first bytes lie elsewhere. It copies before it encrypts.
    pub(super) fn seal_rtp_parts(
        &self,
        index: u64,
        header: &[u8],
        head: &[u8],
        payload: &[u8],
        out: &mut [u8],
    ) -> Option<usize> {
        let nonce = self.rtp_nonce(index, header)?;
        let (sealed_header, rest) = out.split_at_mut_checked(header.len())?;
        sealed_header.copy_from_slice(header);
        let (body, rest) = rest.split_at_mut_checked(head.len() + payload.len())?;
        let (body_head, body_payload) = body.split_at_mut_checked(head.len())?;
        body_head.copy_from_slice(head);
        body_payload.copy_from_slice(payload);
        let tag = rest.get_mut(..TAG_BYTES)?;
        self.rtp.seal_in_place_scatter(nonce, Aad::from(header), body, &[], tag).ok()?;
        Some(header.len() + head.len() + payload.len() + TAG_BYTES)
    }

    /// Decrypts in place and returns the length of the payload.
    pub(super) fn open_rtp(&self, index: u64, header_len: usize, packet: &mut [u8]) -> Result<usize, OpenError> {
        let (header, body) = packet.split_at_mut_checked(header_len).ok_or(OpenError::Short)?;
        let payload_len = body.len().checked_sub(TAG_BYTES).ok_or(OpenError::Short)?;
        let nonce = self.rtp_nonce(index, header).ok_or(OpenError::Short)?;
        self.rtp.open_in_place(nonce, Aad::from(header), body).map_err(|_| OpenError::Forged)?;
        Ok(payload_len)
    }

    /// Clear bytes, ciphertext, tag, index word (RFC 7714 section 9.2). The index word is authenticated too.
    pub(super) fn seal_rtcp(&self, index: u32, packet: &[u8], out: &mut [u8]) -> Option<usize> {
        let (clear, body) = packet.split_first_chunk::<RTCP_CLEAR_BYTES>()?;
        let word = (RTCP_ENCRYPTED | index).to_be_bytes();
        let nonce = self.rtcp_nonce(index, clear);
        let aad = rtcp_aad(clear, word);
        let (sealed_clear, rest) = out.split_first_chunk_mut::<RTCP_CLEAR_BYTES>()?;
        *sealed_clear = *clear;
        let (ciphertext, rest) = rest.split_at_mut_checked(body.len())?;
        let (tag, rest) = rest.split_at_mut_checked(TAG_BYTES)?;
        *rest.first_chunk_mut::<RTCP_INDEX_BYTES>()? = word;
        self.rtcp.seal_out_of_place_scatter(nonce, Aad::from(aad), body, ciphertext, &[], tag).ok()?;
        Some(packet.len() + TAG_BYTES + RTCP_INDEX_BYTES)
    }

    /// `index` is what the caller read from the last word. Returns the length of the RTCP packet.
    pub(super) fn open_rtcp(&self, index: u32, packet: &mut [u8]) -> Result<usize, OpenError> {
        let (packet, word) = packet.split_last_chunk_mut::<RTCP_INDEX_BYTES>().ok_or(OpenError::Short)?;
        let (clear, body) = packet.split_first_chunk_mut::<RTCP_CLEAR_BYTES>().ok_or(OpenError::Short)?;
        let body_len = body.len().checked_sub(TAG_BYTES).ok_or(OpenError::Short)?;
        let nonce = self.rtcp_nonce(index, clear);
        let aad = rtcp_aad(clear, *word);
        self.rtcp.open_in_place(nonce, Aad::from(aad), body).map_err(|_| OpenError::Forged)?;
        Ok(RTCP_CLEAR_BYTES + body_len)
    }

    /// Two zero bytes, SSRC, ROC, SEQ, XORed with the salt (RFC 7714 section 8.1).
    fn rtp_nonce(&self, index: u64, header: &[u8]) -> Option<Nonce> {
        let [s0, s1, s2, s3] = *header.get(8..12)?.first_chunk()?;
        let [_, _, i0, i1, i2, i3, i4, i5] = index.to_be_bytes();
        Some(salted([0, 0, s0, s1, s2, s3, i0, i1, i2, i3, i4, i5], &self.rtp_salt))
    }

    /// Two zero bytes, SSRC, two zero bytes, the 31-bit index, XORed with the salt (RFC 7714 section 9.1).
    fn rtcp_nonce(&self, index: u32, clear: &[u8; RTCP_CLEAR_BYTES]) -> Nonce {
        let [_, _, _, _, s0, s1, s2, s3] = *clear;
        let [i0, i1, i2, i3] = (index & !RTCP_ENCRYPTED).to_be_bytes();
        salted([0, 0, s0, s1, s2, s3, 0, 0, i0, i1, i2, i3], &self.rtcp_salt)
    }
}

fn session_key(master: &MasterKey, label: Label) -> Result<LessSafeKey, KeyError> {
    let mut bytes = [0; 32];
    let key = bytes.get_mut(..master.key.len()).ok_or(KeyError::Length)?;
    derive(master, label, key)?;
    session_cipher(key)
}

fn session_cipher(key: &[u8]) -> Result<LessSafeKey, KeyError> {
    let algorithm = if key.len() == 32 { &AES_256_GCM } else { &AES_128_GCM };
    Ok(LessSafeKey::new(UnboundKey::new(algorithm, key).map_err(|_| KeyError::Refused)?))
}

fn salted(mut nonce: [u8; NONCE_BYTES], salt: &[u8; NONCE_BYTES]) -> Nonce {
    nonce.iter_mut().zip(salt).for_each(|(byte, salt)| *byte ^= salt);
    Nonce::assume_unique_for_key(nonce)
}

fn rtcp_aad(clear: &[u8; RTCP_CLEAR_BYTES], word: [u8; RTCP_INDEX_BYTES]) -> [u8; 12] {
    let [a, b, c, d, e, f, g, h] = *clear;
    let [i, j, k, l] = word;
    [a, b, c, d, e, f, g, h, i, j, k, l]
}

const NONCE_BYTES: usize = 12;
