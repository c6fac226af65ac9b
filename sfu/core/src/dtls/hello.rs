//! Owns the wait for a whole ClientHello and the choice of the DTLS version from it. Never answers one.
//!
//! A server of `dimpl` takes the SRTP profile in 1.3 from the head of the client's list, and in 1.2 by an
//! order of its own: GCM-256, GCM-128, SHA1_80. Chromium heads its list with SHA1_80, whose HMAC costs five
//! times as much per packet as GCM. So we hold the engine back until the ClientHello is complete (with a
//! post-quantum key share it spans two datagrams) and pick the version that leads to GCM.

#[cfg(test)]
mod tests;

use crate::srtp::Profile;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    Dtls12,
    Dtls13,
}

/// The fragments of one ClientHello, and the datagrams they came in, for the engine to read again.
#[derive(Debug, Default)]
pub struct HelloAssembly {
    body: Vec<u8>,
    /// One per byte of `body`: has it arrived?
    arrived: Vec<bool>,
    datagrams: Vec<Vec<u8>>,
}

impl HelloAssembly {
    /// Takes a datagram; the version once the ClientHello is whole. Anything else is passed over.
    pub fn add(&mut self, datagram: &[u8]) -> Option<Version> {
        let mut news = false;
        let mut rest = datagram;
        while let Some((fragment, after)) = next_record(rest) {
            news |= fragment.and_then(Fragment::parse).is_some_and(|fragment| self.insert(&fragment));
            rest = after;
        }
        // A repeat brings nothing, and a peer cannot make us hold more than its ClientHello.
        if news && self.datagrams.len() < DATAGRAMS_MAX && datagram.len() <= DATAGRAM_BYTES_MAX {
            self.datagrams.push(datagram.to_vec());
        } else if news {
            *self = HelloAssembly::default();
        }
        if self.body.is_empty() || !self.arrived.iter().all(|arrived| *arrived) {
            return None;
        }
        match ClientHello::parse(&self.body) {
            Some(hello) => Some(hello.decide_version()),
            None => {
                *self = HelloAssembly::default();
                None
            }
        }
    }

    pub fn take_datagrams(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.datagrams)
    }

    /// Whether the fragment brought a byte that was missing.
    fn insert(&mut self, fragment: &Fragment<'_>) -> bool {
        if self.body.is_empty() {
            self.body = vec![0; fragment.total];
            self.arrived = vec![false; fragment.total];
        }
        let range = fragment.offset..fragment.offset.saturating_add(fragment.bytes.len());
        if fragment.total != self.body.len() {
            return false;
        }
        let (Some(body), Some(arrived)) = (self.body.get_mut(range.clone()), self.arrived.get_mut(range)) else {
            return false;
        };
        let news = arrived.iter().any(|arrived| !arrived);
        body.copy_from_slice(fragment.bytes);
        arrived.fill(true);
        news
    }
}

/// Splits the first DTLS record off (RFC 6347 section 4.1): its content if it is a handshake in the clear.
fn next_record(bytes: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let (header, rest) = bytes.split_first_chunk::<RECORD_HEADER_BYTES>()?;
    let &[kind, _, _, epoch0, epoch1, _, _, _, _, _, _, length0, length1] = header;
    let (content, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([length0, length1])))?;
    let is_clear_handshake = kind == CONTENT_HANDSHAKE && [epoch0, epoch1] == [0, 0];
    Some((is_clear_handshake.then_some(content), rest))
}

/// A piece of a ClientHello (RFC 6347 section 4.2.2).
struct Fragment<'a> {
    total: usize,
    offset: usize,
    bytes: &'a [u8],
}

