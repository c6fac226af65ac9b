//! Owns the judgement of a token: which key it is signed with, whether it is good now, what it permits.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, dangerous::insecure_decode, decode, decode_header};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::claims::Claims;
use crate::key_ring::KeyRing;
use crate::pass::{Access, Holder, Operator, Pass};
use crate::token_error::{TOKEN_BYTES_MAX, TokenError};

impl KeyRing {
    /// What a client may do that shows this token at this time. The key decides the algorithm, never the token: an own
    /// key checks HS256 only, a foreign one its own.
    pub fn verify(&self, token: &str, now_ms: u64) -> Result<Pass, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Malformed);
        }
        let (issuer, claims) = self.signed_claims(token)?;
        let expires_ms = claims.check_time(now_ms)?;
        let video = claims.video.as_ref().ok_or(TokenError::NoGrant)?;
        let subject = claims.sub.as_deref().filter(|subject| !subject.is_empty());
        let holder = Holder::of(&issuer, subject, token);
        let clean = |text: &String| text.chars().filter(|c| !c.is_control()).collect::<String>();
        let name = claims.name.as_ref().map(|name| clean(name).chars().take(NAME_CHARS_MAX).collect::<String>());
        let metadata = claims.metadata.as_ref().filter(|text| !text.is_empty()).or(video.metadata.as_ref());
        // A part of it would mean nothing to the application.
        let metadata = metadata.map(clean).filter(|text| (1..=METADATA_BYTES_MAX).contains(&text.len()));
        let name = name.filter(|name| !name.is_empty());
        Ok(Pass { grants: video.grants()?, access: Access { holder, issuer, expires_ms, name, metadata } })
    }

    /// Who operates the nodes with this token, if it permits that. Only those of own keys can: who vouches for people in
    /// rooms is not trusted with that.
    pub fn verify_operator(&self, token: &str, now_ms: u64) -> Result<Operator, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Malformed);
        }
        let (issuer, claims) = self.signed_claims(token)?;
        let expires_ms = claims.check_time(now_ms)?;
        let permits = claims.video.is_some_and(|video| video.node_admin) && self.secret(&issuer).is_some();
        if permits { Ok(Operator { issuer, expires_ms }) } else { Err(TokenError::NotOperator) }
    }

    /// The issuer of a token that is signed with a key of this ring, and what else it says.
    fn signed_claims(&self, token: &str) -> Result<(String, Claims), TokenError> {
        let header = decode_header(token).map_err(|_| unreadable_header(token))?;
        let unchecked = insecure_decode::<Issued>(token).map_err(|_| TokenError::Malformed)?;
        let issuer = unchecked.claims.iss.or_else(|| header.kid.clone()).ok_or(TokenError::UnknownKey)?;
        let read = |key: &DecodingKey| {
            let mut validation = Validation::new(header.alg);
            // The time is judged by whoever has one, the audience is the room.
            validation.validate_exp = false;
            validation.validate_aud = false;
            validation.required_spec_claims.clear();
            decode::<Claims>(token, key, &validation).map(|data| data.claims)
        };
        if let Some(secret) = self.secret(&issuer) {
            if header.alg != Algorithm::HS256 {
                return Err(TokenError::Algorithm);
            }
            let claims = read(&DecodingKey::from_secret(secret.expose().as_bytes())).map_err(|error| why(&error))?;
            return Ok((issuer, claims));
        }
        if !matches!(header.alg, Algorithm::HS256 | Algorithm::EdDSA | Algorithm::ES256) {
            return Err(TokenError::Algorithm);
        }
        let foreign = self.issuer(&issuer).ok_or(TokenError::UnknownKey)?;
        if !foreign.has_algorithm(header.alg) {
            return Err(TokenError::Algorithm);
        }
        let mut last = TokenError::UnknownKey;
        for key in foreign.keys(header.kid.as_deref(), header.alg) {
            match read(key) {
                Ok(claims) => return Ok((issuer, claims)),
                Err(error) => last = why(&error),
            }
        }
        Err(last)
    }
}

/// What stands in a token, whoever signed it: header and claims. It proves nothing.
pub fn inspect(token: &str) -> Result<Value, TokenError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::Malformed);
    }
    let header = decode_header(token).map_err(|_| unreadable_header(token))?;
    let read = insecure_decode::<Value>(token).map_err(|_| TokenError::Malformed)?;
    Ok(json!({ "header": header, "claims": read.claims }))
}

/// Read before the signature is checked, to find the key.
#[derive(Deserialize)]
struct Issued {
    iss: Option<String>,
}

/// `alg: none`, and what the library has never heard of, don't even parse.
fn unreadable_header(token: &str) -> TokenError {
    match token.split('.').count() {
        3 => TokenError::Algorithm,
        _ => TokenError::Malformed,
    }
}

fn why(error: &jsonwebtoken::errors::Error) -> TokenError {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::InvalidSignature => TokenError::Signature,
        ErrorKind::InvalidAlgorithm => TokenError::Algorithm,
        ErrorKind::Json(_) | ErrorKind::InvalidClaimFormat(_) => TokenError::Claims,
        _ => TokenError::Malformed,
    }
}

/// As of what a page calls itself.
const NAME_CHARS_MAX: usize = 64;
/// Longer ones are left out.
const METADATA_BYTES_MAX: usize = 1_024;

#[cfg(test)]
mod tests;
