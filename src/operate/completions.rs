//! `chappe completions`: a script for a shell, made from the declarations of all commands.

use clap::{Command, CommandFactory};
use clap_complete::{Shell, generate};

use super::commands::CommandLine;
use crate::failure::Failure;
use crate::node::flags::Cli;
use crate::output;

pub fn print(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    generate(shell, &mut whole(), "chappe", &mut script);
    output::print(&String::from_utf8_lossy(&script))
}

/// What runs a node and what operates one, as one program.
fn whole() -> Command {
    let operator = CommandLine::command();
    Cli::command().subcommands(operator.get_subcommands().cloned())
}
