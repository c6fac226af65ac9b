//! Owns making a token with a key.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};

use crate::claims::{Claims, VideoGrant};
use crate::key::ApiKey;

/// What a new token is to permit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Minted {
    pub room: String,
    /// Empty: all.
    pub streams: Vec<String>,
    pub publish: bool,
    pub subscribe: bool,
    pub data: bool,
    pub admin: bool,
    /// Permits operating the nodes, and nothing in a room: `room` is left out then.
    pub operate: bool,
    pub hidden: bool,
    pub sources: Vec<String>,
    /// `sub`
    pub identity: Option<String>,
    pub name: Option<String>,
    pub metadata: Option<String>,
    /// Unix time in seconds.
    pub expires_s: u64,
    pub not_before_s: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the token can't be made: {0}")]
pub struct MintError(String);

pub fn mint(key: &ApiKey, minted: Minted) -> Result<String, MintError> {
    let video = VideoGrant {
        room: Some(minted.room).filter(|_| !minted.operate),
        room_join: !minted.operate,
        room_admin: minted.admin,
        can_publish: Some(minted.publish),
        can_publish_sources: Some(minted.sources).filter(|sources| !sources.is_empty()),
        can_subscribe: Some(minted.subscribe),
        can_publish_data: Some(minted.data),
        hidden: minted.hidden,
        node_admin: minted.operate,
        streams: minted.streams,
        metadata: None,
    };
    // What can't be read again is not given out.
    if !minted.operate {
        video.grants().map_err(|error| MintError(error.to_string()))?;
    }
    let claims = Claims {
        iss: Some(key.id.as_str().to_owned()),
        sub: minted.identity,
        exp: Some(minted.expires_s.into()),
        nbf: minted.not_before_s.map(Into::into),
        name: minted.name,
        metadata: minted.metadata,
        video: Some(video),
    };
    let encoding = EncodingKey::from_secret(key.secret.expose().as_bytes());
    encode(&Header::new(Algorithm::HS256), &claims, &encoding).map_err(|error| MintError(error.to_string()))
}
