//! Owns API keys, the tokens that are signed with them, and what a token permits. Pure: whoever calls brings the time,
//! the randomness and the files. Never says how a client is told.

#![forbid(unsafe_code)]

mod claims;
mod denied;
mod grants;
mod issuer;
mod key;
mod key_ring;
mod key_text;
mod mint;
mod pass;
mod pattern;
mod token_error;
mod verify;

pub use denied::Denied;
pub use grants::{Action, Grants, Sources};
pub use issuer::{BadIssuer, Issuer};
pub use key::{ApiKey, BadKey, KeyId, Secret};
pub use key_ring::KeyRing;
pub use key_text::{BadKeyText, parse_keys, render_key};
pub use mint::{MintError, Minted, mint};
pub use pass::{Access, Holder, Operator, Pass};
pub use pattern::{BadPattern, Pattern};
pub use token_error::{TOKEN_BYTES_MAX, TokenError};
pub use verify::inspect;
