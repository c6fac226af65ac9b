//! Claims about `transport`.
