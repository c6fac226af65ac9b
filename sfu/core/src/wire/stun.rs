//! Owns the STUN of ICE: reading and writing binding requests, answers and errors (RFC 8489, RFC 8445).
//! Never remembers a transaction and never decides what an answer should be.
//!
//! Written here rather than taken from a library because none of them fits: the `is` crate refuses a
//! check without PRIORITY (FFmpeg 8 sends such) and hides unknown attributes; `rtc-stun` hands out what
//! follows MESSAGE-INTEGRITY, copies each attribute, and wants a crypto provider object. In the tests
//! `rtc-stun` reads what we write, and the other way round.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use arrayvec::ArrayVec;
use aws_lc_rs::hmac;

mod crc;
mod writer;

pub use writer::StunWriter;

#[cfg(test)]
mod tests;

/// Pairs an answer with its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TransactionId(pub [u8; 12]);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Request,
    Indication,
    Success,
    Error,
}

/// ICE-CONTROLLING or ICE-CONTROLLED with its tie-breaker (RFC 8445 section 7.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IceRole {
    Controlling(u64),
    Controlled(u64),
}

/// One binding message, borrowed from the datagram. Nothing in it is to be believed before
/// [`Message::is_authentic`].
#[derive(Debug, Clone)]
pub struct Message<'a> {
    pub class: Class,
    pub transaction: TransactionId,
    /// USERNAME, split at the colon: of a request the receiver's ufrag, then the sender's.
    pub username: Option<(&'a str, &'a str)>,
    pub priority: Option<u32>,
    pub use_candidate: bool,
    pub role: Option<IceRole>,
    pub mapped_address: Option<SocketAddr>,
    pub error_code: Option<u16>,
    /// Comprehension-required attributes that we do not know, the first few of them.
    pub unknown: ArrayVec<u16, UNKNOWN_ATTRIBUTES_MAX>,
    integrity: Option<Integrity<'a>>,
}

#[derive(Debug, Clone, Copy)]
struct Integrity<'a> {
    /// The message up to the MESSAGE-INTEGRITY attribute.
    covered: &'a [u8],
    tag: &'a [u8],
}

/// The bytes are no STUN binding message. Says where reading stopped, for tests and traces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedMessage {
    #[error("header, length or magic cookie of a STUN message is wrong")]
    Header,
    #[error("a STUN method other than binding")]
    Method,
    #[error("a STUN attribute is longer than the message or has a wrong size")]
    Attribute,
    #[error("FINGERPRINT does not match the message")]
    Fingerprint,
}

/// The ufrags of a request (ours, the peer's) without looking at the rest: to find the session.
pub fn username(message: &[u8]) -> Option<(&str, &str)> {
    let attributes = Attributes::of(message)?;
    for attribute in attributes {
        let attribute = attribute.ok()?;
        match attribute.kind {
            USERNAME => return split_username(attribute.value),
            // What follows is not covered by the integrity check and must not choose a session.
            MESSAGE_INTEGRITY => return None,
            _ => {}
        }
    }
    None
}

