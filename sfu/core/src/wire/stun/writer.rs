//! Owns the writing of STUN binding messages into a caller's buffer. Never decides what goes in.

use std::net::{IpAddr, SocketAddr};

use aws_lc_rs::hmac;

use super::{
    ATTRIBUTE_HEADER_BYTES, Class, ERROR_CODE, FAMILY_IPV4, FAMILY_IPV6, FINGERPRINT, HEADER_BYTES, ICE_CONTROLLED,
    ICE_CONTROLLING, INTEGRITY_BYTES, IceRole, MAGIC_COOKIE, MESSAGE_INTEGRITY, PORT_MASK, PRIORITY, TransactionId,
    UNKNOWN_ATTRIBUTES, USE_CANDIDATE, USERNAME, XOR_MAPPED_ADDRESS, address_mask, crc, integrity_of,
};

/// Appends one message to a buffer that must be empty. All values are ours, so all of it fits.
pub struct StunWriter<'a> {
    buffer: &'a mut Vec<u8>,
    transaction: TransactionId,
}

impl<'a> StunWriter<'a> {
    pub fn new(buffer: &'a mut Vec<u8>, class: Class, transaction: TransactionId) -> StunWriter<'a> {
        let kind: u16 = match class {
            Class::Request => 0x0001,
            Class::Indication => 0x0011,
            Class::Success => 0x0101,
            Class::Error => 0x0111,
        };
        buffer.clear();
        buffer.extend_from_slice(&kind.to_be_bytes());
        buffer.extend_from_slice(&[0, 0]);
        buffer.extend_from_slice(&MAGIC_COOKIE.to_be_bytes());
        buffer.extend_from_slice(&transaction.0);
        StunWriter { buffer, transaction }
    }

    pub fn xor_mapped_address(self, address: SocketAddr) -> Self {
        let port = (address.port() ^ PORT_MASK).to_be_bytes();
        match address.ip() {
            IpAddr::V4(ip) => {
                let [a, b, c, d] = (ip.to_bits() ^ MAGIC_COOKIE).to_be_bytes();
                self.attribute(XOR_MAPPED_ADDRESS, &[0, FAMILY_IPV4, port[0], port[1], a, b, c, d])
            }
            IpAddr::V6(ip) => {
                let mut value = [0; 20];
                value[..4].copy_from_slice(&[0, FAMILY_IPV6, port[0], port[1]]);
                value[4..].copy_from_slice(&(ip.to_bits() ^ address_mask(self.transaction)).to_be_bytes());
                self.attribute(XOR_MAPPED_ADDRESS, &value)
            }
        }
    }

    /// ERROR-CODE with the usual phrase.
    pub fn error(self, code: u16) -> Self {
        let phrase: &[u8] = match code {
            400 => b"Bad Request",
            401 => b"Unauthenticated",
            420 => b"Unknown Attribute",
            487 => b"Role Conflict",
            _ => b"Server Error",
        };
        let mut value = Vec::with_capacity(4 + phrase.len());
        value.extend_from_slice(&[0, 0, (code / 100) as u8, (code % 100) as u8]);
        value.extend_from_slice(phrase);
        self.attribute(ERROR_CODE, &value)
    }

    pub fn unknown_attributes(self, unknown: &[u16]) -> Self {
        let value: Vec<u8> = unknown.iter().flat_map(|kind| kind.to_be_bytes()).collect();
        self.attribute(UNKNOWN_ATTRIBUTES, &value)
    }

    pub fn username(self, username: &str) -> Self {
        self.attribute(USERNAME, username.as_bytes())
    }

    pub fn priority(self, priority: u32) -> Self {
        self.attribute(PRIORITY, &priority.to_be_bytes())
    }

    pub fn use_candidate(self) -> Self {
        self.attribute(USE_CANDIDATE, &[])
    }

    pub fn role(self, role: IceRole) -> Self {
        match role {
            IceRole::Controlling(tie_breaker) => self.attribute(ICE_CONTROLLING, &tie_breaker.to_be_bytes()),
            IceRole::Controlled(tie_breaker) => self.attribute(ICE_CONTROLLED, &tie_breaker.to_be_bytes()),
        }
    }

    /// MESSAGE-INTEGRITY: covers all attributes so far.
    pub fn integrity(self, password: &str) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
        let tag = integrity_of(&key, self.buffer);
        let tag: [u8; INTEGRITY_BYTES] = tag.as_ref().try_into().expect("an HMAC-SHA1 tag has 20 bytes");
        self.attribute(MESSAGE_INTEGRITY, &tag)
    }

    /// FINGERPRINT, and the end of the message.
    pub fn finish(mut self) {
        self.write_length(ATTRIBUTE_HEADER_BYTES + 4);
        let fingerprint = crc::fingerprint(self.buffer);
        self = self.attribute(FINGERPRINT, &fingerprint.to_be_bytes());
        self.write_length(0);
    }

    pub(crate) fn attribute(self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(value.len()).expect("an attribute of ours is short");
        self.buffer.extend_from_slice(&kind.to_be_bytes());
        self.buffer.extend_from_slice(&length.to_be_bytes());
        self.buffer.extend_from_slice(value);
        self.buffer.resize(self.buffer.len().next_multiple_of(4), 0);
        self
    }

    fn write_length(&mut self, more: usize) {
        let length = u16::try_from(self.buffer.len() + more - HEADER_BYTES).expect("a message of ours is short");
        self.buffer[2..4].copy_from_slice(&length.to_be_bytes());
    }
}
