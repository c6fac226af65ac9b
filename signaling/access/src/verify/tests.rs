//! Tokens of all kinds, good and bad.

use super::*;
use crate::grants::Action;
use crate::issuer::Issuer;
use crate::key::ApiKey;
use crate::mint::{Minted, mint};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use jsonwebtoken::{EncodingKey, Header, encode};

const NOW_MS: u64 = 1_700_000_000_500;

fn key() -> ApiKey {
    ApiKey::from_random([1; 6], [2; 32])
}

fn ring() -> KeyRing {
    KeyRing::new([key(), ApiKey::from_random([3; 6], [4; 32])], Vec::new())
}

fn minted() -> Minted {
    Minted { room: "demo".into(), publish: true, subscribe: true, expires_s: 1_700_000_060, ..Minted::default() }
}

/// A token of our key with claims as they are.
fn signed(claims: &Value, algorithm: Algorithm, secret: &str) -> String {
    encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    let bits: Vec<u8> = bits.collect();
    let digit = |some: &[u8]| some.iter().fold(0, |sum, bit| sum * 2 + bit) << (6 - some.len());
    bits.chunks(6).map(|some| char::from(DIGITS[usize::from(digit(some))])).collect()
}

#[test]
fn a_minted_token_permits_what_it_was_minted_for_until_it_expires() {
    let token = mint(&key(), minted()).unwrap();
    let pass = ring().verify(&token, NOW_MS).unwrap();
    assert_eq!(pass.access.expires_ms, 1_700_000_060_000);
    assert_eq!(pass.access.issuer, key().id.as_str());
    assert_eq!(pass.grants.check("demo", Action::Watch { stream: "cam" }), Ok(()));
    assert_eq!(ring().verify(&token, 1_700_000_059_999).map(|_| ()), Ok(()));
    assert_eq!(ring().verify(&token, 1_700_000_060_000), Err(TokenError::Expired));
}

#[test]
fn an_operator_is_known_by_the_key_and_the_end_of_its_token() {
    let token = mint(&key(), Minted { operate: true, ..minted() }).unwrap();
    let operator = Operator { issuer: key().id.as_str().to_owned(), expires_ms: 1_700_000_060_000 };
    assert_eq!(ring().verify_operator(&token, NOW_MS), Ok(operator));
    assert_eq!(ring().verify_operator(&token, 1_700_000_060_000), Err(TokenError::Expired));
    let member = mint(&key(), minted()).unwrap();
    assert_eq!(ring().verify_operator(&member, NOW_MS), Err(TokenError::NotOperator));
}

#[test]
fn a_token_of_a_livekit_server_is_read_with_its_defaults() {
    let claims = json!({"iss": key().id, "sub": "bob", "name": "Bob", "exp": 1_700_000_060, "nbf": 1_699_999_000,
        "metadata": "{\"seat\":4}", "video": {"room": "demo", "roomJoin": true, "canUpdateOwnMetadata": true}});
    let pass = ring().verify(&signed(&claims, Algorithm::HS256, key().secret.expose()), NOW_MS).unwrap();
    assert!(pass.grants.publish && pass.grants.subscribe && pass.grants.data && !pass.grants.admin);
    assert_eq!((pass.access.name.as_deref(), pass.access.metadata.as_deref()), (Some("Bob"), Some("{\"seat\":4}")));
}

