//! Owns AES_CM_128_HMAC_SHA1_80 for SRTP and SRTCP (RFC 3711): the fallback for clients without GCM. It
//! costs about five times as much as GCM, so it is chosen last.

use aws_lc_rs::cipher::{AES_128, EncryptingKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;

use super::derive::{IV_BYTES, Label, apply_counter_mode, counter_key, derive};
use super::error::{KeyError, OpenError};
use super::master::{CM_TAG_BYTES as TAG_BYTES, MasterKey, RTCP_CLEAR_BYTES, RTCP_ENCRYPTED, RTCP_INDEX_BYTES};

pub(super) struct Keys {
    rtp: Stream,
    rtcp: Stream,
}

/// Session keys of one of the two packet kinds.
struct Stream {
    cipher: EncryptingKey,
    salt: [u8; SALT_BYTES],
    authentication: hmac::Key,
}

impl Keys {
    pub(super) fn new(master: &MasterKey) -> Result<Keys, KeyError> {
        Ok(Keys {
            rtp: Stream::new(master, Label::RtpEncryption, Label::RtpSalt, Label::RtpAuthentication)?,
            rtcp: Stream::new(master, Label::RtcpEncryption, Label::RtcpSalt, Label::RtcpAuthentication)?,
        })
    }

    pub(super) fn seal_rtp_parts(
        &self,
        index: u64,
        header: &[u8],
        head: &[u8],
        payload: &[u8],
        out: &mut [u8],
    ) -> Option<usize> {
        let (sealed_header, rest) = out.split_at_mut_checked(header.len())?;
        sealed_header.copy_from_slice(header);
        let (body, rest) = rest.split_at_mut_checked(head.len() + payload.len())?;
        let (body_head, body_payload) = body.split_at_mut_checked(head.len())?;
        body_head.copy_from_slice(head);
        body_payload.copy_from_slice(payload);
        let tag = rest.first_chunk_mut::<TAG_BYTES>()?;
        self.rtp.apply(ssrc_at(header, RTP_SSRC_AT)?, index, body)?;
        *tag = self.rtp.tag(&[header, body, &rollover_counter(index)])?;
        Some(header.len() + body.len() + TAG_BYTES)
    }

    pub(super) fn open_rtp(&self, index: u64, header_len: usize, packet: &mut [u8]) -> Result<usize, OpenError> {
        let (packet, tag) = packet.split_last_chunk_mut::<TAG_BYTES>().ok_or(OpenError::Short)?;
        let (header, body) = packet.split_at_mut_checked(header_len).ok_or(OpenError::Short)?;
        self.rtp.verify(&[header, body, &rollover_counter(index)], tag)?;
        let ssrc = ssrc_at(header, RTP_SSRC_AT).ok_or(OpenError::Short)?;
        self.rtp.apply(ssrc, index, body).ok_or(OpenError::Forged)?;
        Ok(body.len())
    }

    /// Clear bytes, ciphertext, index word, tag over all of them (RFC 3711 section 3.4).
    pub(super) fn seal_rtcp(&self, index: u32, packet: &[u8], out: &mut [u8]) -> Option<usize> {
        let ssrc = ssrc_at(packet, RTCP_SSRC_AT)?;
        let (sealed, rest) = out.split_at_mut_checked(packet.len())?;
        sealed.copy_from_slice(packet);
        self.rtcp.apply(ssrc, u64::from(index), sealed.get_mut(RTCP_CLEAR_BYTES..)?)?;
        let (word, rest) = rest.split_first_chunk_mut::<RTCP_INDEX_BYTES>()?;
        *word = (RTCP_ENCRYPTED | index).to_be_bytes();
        *rest.first_chunk_mut::<TAG_BYTES>()? = self.rtcp.tag(&[sealed, word])?;
        Some(packet.len() + RTCP_INDEX_BYTES + TAG_BYTES)
    }

    pub(super) fn open_rtcp(&self, index: u32, packet: &mut [u8]) -> Result<usize, OpenError> {
        let (authenticated, tag) = packet.split_last_chunk_mut::<TAG_BYTES>().ok_or(OpenError::Short)?;
        self.rtcp.verify(&[authenticated], tag)?;
        let (packet, _) = authenticated.split_last_chunk_mut::<RTCP_INDEX_BYTES>().ok_or(OpenError::Short)?;
        let ssrc = ssrc_at(packet, RTCP_SSRC_AT).ok_or(OpenError::Short)?;
        let body = packet.get_mut(RTCP_CLEAR_BYTES..).ok_or(OpenError::Short)?;
        self.rtcp.apply(ssrc, u64::from(index), body).ok_or(OpenError::Forged)?;
        Ok(packet.len())
    }
}

impl Stream {
    fn new(master: &MasterKey, encryption: Label, salt: Label, authentication: Label) -> Result<Stream, KeyError> {
        let mut key = [0; 16];
        derive(master, encryption, &mut key)?;
        let mut session_salt = [0; SALT_BYTES];
        derive(master, salt, &mut session_salt)?;
        let mut authentication_key = [0; 20];
        derive(master, authentication, &mut authentication_key)?;
        Ok(Stream {
            cipher: counter_key(&AES_128, &key).ok_or(KeyError::Refused)?,
            salt: session_salt,
            authentication: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &authentication_key),
        })
    }

    /// IV = salt × 2^16 ⊕ SSRC × 2^64 ⊕ index × 2^16 (RFC 3711 section 4.1.1).
    fn apply(&self, ssrc: [u8; 4], index: u64, body: &mut [u8]) -> Option<()> {
        let [s0, s1, s2, s3] = ssrc;
        let [_, _, i0, i1, i2, i3, i4, i5] = index.to_be_bytes();
        let mut iv: [u8; IV_BYTES] = [0, 0, 0, 0, s0, s1, s2, s3, i0, i1, i2, i3, i4, i5, 0, 0];
        iv.iter_mut().zip(&self.salt).for_each(|(byte, salt)| *byte ^= salt);
        apply_counter_mode(&self.cipher, iv, body)
    }

    fn tag(&self, parts: &[&[u8]]) -> Option<[u8; TAG_BYTES]> {
        let mut context = hmac::Context::with_key(&self.authentication);
        parts.iter().for_each(|part| context.update(part));
        context.sign().as_ref().first_chunk::<TAG_BYTES>().copied()
    }

    fn verify(&self, parts: &[&[u8]], tag: &[u8; TAG_BYTES]) -> Result<(), OpenError> {
        let expected = self.tag(parts).ok_or(OpenError::Forged)?;
        verify_slices_are_equal(&expected, tag).map_err(|_| OpenError::Forged)
    }
}

fn ssrc_at(packet: &[u8], at: usize) -> Option<[u8; 4]> {
    packet.get(at..)?.first_chunk().copied()
}

/// The ROC is authenticated with the packet but not sent (RFC 3711 section 4.2).
fn rollover_counter(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

const SALT_BYTES: usize = 14;
const RTP_SSRC_AT: usize = 8;
const RTCP_SSRC_AT: usize = 4;
