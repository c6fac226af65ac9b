//! The command line of Chappe. Decides which program this process is, and turns its end into an exit code.
//! Never opens a socket itself.
//!
//! One binary is four programs: the supervisor (`chappe up`), its children (`chappe worker …` and
//! `chappe signaling-process …`, started by the supervisor only), and the tools that operate a node.

#![forbid(unsafe_code)]

mod failure;
mod node;

use std::ffi::OsString;
use std::process::ExitCode;

use chappe_supervisor::child;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    // The children's arguments are a contract between two of our own processes: no help, no environment.
    let result = match args.get(1).and_then(|name| name.to_str()) {
        Some(child::WORKER_COMMAND) => node::children::worker(args.get(1..).unwrap_or_default()),
        Some(child::SIGNALING_COMMAND) => node::children::signaling(args.get(1..).unwrap_or_default()),
        _ => node::run(args),
    };
    result.unwrap_or_else(|failure| {
        eprintln!("chappe: {failure}");
        failure.exit_code()
    })
}
