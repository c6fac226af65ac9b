//! Owns SRTP and SRTCP of one direction of one session: keys, packet protection, replay windows (RFC 3711,
//! RFC 7714). All of its state is plain data that can be exported and taken up by another process. Never
//! negotiates: profile and keys come from DTLS.

mod aes_cm;
mod aes_gcm;
mod cipher;
mod derive;
mod error;
mod master;
mod open;
mod replay;
mod retired;
mod seal;

pub use error::{KeyError, OpenError};
pub use master::{MasterKey, MasterKeys, Profile};
pub use open::{Opener, OpenerState};
pub use replay::ReplayWindow;
pub use retired::RetiredStreams;
pub use seal::{Sealer, SealerState};

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