impl<'a> Message<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Message<'a>, MalformedMessage> {
        let attributes = Attributes::of(bytes).ok_or(MalformedMessage::Header)?;
        let (class, transaction) = read_header(bytes)?;
        let mut message = Message {
            class,
            transaction,
            username: None,
            priority: None,
            use_candidate: false,
            role: None,
            mapped_address: None,
            error_code: None,
            unknown: ArrayVec::new(),
            integrity: None,
        };
        for attribute in attributes {
            message.take(bytes, attribute?)?;
        }
        Ok(message)
    }

    /// Whether MESSAGE-INTEGRITY is there and was made with `password` (RFC 8489 section 14.5, short-term).
    pub fn is_authentic(&self, password: &str) -> bool {
        let Some(Integrity { covered, tag }) = self.integrity else { return false };
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
        let actual = integrity_of(&key, covered);
        aws_lc_rs::constant_time::verify_slices_are_equal(actual.as_ref(), tag).is_ok()
    }

    pub fn has_integrity(&self) -> bool {
        self.integrity.is_some()
    }

    fn take(&mut self, bytes: &'a [u8], attribute: Attribute<'a>) -> Result<(), MalformedMessage> {
        let value = attribute.value;
        if attribute.kind == FINGERPRINT {
            return check_fingerprint(bytes, attribute);
        }
        // RFC 8489 section 14.5: all but FINGERPRINT (and the SHA-256 integrity) that follows
        // MESSAGE-INTEGRITY is ignored. Anybody on the way could have added it.
        if self.integrity.is_some() {
            return Ok(());
        }
        match attribute.kind {
            MESSAGE_INTEGRITY => {
                if value.len() != INTEGRITY_BYTES {
                    return Err(MalformedMessage::Attribute);
                }
                let covered = bytes.get(..attribute.offset).ok_or(MalformedMessage::Attribute)?;
                self.integrity = Some(Integrity { covered, tag: value });
            }
            USERNAME => self.username = split_username(value),
            PRIORITY => self.priority = Some(u32::from_be_bytes(sized(value)?)),
            USE_CANDIDATE => self.use_candidate = true,
            ICE_CONTROLLING => self.role = Some(IceRole::Controlling(u64::from_be_bytes(sized(value)?))),
            ICE_CONTROLLED => self.role = Some(IceRole::Controlled(u64::from_be_bytes(sized(value)?))),
            XOR_MAPPED_ADDRESS => self.mapped_address = Some(read_xor_address(value, self.transaction)?),
            ERROR_CODE => self.error_code = Some(read_error_code(value)?),
            // RFC 8489 section 14: the lower half of the numbers must be understood or refused. Those of
            // long-term credentials and NAT discovery are known, if of no use here.
            kind if kind < COMPREHENSION_OPTIONAL && !KNOWN_UNUSED.contains(&kind) => {
                let _ = self.unknown.try_push(kind);
            }
            _ => {}
        }
        Ok(())
    }
}

struct Attribute<'a> {
    kind: u16,
    value: &'a [u8],
    /// Where its header starts in the message.
    offset: usize,
}

/// Walks the attributes of a message whose header length matches its bytes.
struct Attributes<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Attributes<'a> {
    fn of(bytes: &'a [u8]) -> Option<Attributes<'a>> {
        let length = u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?);
        let plausible = bytes.len() == HEADER_BYTES + usize::from(length)
            && bytes.len() <= MESSAGE_BYTES_MAX
            && length.is_multiple_of(4)
            && bytes.get(4..8)? == MAGIC_COOKIE.to_be_bytes();
        plausible.then_some(Attributes { bytes, offset: HEADER_BYTES })
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, MalformedMessage>;

    fn next(&mut self) -> Option<Self::Item> {
        let offset = self.offset;
        let rest = self.bytes.get(offset..)?;
        let &[k0, k1, l0, l1, ref body @ ..] = rest else {
            // All lengths are multiples of four, so the rest is empty or at least a header.
            return None;
        };
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let Some(value) = body.get(..length) else {
            self.offset = self.bytes.len();
            return Some(Err(MalformedMessage::Attribute));
        };
        self.offset = offset + ATTRIBUTE_HEADER_BYTES + length.next_multiple_of(4);
        Some(Ok(Attribute { kind: u16::from_be_bytes([k0, k1]), value, offset }))
    }
}

fn read_header(bytes: &[u8]) -> Result<(Class, TransactionId), MalformedMessage> {
    let kind = bytes.first_chunk().map(|kind| u16::from_be_bytes(*kind)).ok_or(MalformedMessage::Header)?;
    let transaction = bytes.get(8..).and_then(|rest| rest.first_chunk()).ok_or(MalformedMessage::Header)?;
    let class = match kind {
        0x0001 => Class::Request,
        0x0011 => Class::Indication,
        0x0101 => Class::Success,
        0x0111 => Class::Error,
        _ => return Err(MalformedMessage::Method),
    };
    Ok((class, TransactionId(*transaction)))
}

fn split_username(value: &[u8]) -> Option<(&str, &str)> {
    if value.len() > USERNAME_BYTES_MAX {
        return None;
    }
    std::str::from_utf8(value).ok()?.split_once(':')
}

fn sized<const N: usize>(value: &[u8]) -> Result<[u8; N], MalformedMessage> {
    value.try_into().map_err(|_| MalformedMessage::Attribute)
}

