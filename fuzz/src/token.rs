//! Owns the target of tokens: header and claims are what anybody wrote, signed with a key of the server, with that of a
//! foreign issuer and with one that nobody knows; key files and the JWKS of another issuer are anybody's, too.

use std::sync::OnceLock;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chappe_signaling_access::{Action, ApiKey, Issuer, KeyRing, Sources, inspect, parse_keys, render_key};

use crate::input::Script;

pub(crate) fn run(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let (header, claims) = (script.bytes(), script.bytes());
    let [jwks, keys] = [script.bytes(), script.bytes()].map(String::from_utf8_lossy);
    read_keys(&keys);
    let issuers = [Some(friend()), Issuer::parse("stranger", &jwks).ok()];
    let ring = KeyRing::new([own_key()], issuers.into_iter().flatten().collect());

    let unsigned = format!("{}.{}", encode(header), encode(claims));
    let own = hmac::sign(&hmac_key(own_key().secret.expose().as_bytes()), unsigned.as_bytes());
    let pass = ring.verify(&format!("{unsigned}.{}", encode(own.as_ref())), NOW_MS);
    if let Ok(pass) = &pass {
        assert!(pass.access.expires_ms > NOW_MS, "a token that is over is good");
        assert_eq!(pass.access.issuer, own_key().id.as_str(), "a key of ours signs for others");
        let access = &pass.access;
        assert!(access.name.as_ref().is_none_or(|name| name.chars().count() <= 64));
        assert!(access.metadata.as_ref().is_none_or(|text| text.len() <= 1_024));
        let watch = Action::Watch { stream: "cam" };
        let publish = Action::Publish { stream: "cam", offered: Sources::ALL };
        for action in [Action::Join, watch, publish, Action::Say] {
            let _ = pass.grants.check("demo", action);
        }
    }
    let _ = ring.verify_operator(&format!("{unsigned}.{}", encode(own.as_ref())), NOW_MS);

    let foreign = format!("{unsigned}.{}", encode(pair().sign(unsigned.as_bytes()).as_ref()));
    if let Ok(pass) = ring.verify(&foreign, NOW_MS) {
        assert_ne!(pass.access.issuer, own_key().id.as_str(), "an issuer signs for our key");
    }
    assert!(ring.verify_operator(&foreign, NOW_MS).is_err(), "an issuer operates nodes");

    let forged = hmac::sign(&hmac_key(b"a secret that this server has never heard of"), unsigned.as_bytes());
    for token in [format!("{unsigned}.{}", encode(forged.as_ref())), format!("{unsigned}."), lossy(claims)] {
        assert!(ring.verify(&token, NOW_MS).is_err() && ring.verify_operator(&token, NOW_MS).is_err(), "forged");
        let _ = inspect(&token);
    }
}

fn read_keys(text: &str) {
    if let Ok(keys) = parse_keys(text) {
        let written: String = keys.iter().map(render_key).collect();
        assert_eq!(parse_keys(&written).expect("what we wrote"), keys);
    }
}

fn own_key() -> ApiKey {
    ApiKey::from_random([1; 6], [2; 32])
}

fn hmac_key(secret: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret)
}

/// Signs for the issuer whose JWKS is known.
fn pair() -> &'static Ed25519KeyPair {
    static PAIR: OnceLock<Ed25519KeyPair> = OnceLock::new();
    PAIR.get_or_init(|| Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed"))
}

fn friend() -> Issuer {
    let public = encode(pair().public_key().as_ref());
    let jwks = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{public}"}}]}}"#);
    Issuer::parse("friend", &jwks).expect("a JWKS of ours")
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// In 2023: the tokens of the corpus are good then.
const NOW_MS: u64 = 1_700_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, claims: &str) -> Result<String, String> {
        let unsigned = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
        let foreign = format!("{unsigned}.{}", encode(pair().sign(unsigned.as_bytes()).as_ref()));
        let ring = KeyRing::new([], vec![friend()]);
        ring.verify(&foreign, NOW_MS).map(|pass| pass.access.issuer).map_err(|error| error.to_string())
    }

    /// Or changes of it would never come past the signature.
    #[test]
    fn what_the_friend_signs_is_good() {
        let claims = r#"{"iss":"friend","exp":1800000000,"video":{"room":"demo","roomJoin":true}}"#;
        assert_eq!(token(r#"{"alg":"EdDSA"}"#, claims), Ok("friend".to_owned()));
    }
}
