//! Owns what nodes share and how they speak: a small store, requests, publish and subscribe. Never knows what
//! the bytes mean.

#![forbid(unsafe_code)]