/// FINGERPRINT is the last attribute and covers all before it, with the full length in the header
/// (RFC 8489 section 14.7).
fn check_fingerprint(bytes: &[u8], attribute: Attribute<'_>) -> Result<(), MalformedMessage> {
    let claimed = u32::from_be_bytes(sized(attribute.value)?);
    let covered = bytes.get(..attribute.offset).ok_or(MalformedMessage::Attribute)?;
    let is_last = attribute.offset + ATTRIBUTE_HEADER_BYTES + 4 == bytes.len();
    if is_last && crc::fingerprint(covered) == claimed { Ok(()) } else { Err(MalformedMessage::Fingerprint) }
}

/// HMAC-SHA1 over the message before MESSAGE-INTEGRITY, with a header length as if it ended right after it.
fn integrity_of(key: &hmac::Key, covered: &[u8]) -> hmac::Tag {
    let length = (covered.len() + ATTRIBUTE_HEADER_BYTES + INTEGRITY_BYTES).saturating_sub(HEADER_BYTES);
    let mut context = hmac::Context::with_key(key);
    context.update(covered.get(..2).unwrap_or_default());
    context.update(&u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
    context.update(covered.get(4..).unwrap_or_default());
    context.sign()
}

fn read_error_code(value: &[u8]) -> Result<u16, MalformedMessage> {
    match *value {
        [_, _, class @ 3..=6, number @ 0..=99, ..] => Ok(u16::from(class) * 100 + u16::from(number)),
        _ => Err(MalformedMessage::Attribute),
    }
}

fn read_xor_address(value: &[u8], transaction: TransactionId) -> Result<SocketAddr, MalformedMessage> {
    let &[_, family, p0, p1, ref address @ ..] = value else { return Err(MalformedMessage::Attribute) };
    let mask = address_mask(transaction);
    let ip = match family {
        FAMILY_IPV4 => IpAddr::from(Ipv4Addr::from_bits(u32::from_be_bytes(sized(address)?) ^ MAGIC_COOKIE)),
        FAMILY_IPV6 => IpAddr::from(Ipv6Addr::from_bits(u128::from_be_bytes(sized(address)?) ^ mask)),
        _ => return Err(MalformedMessage::Attribute),
    };
    Ok(SocketAddr::new(ip, u16::from_be_bytes([p0, p1]) ^ PORT_MASK))
}

/// The magic cookie followed by the transaction id (RFC 8489 section 14.2).
fn address_mask(transaction: TransactionId) -> u128 {
    let low = transaction.0.iter().fold(0u128, |bits, byte| (bits << 8) | u128::from(*byte));
    (u128::from(MAGIC_COOKIE) << 96) | low
}

/// Unknown attributes named in a 420 at most.
pub const UNKNOWN_ATTRIBUTES_MAX: usize = 8;

/// A check of a browser has about 120 bytes; RFC 8489 section 6.1 wants messages below the MTU.
const MESSAGE_BYTES_MAX: usize = 1_500;
/// RFC 8489 section 14.3: less than 513 bytes.
const USERNAME_BYTES_MAX: usize = 512;

const MAGIC_COOKIE: u32 = 0x2112_A442;
const PORT_MASK: u16 = (MAGIC_COOKIE >> 16) as u16;
const HEADER_BYTES: usize = 20;
const ATTRIBUTE_HEADER_BYTES: usize = 4;
const INTEGRITY_BYTES: usize = 20;
const FAMILY_IPV4: u8 = 1;
const FAMILY_IPV6: u8 = 2;

const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000A;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
const COMPREHENSION_OPTIONAL: u16 = 0x8000;
const FINGERPRINT: u16 = 0x8028;
const ICE_CONTROLLED: u16 = 0x8029;
const ICE_CONTROLLING: u16 = 0x802A;
/// MAPPED-ADDRESS, REALM, NONCE, MESSAGE-INTEGRITY-SHA256, and the attributes above that only answers carry.
const KNOWN_UNUSED: [u16; 5] = [0x0001, 0x0014, 0x0015, 0x001C, UNKNOWN_ATTRIBUTES];
