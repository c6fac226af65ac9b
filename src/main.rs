//! The command line of Chappe. Decides which program this process is, and turns its end into an exit code.
//! Never opens a socket itself.
//!
//! One binary is four programs: the supervisor (`chappe up`), its children (`chappe worker …` and
//! `chappe signaling-process …`, started by the supervisor only), and the tools that operate a node.

#![forbid(unsafe_code)]

mod failure;
mod key_file;
mod nearest;
mod node;
mod operate;
mod output;
mod values;

use std::ffi::OsString;
use std::process::ExitCode;

use chappe_supervisor::child;

use crate::failure::Failure;

fn main() -> ExitCode {
    let args = help_of_a_command(std::env::args_os().collect());
    // The children's arguments are a contract between two of our own processes: no help, no environment.
    let result = match args.get(1).and_then(|name| name.to_str()) {
        Some(child::WORKER_COMMAND) => node::children::worker(args.get(1..).unwrap_or_default()),
        Some(child::SIGNALING_COMMAND) => node::children::signaling(args.get(1..).unwrap_or_default()),
        Some(name) if operate::knows(name) => operate::run(args.clone()),
        Some(name) if !name.starts_with('-') && !node::knows(name) => Err(unknown(name)),
        _ => node::run(args.clone()),
    };
    result.unwrap_or_else(|failure| {
        let command = args.get(1).and_then(|name| name.to_str()).filter(|name| operate::knows(name));
        if failure != Failure::ReaderGone {
            output::note(format_args!("chappe: {}", failure.message(command)));
        }
        failure.exit_code()
    })
}

/// `chappe help ls` is `chappe ls --help`.
fn help_of_a_command(args: Vec<OsString>) -> Vec<OsString> {
    match &args[..] {
        [program, help, command] if help == "help" && command != "--help" => {
            vec![program.clone(), command.clone(), "--help".into()]
        }
        _ => args,
    }
}

fn unknown(name: &str) -> Failure {
    let commands: Vec<String> = node::names().chain(operate::names()).collect();
    let all = commands.join(", ");
    match nearest::nearest(name, commands.iter().map(String::as_str)) {
        Some(near) => Failure::Usage(format!("there is no command `{name}`; did you mean `{near}`?")),
        None => Failure::Usage(format!("there is no command `{name}`; there are {all}")),
    }
}
