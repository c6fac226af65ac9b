//! Chappe's addition: reads the close_notify of a peer after the engine of its association is gone.
//!
//! An association that only keyed SRTP has nothing more to say than goodbye, and its engine takes some 15 kB. What
//! this keeps is the key of one direction.

use crate::buffer::{Buf, TmpBuf};
use crate::crypto::{Aad, Cipher, Iv, Nonce, SupportedDtls13CipherSuite};
use crate::types::{ContentType, Sequence};

/// Knows an authentic close_notify from everything else that a peer, or somebody in its name, may send.
pub struct CloseNotifyReader(Keys);

impl std::fmt::Debug for CloseNotifyReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CloseNotifyReader").finish_non_exhaustive()
    }
}

pub(crate) enum Keys {
    Dtls12 {
        cipher: Box<dyn Cipher>,
        iv: Iv,
        explicit_nonce_len: usize,
        /// Bytes that protection adds to a fragment.
        overhead: usize,
    },
    Dtls13 {
        cipher: Box<dyn Cipher>,
        iv: [u8; 12],
        sn_key: Buf,
        suite: &'static dyn SupportedDtls13CipherSuite,
        epoch: u16,
        /// Around which a sequence number is completed.
        expected_seq: u64,
    },
}

impl CloseNotifyReader {
    pub(crate) fn new(keys: Keys) -> CloseNotifyReader {
        CloseNotifyReader(keys)
    }

    /// Whether a record of the datagram is a close_notify that the peer protected.
    pub fn is_close_notify(&mut self, datagram: &[u8]) -> bool {
        let mut rest = datagram;
        while let Some((record, header_len, behind)) = next_record(rest) {
            let found = match &mut self.0 {
                Keys::Dtls12 { .. } if record[0] == ALERT => self.read12(record),
                Keys::Dtls13 { .. } if is_unified(record[0]) => self.read13(record, header_len),
                _ => None,
            };
            // RFC 8446 section 6: the level says nothing; 0 is close_notify.
            if found.is_some_and(|[_, description]| description == 0) {
                return true;
            }
            rest = behind;
        }
        false
    }

    fn read12(&mut self, record: &[u8]) -> Option<[u8; 2]> {
        let Keys::Dtls12 { cipher, iv, explicit_nonce_len, overhead } = &mut self.0 else { return None };
        let (header, fragment) = record.split_first_chunk::<PLAIN_HEADER_LEN>()?;
        let epoch = u16::from_be_bytes([header[3], header[4]]);
        let plain_len = fragment.len().checked_sub(*overhead)?;
        if header[1..3] != VERSION_12 || epoch != 1 || plain_len != ALERT_LEN {
            return None;
        }
        let mut seq = [0; 8];
        seq[2..].copy_from_slice(&header[5..11]);
        let sequence = Sequence { epoch, sequence_number: u64::from_be_bytes(seq) };
        let (explicit, ciphertext) = fragment.split_at_checked(*explicit_nonce_len)?;
        let nonce = match explicit {
            [] => Nonce::xor(iv.as_12_bytes(), u64::from(epoch) << 48 | sequence.sequence_number),
            explicit => Nonce::new(*iv, explicit),
        };
        let aad = Aad::new_dtls12(ContentType::Alert, sequence, plain_len as u16);
        let mut buffer = [0; FRAGMENT_MAX];
        let buffer = buffer.get_mut(..ciphertext.len())?;
        buffer.copy_from_slice(ciphertext);
        let mut plain = TmpBuf::new(buffer);
        cipher.decrypt(&mut plain, aad, nonce).ok()?;
        plain.as_ref().first_chunk().copied()
    }

    fn read13(&mut self, record: &[u8], header_len: usize) -> Option<[u8; 2]> {
        let Keys::Dtls13 { cipher, iv, sn_key, suite, epoch, expected_seq } = &mut self.0 else { return None };
        if u16::from(record[0] & 0x03) != *epoch & 0x03 {
            return None;
        }
        let (header, ciphertext) = record.split_at_checked(header_len)?;
        let sample: &[u8; 16] = ciphertext.first_chunk()?;
        let mut buffer = [0; FRAGMENT_MAX];
        let buffer = buffer.get_mut(..ciphertext.len())?;
        buffer.copy_from_slice(ciphertext);
        let mut clear_header = [0; UNIFIED_HEADER_MAX];
        let clear_header = clear_header.get_mut(..header_len)?;
        clear_header.copy_from_slice(header);
        let seq_len = if header[0] & LONG_SEQ == 0 { 1 } else { 2 };
        let mask = suite.encrypt_sn(sn_key, sample);
        let mut partial = 0;
        for (byte, mask) in clear_header.get_mut(1..1 + seq_len)?.iter_mut().zip(mask) {
            *byte ^= mask;
            partial = partial << 8 | u64::from(*byte);
        }
        let seq = crate::dtls13::reconstruct_sequence(partial, *expected_seq, 8 * seq_len as u32);
        let mut plain = TmpBuf::new(buffer);
        cipher.decrypt(&mut plain, Aad::new_dtls13(clear_header), Nonce::xor(iv, seq)).ok()?;
        *expected_seq = (*expected_seq).max(seq.saturating_add(1));
        // The content, its type, and zeros behind them (RFC 8446 section 5.4).
        let end = plain.as_ref().iter().rposition(|byte| *byte != 0)?;
        let (content_type, content) = plain.as_ref().get(..=end)?.split_last()?;
        if *content_type != ALERT {
            return None;
        }
        <[u8; 2]>::try_from(content).ok()
    }
}

/// The first record, the length of its header, and what is behind it.
fn next_record(datagram: &[u8]) -> Option<(&[u8], usize, &[u8])> {
    let first = *datagram.first()?;
    let (header_len, fragment_len) = if is_unified(first) {
        // Connection ids are not negotiated.
        if first & CONNECTION_ID != 0 {
            return None;
        }
        let seq_end = if first & LONG_SEQ == 0 { 2 } else { 3 };
        match first & HAS_LENGTH {
            0 => (seq_end, datagram.len().checked_sub(seq_end)?),
            _ => {
                let len: &[u8; 2] = datagram.get(seq_end..)?.first_chunk()?;
                (seq_end + 2, usize::from(u16::from_be_bytes(*len)))
            }
        }
    } else {
        let len: &[u8; 2] = datagram.get(PLAIN_HEADER_LEN - 2..)?.first_chunk()?;
        (PLAIN_HEADER_LEN, usize::from(u16::from_be_bytes(*len)))
    };
    let (record, behind) = datagram.split_at_checked(header_len + fragment_len)?;
    Some((record, header_len, behind))
}

fn is_unified(first: u8) -> bool {
    first & 0xE0 == 0x20
}

const ALERT: u8 = 21;
const VERSION_12: [u8; 2] = [0xFE, 0xFD];
/// Level and description.
const ALERT_LEN: usize = 2;
const PLAIN_HEADER_LEN: usize = 13;
/// Flags, sequence number, length (RFC 9147 section 4).
const UNIFIED_HEADER_MAX: usize = 5;
const CONNECTION_ID: u8 = 0x10;
const LONG_SEQ: u8 = 0x08;
const HAS_LENGTH: u8 = 0x04;
/// An alert takes 2 bytes and its protection some 25; more is something else, or padded beyond reason.
const FRAGMENT_MAX: usize = 256;
