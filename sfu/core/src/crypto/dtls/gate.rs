//! Owns which records of a datagram may reach the engine: what nobody vouches for must not end a handshake. Never
//! decrypts, and never judges a record that is protected.
//!
//! Dropped are alerts in plaintext (RFC 6347 section 4.1.2.7 allows it: anyone can write one), handshake messages that
//! the other side never sends, or never in plaintext, and a ServerHello that no server could mean for us.

use std::borrow::Cow;

use super::role::DtlsRole;

/// What is left of a datagram. Empty when nothing is.
pub(super) fn admit(role: DtlsRole, datagram: &[u8]) -> Cow<'_, [u8]> {
    let mut kept = Vec::new();
    let (mut rest, mut at, mut all) = (datagram, 0, true);
    while let Some(record) = Record::first_of(rest) {
        let whole = &rest[..record.len];
        match (record.is_admitted(role), all) {
            (true, true) => {}
            (true, false) => kept.extend_from_slice(whole),
            (false, true) => {
                kept.extend_from_slice(&datagram[..at]);
                all = false;
            }
            (false, false) => {}
        }
        at += record.len;
        rest = &rest[record.len..];
    }
    // What is behind the last whole record is noise, and would cost the others.
    match all {
        true => Cow::Borrowed(&datagram[..at]),
        false => Cow::Owned(kept),
    }
}

/// A ClientHello by its random, which tells a handshake from all others (RFC 5246 section 7.4.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientHello([u8; 32]);

impl ClientHello {
    /// The one whose first part a datagram begins with.
    pub fn begun_by(datagram: &[u8]) -> Option<ClientHello> {
        let plain = Record::first_of(datagram)?.plain.filter(|plain| plain.content_type == HANDSHAKE)?;
        let message = messages(plain.fragment).next()?;
        let (_version, rest) = message.body.split_first_chunk::<2>()?;
        let is_begun = message.kind == CLIENT_HELLO && message.offset == 0;
        rest.first_chunk().filter(|_| is_begun).map(|random| ClientHello(*random))
    }
}

/// Whether a datagram begins with a record that anyone may have written.
pub(crate) fn is_plaintext(datagram: &[u8]) -> bool {
    Record::first_of(datagram).is_some_and(|record| record.plain.is_some())
}

/// A record as it lies in a datagram.
struct Record<'a> {
    /// With its header.
    len: usize,
    /// None: it is protected.
    plain: Option<Plain<'a>>,
}

struct Plain<'a> {
    content_type: u8,
    fragment: &'a [u8],
}

impl Record<'_> {
    fn first_of(datagram: &[u8]) -> Option<Record<'_>> {
        let first = *datagram.first()?;
        // A record of 1.3 may leave out its length. The engine finds its end; what follows it is protected, too.
        if (UNIFIED_FIRST..=UNIFIED_LAST).contains(&first) {
            return Some(Record { len: datagram.len(), plain: None });
        }
        let (header, rest) = datagram.split_first_chunk::<HEADER_BYTES>()?;
        let [content_type, _, _, epoch_high, epoch_low, .., len_high, len_low] = *header;
        let fragment = rest.get(..usize::from(u16::from_be_bytes([len_high, len_low])))?;
        let is_plain = (epoch_high, epoch_low) == (0, 0);
        Some(Record { len: HEADER_BYTES + fragment.len(), plain: is_plain.then_some(Plain { content_type, fragment }) })
    }

    fn is_admitted(&self, role: DtlsRole) -> bool {
        let Some(plain) = &self.plain else { return true };
        match plain.content_type {
            CHANGE_CIPHER_SPEC | ACK => true,
            HANDSHAKE => messages(plain.fragment).all(|message| message.is_admitted(role)),
            _ => false,
        }
    }
}

/// A handshake message, or a part of one.
struct Message<'a> {
    kind: u8,
    len: usize,
    offset: usize,
    body: &'a [u8],
}

fn messages(mut fragment: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let (header, rest) = fragment.split_first_chunk::<MESSAGE_HEADER_BYTES>()?;
        let [kind, l0, l1, l2, _, _, o0, o1, o2, f0, f1, f2] = *header;
        let number = |bytes: [u8; 3]| usize::from(bytes[0]) << 16 | usize::from(bytes[1]) << 8 | usize::from(bytes[2]);
        let (body, behind) = rest.split_at_checked(number([f0, f1, f2]))?;
        fragment = behind;
        Some(Message { kind, len: number([l0, l1, l2]), offset: number([o0, o1, o2]), body })
    })
}

impl Message<'_> {
    fn is_admitted(&self, role: DtlsRole) -> bool {
        match (role, self.kind) {
            (DtlsRole::Server, kind) => OF_CLIENTS.contains(&kind),
            (DtlsRole::Client, SERVER_HELLO) => {
                // Of a part nothing can be said.
                self.offset != 0 || self.body.len() != self.len || is_server_hello(self.body)
            }
            (DtlsRole::Client, kind) => OF_SERVERS.contains(&kind),
        }
    }
}

