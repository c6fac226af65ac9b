//! Claims about the certificates that peers have: P-256 is tried everywhere else. The engine signs with no RSA key, as
//! we have none, so the peer's can here.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair};
use dimpl::CryptoError;
use dimpl::crypto::{Buf, HashAlgorithm, KeyProvider, SignatureAlgorithm, SigningKey};

use super::*;

const CERTIFICATES: [(&str, &[u8], &[u8]); 4] = [
    ("RSA 2048", include_bytes!("rsa_2048_certificate.der"), include_bytes!("rsa_2048_key.der")),
    ("RSA 3072", include_bytes!("rsa_3072_certificate.der"), include_bytes!("rsa_3072_key.der")),
    ("RSA 4096", include_bytes!("rsa_4096_certificate.der"), include_bytes!("rsa_4096_key.der")),
    ("P-384", include_bytes!("p384_certificate.der"), include_bytes!("p384_key.der")),
];

/// The engine's provider with RSA keys: 1.3 has them sign by RSASSA-PSS, 1.2 by PKCS #1.
fn provider(version: PeerVersion) -> CryptoProvider {
    const PKCS1: &RsaKeys = &RsaKeys { pss: false };
    const PSS: &RsaKeys = &RsaKeys { pss: true };
    let keys = if matches!(version, PeerVersion::Only12) { PKCS1 } else { PSS };
    CryptoProvider { key_provider: keys, ..default_provider() }
}

#[derive(Debug)]
struct RsaKeys {
    pss: bool,
}

#[derive(Debug)]
struct RsaKey {
    pair: RsaKeyPair,
    pss: bool,
}

impl KeyProvider for RsaKeys {
    fn load_private_key(&self, der: &[u8]) -> Result<Box<dyn SigningKey>, CryptoError> {
        match RsaKeyPair::from_pkcs8(der) {
            Ok(pair) => Ok(Box::new(RsaKey { pair, pss: self.pss })),
            Err(_) => default_provider().key_provider.load_private_key(der),
        }
    }
}

impl SigningKey for RsaKey {
    fn sign(&mut self, data: &[u8], _: HashAlgorithm, out: &mut Buf) -> Result<(), CryptoError> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let padding = if self.pss { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
        self.pair.sign(padding, &SystemRandom::new(), data, &mut signature).unwrap();
        out.clear();
        out.extend_from_slice(&signature);
        Ok(())
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::RSA
    }

    fn hash_algorithm(&self) -> HashAlgorithm {
        HashAlgorithm::SHA256
    }

    fn supported_hash_algorithms(&self) -> &[HashAlgorithm] {
        &[HashAlgorithm::SHA256]
    }
}

/// The peer's certificate is `shown`, and it signs with `key`.
fn association(role: DtlsRole, version: PeerVersion, shown: &[u8], key: &[u8]) -> Association {
    let certificate = DtlsCertificate { certificate: shown.to_vec(), private_key: key.to_vec() };
    Association::provided(role, version, certificate, provider(version))
}

#[test]
fn peers_with_rsa_and_p384_certificates_connect_in_both_versions_and_roles() {
    for role in ROLES {
        for version in [PeerVersion::Only12, PeerVersion::Only13] {
            for (name, certificate, key) in CERTIFICATES {
                let mut pair = association(role, version, certificate, key);
                assert!(pair.connect(), "{name} {role:?} {version:?}: {:?}", pair.error);
                pair.assert_keys_agree(role);
            }
        }
    }
}

#[test]
fn a_certificate_that_is_not_the_signers_gets_no_keys() {
    let (_, shown, _) = CERTIFICATES[0];
    let (_, _, key) = CERTIFICATES[1];
    for role in ROLES {
        for version in [PeerVersion::Only12, PeerVersion::Only13] {
            let mut pair = association(role, version, shown, key);
            pair.run(Duration::from_secs(5), |pair| pair.keys.is_some());
            assert!(pair.keys.is_none(), "{role:?} {version:?}");
        }
    }
}
