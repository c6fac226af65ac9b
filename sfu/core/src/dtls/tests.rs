//! Claims about `dtls`.