impl<'a> Fragment<'a> {
    fn parse(content: &'a [u8]) -> Option<Fragment<'a>> {
        let (header, rest) = content.split_first_chunk::<HANDSHAKE_HEADER_BYTES>()?;
        let &[kind, t0, t1, t2, _, _, o0, o1, o2, l0, l1, l2] = header;
        let [total, offset, length] =
            [[0, t0, t1, t2], [0, o0, o1, o2], [0, l0, l1, l2]].map(|bytes| u32::from_be_bytes(bytes) as usize);
        let bytes = rest.get(..length)?;
        let fits = kind == HANDSHAKE_CLIENT_HELLO && (1..=HELLO_BYTES_MAX).contains(&total);
        fits.then_some(Fragment { total, offset, bytes })
    }
}

/// What the choice of the version needs of a ClientHello.
#[derive(Debug, Default)]
struct ClientHello {
    offers_13: bool,
    /// With the extended master secret and an ECDSA suite, which our engine insists on in 1.2.
    offers_12: bool,
    first_profile: Option<Profile>,
}

impl ClientHello {
    fn parse(body: &[u8]) -> Option<ClientHello> {
        let mut reader = Reader(body);
        reader.take(2 + RANDOM_BYTES)?;
        let _session_id = reader.vector_u8()?;
        let _cookie = reader.vector_u8()?;
        let suites = reader.vector_u16()?;
        let _compression = reader.vector_u8()?;
        let mut extensions = Reader(reader.vector_u16()?);

        let mut hello = ClientHello::default();
        let mut extended_master_secret = false;
        let mut versions: Option<&[u8]> = None;
        while !extensions.0.is_empty() {
            let kind = extensions.u16()?;
            let mut content = Reader(extensions.vector_u16()?);
            match kind {
                EXTENSION_USE_SRTP => {
                    hello.first_profile = numbers(content.vector_u16()?)
                        .find_map(|id| PROFILES.into_iter().find(|profile| profile.id() == id));
                }
                EXTENSION_EXTENDED_MASTER_SECRET => extended_master_secret = true,
                EXTENSION_SUPPORTED_VERSIONS => versions = Some(content.vector_u8()?),
                _ => {}
            }
        }
        let offers = |version| versions.is_some_and(|list| numbers(list).any(|offer| offer == version));
        hello.offers_13 = offers(VERSION_13);
        hello.offers_12 = (versions.is_none() || offers(VERSION_12))
            && extended_master_secret
            && numbers(suites).any(|suite| SUITES_12.contains(&suite));
        Some(hello)
    }

    /// 1.3 unless it would lead to SHA1_80 where 1.2 leads to GCM.
    fn decide_version(&self) -> Version {
        let leads_to_gcm_in_13 = self.first_profile != Some(Profile::Aes128CmSha1_80);
        match (self.offers_13, self.offers_12) {
            (true, true) if leads_to_gcm_in_13 => Version::Dtls13,
            (true, false) => Version::Dtls13,
            _ => Version::Dtls12,
        }
    }
}

/// Reads the length-prefixed vectors of TLS (RFC 8446 section 3.4).
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2).and_then(|bytes| numbers(bytes).next())
    }

    fn vector_u8(&mut self) -> Option<&'a [u8]> {
        let length = *self.take(1)?.first()?;
        self.take(usize::from(length))
    }

    fn vector_u16(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }
}

fn numbers(bytes: &[u8]) -> impl Iterator<Item = u16> + '_ {
    bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
}

/// Chromium's has 1.4 kB with a post-quantum key share; a larger one is no browser's.
const HELLO_BYTES_MAX: usize = 4_096;
const DATAGRAMS_MAX: usize = 8;
const DATAGRAM_BYTES_MAX: usize = 1_500;

const RECORD_HEADER_BYTES: usize = 13;
const HANDSHAKE_HEADER_BYTES: usize = 12;
const RANDOM_BYTES: usize = 32;
const CONTENT_HANDSHAKE: u8 = 22;
const HANDSHAKE_CLIENT_HELLO: u8 = 1;
const VERSION_12: u16 = 0xFEFD;
const VERSION_13: u16 = 0xFEFC;
const EXTENSION_USE_SRTP: u16 = 14;
const EXTENSION_EXTENDED_MASTER_SECRET: u16 = 23;
const EXTENSION_SUPPORTED_VERSIONS: u16 = 43;
/// ECDHE-ECDSA with AES-128-GCM, AES-256-GCM, ChaCha20-Poly1305: those of the engine.
const SUITES_12: [u16; 3] = [0xC02B, 0xC02C, 0xCCA9];
const PROFILES: [Profile; 3] = [Profile::AeadAes128Gcm, Profile::AeadAes256Gcm, Profile::Aes128CmSha1_80];