#[test]
fn what_is_wrong_with_a_token_is_told() {
    let good = json!({"iss": key().id, "exp": 1_700_000_060, "video": {"room": "demo", "roomJoin": true}});
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        signed(&claims, Algorithm::HS256, key().secret.expose())
    };
    let without = |name: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(name);
        signed(&claims, Algorithm::HS256, key().secret.expose())
    };
    let ours = signed(&good, Algorithm::HS256, key().secret.expose());
    let none = format!("{}.{}.", base64(br#"{"alg":"none"}"#), ours.split('.').nth(1).unwrap());
    let cases = [
        (none, TokenError::Algorithm),
        (signed(&good, Algorithm::HS512, key().secret.expose()), TokenError::Algorithm),
        (signed(&good, Algorithm::HS256, &"x".repeat(40)), TokenError::Signature),
        (with("iss", json!("somebody")), TokenError::UnknownKey),
        (without("iss"), TokenError::UnknownKey),
        (without("exp"), TokenError::NoExpiry),
        (with("exp", json!(1_700_000_000)), TokenError::Expired),
        (with("exp", json!(-1)), TokenError::Claims),
        (with("exp", json!("soon")), TokenError::Claims),
        (with("nbf", json!(1_700_000_030)), TokenError::NotYet),
        (without("video"), TokenError::NoGrant),
        (with("video", json!({"room": "demo"})), TokenError::NoGrant),
        (with("video", json!({"roomJoin": true})), TokenError::NoRoom),
        (with("video", json!({"roomJoin": true, "room": ""})), TokenError::NoRoom),
        (with("video", json!({"roomJoin": true, "room": "a b"})), TokenError::Claims),
        (with("video", json!({"roomJoin": 1, "room": "demo"})), TokenError::Claims),
        (String::new(), TokenError::Malformed),
        ("a.b".to_owned(), TokenError::Malformed),
        ("x".repeat(TOKEN_BYTES_MAX + 1), TokenError::Malformed),
    ];
    for (token, error) in cases {
        assert_eq!(ring().verify(&token, NOW_MS), Err(error), "{token}");
    }
    assert!(ring().verify(&with("nbf", json!(1_700_000_005)), NOW_MS).is_ok(), "clocks differ by some seconds");
    assert!(ring().verify(&with("exp", json!(1_700_000_000.75)), NOW_MS).is_ok(), "RFC 7519: maybe with a fraction");
    assert!(ring().verify(&with("exp", json!(1.0e300)), NOW_MS).is_ok());
}

/// An issuer with a key of each algorithm that is taken.
struct Provider {
    ed25519: (Ed25519KeyPair, EncodingKey),
    p256: (EcdsaKeyPair, EncodingKey),
}

impl Provider {
    fn new() -> Provider {
        let ed = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let p256 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        Provider {
            ed25519: (Ed25519KeyPair::from_pkcs8(ed.as_ref()).unwrap(), EncodingKey::from_ed_der(ed.as_ref())),
            p256: (
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, p256.as_ref()).unwrap(),
                EncodingKey::from_ec_der(p256.as_ref()),
            ),
        }
    }

    fn ring(&self) -> KeyRing {
        let (point, x) = (self.p256.0.public_key().as_ref(), self.ed25519.0.public_key().as_ref());
        let jwks = json!({"keys": [
            {"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": base64(x)},
            {"kty": "EC", "crv": "P-256", "kid": "b", "x": base64(&point[1..33]), "y": base64(&point[33..])},
            {"kty": "RSA", "kid": "c", "n": "AQAB", "e": "AQAB"},
        ]});
        KeyRing::new([key()], vec![Issuer::parse("https://id.example", &jwks.to_string()).unwrap()])
    }

    fn token(&self, issuer: &str, kid: Option<&str>, algorithm: Algorithm) -> String {
        let header = Header { kid: kid.map(str::to_owned), ..Header::new(algorithm) };
        let claims = json!({"iss": issuer, "exp": 1_700_000_060, "video": {"room": "demo", "roomJoin": true}});
        let key = if algorithm == Algorithm::EdDSA { &self.ed25519.1 } else { &self.p256.1 };
        encode(&header, &claims, key).unwrap()
    }
}

#[test]
fn a_foreign_issuer_is_taken_with_its_own_keys_only() {
    let (provider, stranger) = (Provider::new(), Provider::new());
    let judge = |token: String| provider.ring().verify(&token, NOW_MS).map(|pass| pass.access.issuer);
    let name = "https://id.example";
    for (kid, algorithm) in [
        (Some("a"), Algorithm::EdDSA),
        (None, Algorithm::EdDSA),
        (Some("b"), Algorithm::ES256),
        (None, Algorithm::ES256),
    ] {
        assert_eq!(judge(provider.token(name, kid, algorithm)).as_deref(), Ok(name), "{kid:?}");
        assert_eq!(judge(stranger.token(name, kid, algorithm)), Err(TokenError::Signature));
        assert_eq!(judge(provider.token("https://other.example", kid, algorithm)), Err(TokenError::UnknownKey));
        assert_eq!(judge(provider.token(key().id.as_str(), kid, algorithm)), Err(TokenError::Algorithm));
    }
    assert_eq!(judge(provider.token(name, Some("z"), Algorithm::EdDSA)), Err(TokenError::UnknownKey));
    // The public key as the secret of an HMAC: the oldest trick.
    let public = String::from_utf8_lossy(provider.ed25519.0.public_key().as_ref()).into_owned();
    let claims = json!({"iss": name, "exp": 1_700_000_060, "video": {"room": "demo", "roomJoin": true}});
    assert_eq!(judge(signed(&claims, Algorithm::HS256, &public)), Err(TokenError::Algorithm));
    assert!(Issuer::parse(name, r#"{"keys": []}"#).is_err() && Issuer::parse(name, "{}").is_err());
}

#[test]
fn a_key_that_is_gone_or_has_another_secret_is_revoked() {
    let before = ring();
    let id = key().id;
    let fewer = KeyRing::new([ApiKey::from_random([3; 6], [4; 32])], Vec::new());
    let changed = KeyRing::new([ApiKey::from_random([1; 6], [9; 32])], Vec::new());
    assert!(fewer.has_revoked(&before, id.as_str()) && changed.has_revoked(&before, id.as_str()));
    assert!(!ring().has_revoked(&before, id.as_str()));
    assert!(fewer.has_revoked(&before, "https://gone.example"));
}
