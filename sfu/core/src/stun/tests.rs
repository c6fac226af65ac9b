//! Claims about `stun`.
