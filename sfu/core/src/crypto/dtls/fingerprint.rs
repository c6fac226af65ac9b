//! Owns certificate fingerprints (RFC 8122): the form of `a=fingerprint`, the comparison, and which certificate is meant.
//! Nothing else.

use std::fmt::{self, Write};

use arrayvec::ArrayVec;
use aws_lc_rs::digest;

/// The hash of a certificate, as `a=fingerprint` carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    hash: FingerprintHash,
    digest: ArrayVec<u8, DIGEST_BYTES_MAX>,
}

/// Names one certificate, whichever hashes of it were told: its SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CertificateId([u8; SHA256_BYTES]);

/// Those that may still be trusted; RFC 8122 section 5 asks for sha-256 and better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FingerprintHash {
    Sha256,
    Sha384,
    Sha512,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseFingerprintError {
    #[error("the fingerprint hash must be sha-256, sha-384 or sha-512")]
    UnknownHash,
    #[error("the fingerprint must be pairs of hexadecimal digits with colons between, as many as its hash has bytes")]
    Malformed,
}

impl Fingerprint {
    /// `hash` as in `sha-256`, `value` as in `AB:CD:…`, both in any case (RFC 8122 wants upper, not all send it).
    pub fn parse(hash: &str, value: &str) -> Result<Fingerprint, ParseFingerprintError> {
        let hash = FingerprintHash::ALL
            .into_iter()
            .find(|known| known.name().eq_ignore_ascii_case(hash))
            .ok_or(ParseFingerprintError::UnknownHash)?;
        let mut digest = ArrayVec::new();
        for pair in value.split(':') {
            let is_hex = pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
            let byte = is_hex.then(|| u8::from_str_radix(pair, 16).ok()).flatten();
            let byte = byte.ok_or(ParseFingerprintError::Malformed)?;
            digest.try_push(byte).map_err(|_| ParseFingerprintError::Malformed)?;
        }
        if digest.len() != hash.algorithm().output_len() {
            return Err(ParseFingerprintError::Malformed);
        }
        Ok(Fingerprint { hash, digest })
    }

    pub fn of(hash: FingerprintHash, certificate_der: &[u8]) -> Fingerprint {
        let digest = digest::digest(hash.algorithm(), certificate_der);
        let digest = ArrayVec::try_from(digest.as_ref()).expect("SHA-512 is the longest hash we know");
        Fingerprint { hash, digest }
    }

    pub fn hash(&self) -> FingerprintHash {
        self.hash
    }

    pub fn matches(&self, certificate_der: &[u8]) -> bool {
        Fingerprint::of(self.hash, certificate_der) == *self
    }
}

impl CertificateId {
    pub fn of(certificate_der: &[u8]) -> CertificateId {
        let digest = digest::digest(&digest::SHA256, certificate_der);
        CertificateId(digest.as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }
}

/// The value: upper-case pairs with colons.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.digest.iter().enumerate() {
            if index > 0 {
                f.write_char(':')?;
            }
            write!(f, "{byte:02X}")?;
        }
        Ok(())
    }
}

impl FingerprintHash {
    const ALL: [FingerprintHash; 3] = [FingerprintHash::Sha256, FingerprintHash::Sha384, FingerprintHash::Sha512];

    pub fn name(self) -> &'static str {
        match self {
            FingerprintHash::Sha256 => "sha-256",
            FingerprintHash::Sha384 => "sha-384",
            FingerprintHash::Sha512 => "sha-512",
        }
    }

    fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            FingerprintHash::Sha256 => &digest::SHA256,
            FingerprintHash::Sha384 => &digest::SHA384,
            FingerprintHash::Sha512 => &digest::SHA512,
        }
    }
}

const SHA256_BYTES: usize = 32;
const DIGEST_BYTES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_back() {
        for hash in FingerprintHash::ALL {
            let fingerprint = Fingerprint::of(hash, b"certificate");
            let again = Fingerprint::parse(hash.name(), &fingerprint.to_string());
            assert_eq!(again, Ok(fingerprint));
        }
    }

    #[test]
    fn case_does_not_matter() {
        let fingerprint = Fingerprint::of(FingerprintHash::Sha256, b"certificate");
        let again = Fingerprint::parse("SHA-256", &fingerprint.to_string().to_lowercase());
        assert_eq!(again, Ok(fingerprint));
    }

    #[test]
    fn old_hashes_and_wrong_lengths_are_refused() {
        let sha1 = ["AB"; 20].join(":");
        assert_eq!(Fingerprint::parse("sha-1", &sha1), Err(ParseFingerprintError::UnknownHash));
        for value in [sha1, String::new(), ["AB"; 33].join(":"), ["AB"; 99].join(":"), ["+1"; 32].join(":"), "é".into()]
        {
            assert_eq!(Fingerprint::parse("sha-256", &value), Err(ParseFingerprintError::Malformed), "{value}");
        }
    }

    #[test]
    fn another_certificate_does_not_match() {
        let fingerprint = Fingerprint::of(FingerprintHash::Sha384, b"certificate");
        assert!(fingerprint.matches(b"certificate"));
        assert!(!fingerprint.matches(b"certificatf"));
    }
}
