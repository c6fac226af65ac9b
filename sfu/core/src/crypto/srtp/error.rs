//! Owns why keys are refused and packets are not opened. Never says it to a peer.

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("the SRTP key or salt has the wrong length for its profile")]
    Length,
    #[error("the crypto library refused the SRTP key")]
    Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("the packet is too short to be SRTP or SRTCP")]
    Short,
    #[error("the SRTCP packet is not encrypted")]
    Unencrypted,
    #[error("the packet was received before, or is too old to tell")]
    Replayed,
    #[error("the authentication tag does not match")]
    Forged,
}
