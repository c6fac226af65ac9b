//! How a node ends, and the exit codes with which signaling asks for it.

use std::process::ExitStatus;

use chappe_supervisor_api::ProcessName;

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All children are gone after one request to stop.
    InOrder,
    /// A second signal cut the waiting short.
    AtOnce,
    /// Signaling said that the node must not run; its log says why.
    Refused,
}

/// With this code signaling asks that the node stops in order, for example because it is drained.
pub const EXIT_STOP: u8 = 10;
/// The same, but the node has failed: starting it again would lead to the same.
pub const EXIT_REFUSE: u8 = 11;

/// What an exit code of signaling asks for.
pub fn asks_to_stop(name: ProcessName, status: ExitStatus) -> Option<bool> {
    let code = status.code().filter(|_| name == ProcessName::Signaling)?;
    (code == i32::from(EXIT_STOP) || code == i32::from(EXIT_REFUSE)).then_some(code == i32::from(EXIT_REFUSE))
}
