//! Owns the process of one SFU worker: a single thread with one event loop that carries datagrams between
//! the sockets and `chappe-sfu-core`, and commands and events between signaling and it. Parses no SDP, takes
//! no decision about rooms, and goes on forwarding when nobody commands it.
//!
//! The process is started by the supervisor, which binds the sockets, pins the process to its core, ties its
//! life to its own and collects its log. Read on at [`run`] and `event_loop.rs`.

#![forbid(unsafe_code)]

mod accepting;
mod commands;
mod config;
mod connections;
mod control;
mod event_loop;
mod extensions;
mod faults;
mod fuzz;
mod handshakes;
mod media;
mod overload;
mod parent;
mod places;
mod relays;
mod report;
mod sessions;
mod sources;
mod translate;
mod validate;
mod waiting;

pub use config::{LOUDEST_DEFAULT, SESSIONS_MAX_DEFAULT, WorkerConfig, WorkerStartError};
pub use parent::Parent;

/// Runs until SIGTERM, or until a drain is complete. Blocks SIGTERM and SIGINT in the calling thread, which
/// must be the only one: SIGTERM ends the loop in good order, SIGINT is the supervisor's to deal with.
///
/// Logs through `tracing`, at the start and end of sessions only. The subscriber is the caller's, and must
/// never block: a full pipe has to lose lines, not packets.
pub fn run(config: WorkerConfig, parent: Box<dyn Parent>) -> Result<(), WorkerStartError> {
    let span = tracing::info_span!("worker", worker = config.index.0);
    let _entered = span.enter();
    faults::log_panics();
    event_loop::Worker::start(config, parent)?.run();
    Ok(())
}

#[doc(hidden)]
pub use fuzz::control_lines as fuzz_control_lines;
