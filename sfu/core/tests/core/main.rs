//! The core as its worker uses it: whole sessions, real DTLS and SRTP, in virtual time and without sockets.
//!
//! One program for all of them, so that the harness is compiled once. `allocations.rs` beside it is its own, since it
//! replaces the allocator.

#[path = "../harness/mod.rs"]
mod harness;

mod adapting;
mod clocks;
mod content;
mod control;
mod demand;
mod estimating;
mod forwarding;
mod hostile;
mod joining;
mod layers;
mod loudest;
mod midstream;
mod moving;
mod muting;
mod overload;
mod pacing;
mod relay_encodings;
mod relay_hostile;
mod relay_loss;
mod relay_peers;
mod relay_pictures;
mod relay_stale;
mod relay_tree;
mod relaying;
mod relief;
mod repairing;
mod reports;
mod returning;
mod simulcast;
mod speaking;
mod stale;
mod strangers;
mod stream_reports;
mod switching;
mod targets;
mod timings;
mod traffic;
