//! Runs a node: the supervisor, and the two programs that it starts. Turns what a person typed into a plan.

pub mod children;
pub mod flags;
pub mod settings;

use std::ffi::OsString;
use std::process::ExitCode;

use chappe_supervisor::{Ended, NodePlan};
use clap::{CommandFactory, Parser};

use crate::failure::Failure;
use crate::output;
use flags::{Cli, Program};

/// `chappe [up|signaling|sfu]`, until the node has ended.
pub fn run(args: Vec<OsString>) -> Result<ExitCode, Failure> {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(e) => return output::help_or_usage(&e),
    };
    let program = cli.program.unwrap_or(Program::Up);
    let plan = settings::plan(program, cli.flags.clone())?;
    let read_again = |running: &NodePlan| settings::renewed(running, program, cli.flags.clone());
    match chappe_supervisor::run(plan, &read_again).map_err(|e| Failure::Start(e.to_string()))? {
        Ended::InOrder => Ok(ExitCode::SUCCESS),
        Ended::AtOnce => Ok(ExitCode::from(STOPPED_BY_SECOND_SIGNAL)),
        Ended::Refused => Ok(ExitCode::FAILURE),
    }
}

/// Whether the first argument names a command of ours.
pub fn knows(name: &str) -> bool {
    names().chain(["help".to_owned()]).any(|command| command == name)
}

pub fn names() -> impl Iterator<Item = String> {
    let command = Cli::command();
    command.get_subcommands().map(|command| command.get_name().to_owned()).collect::<Vec<_>>().into_iter()
}

/// What a shell reports for a program that Ctrl-C ended.
const STOPPED_BY_SECOND_SIGNAL: u8 = 130;
