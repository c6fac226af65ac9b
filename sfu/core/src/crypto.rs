//! Owns the protection of what goes over the network: the handshake that yields keys, and the ciphers that use them.

pub mod dtls;
pub(crate) mod relay;
pub mod srtp;
