//! The program as a person starts it: what it says, how it replaces its processes, what it leaves behind.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first surprise")]

mod running;

mod acme;
mod caps;
mod changes;
mod deploy;
mod https;
mod interrupts;
mod live;
mod log_files;
mod mistakes;
mod operates;
mod operators;
mod prometheus;
mod refuses;
mod renews;
mod replaces;
mod sessions;
mod starts;
mod stops;
mod tokens;
mod traces;
mod transcripts;
mod turn;
mod unread;
mod webhooks;
