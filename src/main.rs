//! The command line of Chappe. Decides which program this process is, and turns its end into an exit code.
//! Never opens a socket itself.
//!
//! One binary is four programs: the supervisor (`chappe up`), its children (`chappe worker …` and
//! `chappe signaling-process …`, started by the supervisor only), and the tools that operate a node.

#![forbid(unsafe_code)]

mod children;
mod cli;
mod failure;
mod settings;

use std::ffi::OsString;
use std::process::ExitCode;

use chappe_supervisor::{Ended, NodePlan, child};
use clap::Parser;

use crate::cli::{Cli, Program};
use crate::failure::Failure;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    // The children's arguments are a contract between two of our own processes: no help, no environment.
    let result = match args.get(1).and_then(|name| name.to_str()) {
        Some(child::WORKER_COMMAND) => children::worker(args.get(1..).unwrap_or_default()),
        Some(child::SIGNALING_COMMAND) => children::signaling(args.get(1..).unwrap_or_default()),
        _ => operator(args),
    };
    result.unwrap_or_else(|failure| {
        eprintln!("chappe: {failure}");
        failure.exit_code()
    })
}

/// What a person types.
fn operator(args: Vec<OsString>) -> Result<ExitCode, Failure> {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(e) => return failure::help_or_usage(&e),
    };
    let program = cli.program.unwrap_or(Program::Up);
    let plan = settings::plan(program, cli.flags)?;
    run_node(&plan)
}

fn run_node(plan: &NodePlan) -> Result<ExitCode, Failure> {
    match chappe_supervisor::run(plan).map_err(|e| Failure::Start(e.to_string()))? {
        Ended::InOrder => Ok(ExitCode::SUCCESS),
        Ended::AtOnce => Ok(ExitCode::from(STOPPED_BY_SECOND_SIGNAL)),
        Ended::Refused => Ok(ExitCode::FAILURE),
    }
}

/// What a shell reports for a program that Ctrl-C ended.
const STOPPED_BY_SECOND_SIGNAL: u8 = 130;
