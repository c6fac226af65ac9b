//! Owns which protocol a datagram speaks. Never parses beyond its first two bytes.

/// What shares the one port of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DatagramKind {
    Stun,
    Dtls,
    Rtp,
    Rtcp,
    /// Of another worker.
    Relay,
}

/// Tells the protocols on one port apart by their first byte (RFC 7983 section 7), and RTCP from RTP by
/// the second (RFC 5761 section 4). Relays use a range that RFC 7983 leaves to TURN channels, which no client
/// of ours speaks. `None` is nothing we speak: ZRTP, noise.
pub fn classify(datagram: &[u8]) -> Option<DatagramKind> {
    match *datagram {
        [0..=3, ..] => Some(DatagramKind::Stun),
        [20..=63, ..] => Some(DatagramKind::Dtls),
        [64..=79, ..] => Some(DatagramKind::Relay),
        [128..=191, 192..=223, ..] => Some(DatagramKind::Rtcp),
        [128..=191, _, ..] => Some(DatagramKind::Rtp),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_choose_the_protocol() {
        assert_eq!(classify(&[0, 1]), Some(DatagramKind::Stun));
        assert_eq!(classify(&[22, 254]), Some(DatagramKind::Dtls));
        assert_eq!(classify(&[0x80, 96]), Some(DatagramKind::Rtp));
        assert_eq!(classify(&[0x90, 0x80 | 111]), Some(DatagramKind::Rtp));
        assert_eq!(classify(&[0x80, 200]), Some(DatagramKind::Rtcp));
        assert_eq!(classify(&[0x81, 206]), Some(DatagramKind::Rtcp));
        assert_eq!(classify(&[0x40]), Some(DatagramKind::Relay));
    }

    #[test]
    fn noise_is_nobodys() {
        for datagram in [&[][..], &[16, 0], &[80, 0], &[127, 0], &[192, 0], &[255, 255], &[128]] {
            assert_eq!(classify(datagram), None, "{datagram:?}");
        }
    }
}
