//! `chappe completions`: a script for a shell, made from the declarations of all commands.

use clap::{Arg, Command, CommandFactory};
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

/// What runs a node and what operates one, as one program. The flags of a node are those of the program and of the
/// commands that run one: what operates a node refuses them.
fn whole() -> Command {
    let (node, operator) = (Cli::command(), CommandLine::command());
    let flags: Vec<Arg> = node.get_arguments().map(|flag| flag.clone().global(false)).collect();
    let node = node.mut_args(|flag| flag.global(false)).mut_subcommands(|program| program.args(&flags));
    node.subcommands(operator.get_subcommands().cloned())
}
