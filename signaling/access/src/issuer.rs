//! Owns a foreign issuer of tokens: an identity provider whose public keys are known, by their JWKS (RFC 7517).

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey};

/// Its name as `iss` has it, and its keys.
#[derive(Clone)]
pub struct Issuer {
    pub name: String,
    keys: Vec<IssuerKey>,
}

#[derive(Clone)]
struct IssuerKey {
    /// `kid`; a token without one tries all.
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadIssuer {
    #[error("this is no JWKS (RFC 7517): {0}")]
    NotJwks(String),
    #[error("the JWKS has no key for EdDSA (Ed25519) or ES256 (P-256)")]
    NoKey,
}

impl Issuer {
    /// Keys of other algorithms are left out: a token signed by them is refused.
    pub fn parse(name: &str, jwks: &str) -> Result<Issuer, BadIssuer> {
        let set: JwkSet = serde_json::from_str(jwks).map_err(|error| BadIssuer::NotJwks(error.to_string()))?;
        let keys: Vec<IssuerKey> = set.keys.iter().filter_map(IssuerKey::of).take(KEYS_MAX).collect();
        if keys.is_empty() { Err(BadIssuer::NoKey) } else { Ok(Issuer { name: name.to_owned(), keys }) }
    }

    /// One whose keys are not known yet: its tokens can't be told from forged ones, but none of them was revoked.
    pub fn awaited(name: &str) -> Issuer {
        Issuer { name: name.to_owned(), keys: Vec::new() }
    }

    /// Those that a token of this header may be signed with.
    pub(crate) fn keys(&self, id: Option<&str>, algorithm: Algorithm) -> impl Iterator<Item = &DecodingKey> {
        let fits = move |key: &&IssuerKey| {
            key.algorithm == algorithm && (id.is_none() || key.id.is_none() || key.id.as_deref() == id)
        };
        self.keys.iter().filter(fits).map(|key| &key.key)
    }

    pub(crate) fn has_algorithm(&self, algorithm: Algorithm) -> bool {
        self.keys.iter().any(|key| key.algorithm == algorithm)
    }
}

impl IssuerKey {
    fn of(jwk: &Jwk) -> Option<IssuerKey> {
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
            AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => Algorithm::ES256,
            _ => return None,
        };
        let key = DecodingKey::from_jwk(jwk).ok()?;
        Some(IssuerKey { id: jwk.common.key_id.clone(), algorithm, key })
    }
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Issuer({}, {} keys)", self.name, self.keys.len())
    }
}

/// Providers have two or three at a time.
const KEYS_MAX: usize = 32;
