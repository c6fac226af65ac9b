//! Owns the system calls of an SFU worker: batched UDP with segmentation offload, framed TCP, epoll,
//! signals, inherited sockets. Never knows what the bytes mean.
//!
//! This is the only crate of the media plane with `unsafe`. What the kernel reads and writes as plain
//! bytes (socket addresses, control messages) is encoded and decoded as bytes, so that `unsafe` is left
//! for the calls themselves.

pub mod clock;
pub mod epoll;
pub mod inherited;
pub mod process;
pub mod tcp;
pub mod udp;
