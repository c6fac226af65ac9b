//! Claims about `ice`.
