//! Owns why a token is not taken.

/// The words help whoever makes tokens, and tell a stranger nothing about the keys of this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("a token is needed: Authorization: Bearer TOKEN, or `token` in hello")]
    Missing,
    #[error("the token is no JWT of at most {TOKEN_BYTES_MAX} bytes")]
    Malformed,
    #[error("the token is signed by an algorithm that is not taken: HS256 for API keys, EdDSA or ES256 for issuers")]
    Algorithm,
    /// Nobody learns which keys there are.
    #[error("the token is not signed with a key of this server (`iss` is the id of the key)")]
    UnknownKey,
    #[error("the token is not signed with a key of this server (`iss` is the id of the key)")]
    Signature,
    #[error("the token never expires: it needs `exp`")]
    NoExpiry,
    #[error("the token has expired: get a new one")]
    Expired,
    #[error("the token is not valid yet (`nbf`): is the clock of whoever made it right?")]
    NotYet,
    #[error("a claim of the token can't be understood: `video` has room, roomJoin and the like, `exp` is a number")]
    Claims,
    #[error("the token permits nothing: it needs a `video` claim with `room` and `roomJoin`")]
    NoGrant,
    #[error("the token was given to somebody else than the one that it is to take the place of")]
    Holder,
    #[error("the token is for no room in particular: `video.room` names one, or a pattern such as demo-*")]
    NoRoom,
    #[error(
        "the token does not permit operating nodes: it needs `video.nodeAdmin` and an API key (chappe token --operate)"
    )]
    NotOperator,
}

impl TokenError {
    /// For metrics.
    pub fn reason(self) -> &'static str {
        match self {
            TokenError::Missing => "missing",
            TokenError::Malformed => "malformed",
            TokenError::Algorithm => "algorithm",
            TokenError::UnknownKey => "unknown_key",
            TokenError::Signature => "signature",
            TokenError::NoExpiry => "no_expiry",
            TokenError::Expired => "expired",
            TokenError::NotYet => "not_yet",
            TokenError::Claims => "claims",
            TokenError::NoGrant => "no_grant",
            TokenError::Holder => "holder",
            TokenError::NoRoom => "no_room",
            TokenError::NotOperator => "not_operator",
        }
    }
}

/// Real tokens have some hundred.
pub const TOKEN_BYTES_MAX: usize = 8 << 10;
