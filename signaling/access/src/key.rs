//! Owns an API key: the name that tokens give as their issuer, and the secret that they are signed with.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Public: it stands in every token as `iss`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct KeyId(String);

/// Never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Secret(String);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    pub id: KeyId,
    pub secret: Secret,
}

/// The text is no id or secret of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    #[error("the id of a key is 1 to {ID_CHARS_MAX} of A-Z a-z 0-9 . _ -, not starting with a dot")]
    Id,
    #[error(
        "the secret of a key is {SECRET_CHARS_MIN} to {SECRET_CHARS_MAX} printable characters without spaces or commas"
    )]
    Secret,
}

impl ApiKey {
    /// From bytes that nobody can guess.
    pub fn from_random(id: [u8; 6], secret: [u8; 32]) -> ApiKey {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        ApiKey { id: KeyId(format!("key-{}", hex(&id))), secret: Secret(hex(&secret)) }
    }
}

impl KeyId {
    pub fn parse(text: &str) -> Result<KeyId, BadKey> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let is_id = (1..=ID_CHARS_MAX).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with('.');
        if is_id { Ok(KeyId(text.to_owned())) } else { Err(BadKey::Id) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Secret {
    /// A short one is found by trying (RFC 7518 section 3.2 wants 32 bytes for HS256; LiveKit's have 43 characters, and
    /// those of older servers 32).
    pub fn parse(text: &str) -> Result<Secret, BadKey> {
        let plain = |byte: u8| byte.is_ascii_graphic() && byte != b',';
        let is_secret = (SECRET_CHARS_MIN..=SECRET_CHARS_MAX).contains(&text.len()) && text.bytes().all(plain);
        if is_secret { Ok(Secret(text.to_owned())) } else { Err(BadKey::Secret) }
    }

    /// For whoever signs with it, or shows it to its owner for the first time.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({})", self.0)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> String {
        id.0
    }
}

impl From<Secret> for String {
    fn from(secret: Secret) -> String {
        secret.0
    }
}

impl TryFrom<String> for KeyId {
    type Error = BadKey;

    fn try_from(text: String) -> Result<KeyId, BadKey> {
        KeyId::parse(&text)
    }
}

impl TryFrom<String> for Secret {
    type Error = BadKey;

    fn try_from(text: String) -> Result<Secret, BadKey> {
        Secret::parse(&text)
    }
}

const ID_CHARS_MAX: usize = 64;
const SECRET_CHARS_MIN: usize = 32;
const SECRET_CHARS_MAX: usize = 256;