/// Whether a server that speaks DTLS-SRTP could have written it: it names the version and has the extension that each
/// of the two versions answers us with.
fn is_server_hello(body: &[u8]) -> bool {
    let extensions = || {
        let (head, rest) = body.split_first_chunk::<35>()?;
        let (version, session) = ([head[0], head[1]], usize::from(head[34]));
        // Behind the session id: suite, compression, and the length of the extensions.
        let (&[_, _, 0, high, low], extensions) = rest.get(session..)?.split_first_chunk()? else { return None };
        let is_whole = extensions.len() == usize::from(u16::from_be_bytes([high, low]));
        (matches!(version, [0xFE, 0xFD | 0xFF]) && is_whole).then_some(extensions)
    };
    let Some(mut rest) = extensions() else { return false };
    let mut is_ours = false;
    while let Some((&[k0, k1, l0, l1], behind)) = rest.split_first_chunk() {
        let Some(after) = behind.get(usize::from(u16::from_be_bytes([l0, l1]))..) else { return false };
        is_ours |= matches!(u16::from_be_bytes([k0, k1]), USE_SRTP | SUPPORTED_VERSIONS);
        rest = after;
    }
    is_ours && rest.is_empty()
}

const HEADER_BYTES: usize = 13;
const MESSAGE_HEADER_BYTES: usize = 12;
/// First bytes of protected records of 1.3 (RFC 9147 section 4).
const UNIFIED_FIRST: u8 = 0x20;
const UNIFIED_LAST: u8 = 0x3F;
const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;
const ACK: u8 = 26;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
/// What either side ever says in plaintext (RFC 5246 section 7.3): for clients ClientHello, Certificate,
/// CertificateVerify, ClientKeyExchange.
const OF_CLIENTS: [u8; 4] = [CLIENT_HELLO, 11, 15, 16];
/// ServerHello, HelloVerifyRequest, NewSessionTicket, Certificate, ServerKeyExchange, CertificateRequest,
/// ServerHelloDone, CertificateStatus.
const OF_SERVERS: [u8; 8] = [SERVER_HELLO, 3, 4, 11, 12, 13, 14, 22];
const USE_SRTP: u16 = 14;
const SUPPORTED_VERSIONS: u16 = 43;

#[cfg(test)]
mod tests {
    use super::*;

    fn record(content_type: u8, epoch: u8, fragment: &[u8]) -> Vec<u8> {
        let header = [content_type, 0xFE, 0xFD, 0, epoch, 0, 0, 0, 0, 0, 0, 0, fragment.len() as u8];
        [&header, fragment].concat()
    }

    #[test]
    fn what_nobody_vouches_for_is_taken_out_and_its_neighbours_stay() {
        let hello = record(22, 0, &[1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 9]);
        let alert = record(21, 0, &[2, 40]);
        let sealed = record(21, 1, &[7; 26]);
        let admit = |datagram: &[u8]| admit(DtlsRole::Server, datagram).into_owned();
        assert_eq!(admit(&hello), hello);
        assert_eq!(admit(&alert), []);
        assert_eq!(admit(&[&hello[..], &alert, &sealed].concat()), [&hello[..], &sealed].concat());
        assert_eq!(admit(&[&alert[..], &hello].concat()), hello);
        assert_eq!(admit(&[&hello[..], &[22; 20]].concat()), hello);
        assert_eq!(admit(&record(23, 0, &[1])), []);
    }

    #[test]
    fn a_server_takes_nothing_that_servers_say_and_a_client_nothing_of_clients() {
        let message = |kind| record(22, 0, &[kind, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 9]);
        for (kind, of_clients) in [(0, false), (1, true), (2, false), (12, false), (14, false), (16, true), (20, false)]
        {
            assert_eq!(!admit(DtlsRole::Server, &message(kind)).is_empty(), of_clients, "{kind}");
        }
        assert!(admit(DtlsRole::Client, &message(1)).is_empty());
        assert!(admit(DtlsRole::Client, &message(20)).is_empty());
        assert!(!admit(DtlsRole::Client, &message(14)).is_empty());
    }

    #[test]
    fn a_server_hello_that_is_none_is_dropped() {
        let hello = |extension: u8| {
            let mut body = [&[0xFE, 0xFD][..], &[5; 32], &[0, 0xC0, 0x2B, 0, 0, 4, 0, extension, 0, 0]].concat();
            let len = body.len() as u8;
            body.splice(0..0, [2, 0, 0, len, 0, 0, 0, 0, 0, 0, 0, len]);
            record(22, 0, &body)
        };
        assert!(!admit(DtlsRole::Client, &hello(14)).is_empty());
        assert!(admit(DtlsRole::Client, &hello(9)).is_empty());
        let short = record(22, 0, &[2, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 3, 0xFE, 0xFD, 1]);
        assert!(admit(DtlsRole::Client, &short).is_empty());
    }
}
