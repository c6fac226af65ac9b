//! Owns the claims of a token as it has them, and their reading into grants.

use serde::{Deserialize, Serialize};

use crate::grants::{Grants, Sources};
use crate::pattern::Pattern;
use crate::token_error::TokenError;

/// RFC 7519 section 4.1, and LiveKit's. Others are not looked at.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Claims {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// Seconds, maybe with a fraction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<serde_json::Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<serde_json::Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video: Option<VideoGrant>,
}

/// What is left out has LiveKit's default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VideoGrant {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
    #[serde(default)]
    pub room_join: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub room_admin: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_publish: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_publish_sources: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_subscribe: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_publish_data: Option<bool>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
    /// May operate the nodes through their admin listeners. Ours.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub node_admin: bool,
    /// Names and patterns of streams; without it all of the room's. Ours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub streams: Vec<String>,
    /// Beside the token's own `metadata`, which wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
}

impl Claims {
    /// Unix time in milliseconds at which the token is over, if it is good now.
    pub fn check_time(&self, now_ms: u64) -> Result<u64, TokenError> {
        let expires_ms = millis(self.exp.as_ref().ok_or(TokenError::NoExpiry)?)?;
        if expires_ms <= now_ms {
            return Err(TokenError::Expired);
        }
        let begins_ms = self.nbf.as_ref().map(millis).transpose()?.unwrap_or_default();
        if begins_ms > now_ms.saturating_add(CLOCKS_DIFFER_MS) { Err(TokenError::NotYet) } else { Ok(expires_ms) }
    }
}

impl VideoGrant {
    pub fn grants(&self) -> Result<Grants, TokenError> {
        let room = self.room.as_deref().filter(|room| !room.is_empty()).ok_or(TokenError::NoRoom)?;
        if !self.room_join && !self.room_admin {
            return Err(TokenError::NoGrant);
        }
        let pattern = |text: &str| Pattern::parse(text).map_err(|_| TokenError::Claims);
        if self.streams.len() > STREAMS_MAX {
            return Err(TokenError::Claims);
        }
        let sources = self.can_publish_sources.as_ref().filter(|sources| !sources.is_empty());
        Ok(Grants {
            room: pattern(room)?,
            streams: self.streams.iter().map(|text| pattern(text)).collect::<Result<_, _>>()?,
            join: self.room_join,
            publish: self.can_publish.unwrap_or(true),
            sources: sources.map_or(Sources::ALL, |sources| kinds_of(sources)),
            subscribe: self.can_subscribe.unwrap_or(true),
            data: self.can_publish_data.unwrap_or(true),
            admin: self.room_admin,
            hidden: self.hidden,
        })
    }
}

/// LiveKit's names, in either of the two forms that its libraries write.
fn kinds_of(sources: &[String]) -> Sources {
    let has = |names: [&str; 2]| sources.iter().any(|source| names.contains(&source.to_ascii_lowercase().as_str()));
    Sources { audio: has(["microphone", "screen_share_audio"]), video: has(["camera", "screen_share"]) }
}

fn millis(number: &serde_json::Number) -> Result<u64, TokenError> {
    if let Some(seconds) = number.as_u64() {
        return Ok(seconds.saturating_mul(1_000));
    }
    match number.as_f64() {
        // A cast of a float saturates.
        Some(seconds) if seconds >= 0.0 => Ok((seconds * 1_000.0) as u64),
        Some(_) | None => Err(TokenError::Claims),
    }
}

/// Of whoever makes tokens and of this server, for what must not be used too early.
const CLOCKS_DIFFER_MS: u64 = 10_000;
const STREAMS_MAX: usize = 64;
