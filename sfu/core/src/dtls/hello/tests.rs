//! Claims about `dtls/hello`.
