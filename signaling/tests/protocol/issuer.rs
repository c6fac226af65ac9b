//! Owns an identity provider of the tests: its public keys, which a server reads from a file, and what it and a stranger
//! sign. Never judges a token.

use chappe_signaling::IssuerSource;
use jsonwebtoken::crypto::sign;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::Value;

pub const NAME: &str = "https://id.example";

/// As `--jwks` names it.
pub fn source() -> (String, IssuerSource) {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/protocol/issuer/jwks.json");
    (NAME.to_owned(), IssuerSource::File(file.into()))
}

/// EdDSA or ES256. The keys were made once with OpenSSL for these tests; they protect nothing.
pub fn signed(algorithm: Algorithm, claims: &Value) -> String {
    encode(&header(algorithm), claims, &key(algorithm)).unwrap()
}

/// By keys that are not the provider's.
pub fn signed_by_a_stranger(algorithm: Algorithm, claims: &Value) -> String {
    let key = match algorithm {
        Algorithm::EdDSA => EncodingKey::from_ed_der(include_bytes!("issuer/stranger_ed25519.der")),
        _ => EncodingKey::from_ec_der(include_bytes!("issuer/stranger_p256.der")),
    };
    encode(&header(algorithm), claims, &key).unwrap()
}

/// By a key of the provider, under the name of the other algorithm and its key.
pub fn signed_under_another_name(algorithm: Algorithm, claims: &Value) -> String {
    let other = if algorithm == Algorithm::EdDSA { Algorithm::ES256 } else { Algorithm::EdDSA };
    let token = signed(other, claims);
    let (text, _) = token.rsplit_once('.').unwrap();
    format!("{text}.{}", sign(text.as_bytes(), &key(algorithm), algorithm).unwrap())
}

/// HS256 with what everybody knows of the provider as the secret.
pub fn signed_with_the_public_key(claims: &Value) -> String {
    let jwks: Value = serde_json::from_str(include_str!("issuer/jwks.json")).unwrap();
    let public = jwks["keys"][0]["x"].as_str().unwrap();
    encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(public.as_bytes())).unwrap()
}

fn key(algorithm: Algorithm) -> EncodingKey {
    match algorithm {
        Algorithm::EdDSA => EncodingKey::from_ed_der(include_bytes!("issuer/ed25519.der")),
        _ => EncodingKey::from_ec_der(include_bytes!("issuer/p256.der")),
    }
}

fn header(algorithm: Algorithm) -> Header {
    let id = if algorithm == Algorithm::EdDSA { "ed25519" } else { "p256" };
    Header { kid: Some(id.to_owned()), ..Header::new(algorithm) }
}
