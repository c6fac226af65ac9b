//! Operates nodes that run already: each command asks the admin listener of a node, which answers for its whole
//! cluster, and prints what it says. Never runs a node.

mod admin;
mod commands;
mod completions;
mod config;
mod doctor;
mod drain;
mod entries;
mod find;
mod interrupt;
mod keys;
mod list;
mod load;
mod logs;
mod node;
mod progress;
mod reload;
mod restart;
mod results;
mod scale;
mod session;
mod supervisor;
mod table;
mod terminal;
mod token;
mod token_order;
mod top;
mod trust;
mod units;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::failure::Failure;
use crate::output;
use commands::{CommandLine, Order};

/// Whether the first argument names a command of ours.
pub fn knows(name: &str) -> bool {
    names().any(|command| command == name)
}

pub fn names() -> impl Iterator<Item = String> {
    let command = CommandLine::command();
    command.get_subcommands().map(|command| command.get_name().to_owned()).collect::<Vec<_>>().into_iter()
}

/// `chappe ls` and the like.
pub fn run(args: Vec<OsString>) -> Result<ExitCode, Failure> {
    let operator = match CommandLine::try_parse_from(args) {
        Ok(operator) => operator,
        Err(e) => return output::help_or_usage(&e),
    };
    match operator.order {
        Order::Ls(listing) => list::workers(&listing),
        Order::Top(top) => top::run(&top),
        Order::Rooms(listing) => list::rooms(&listing),
        Order::Streams(listing) => list::streams(&listing),
        Order::Session(look) if look.list => session::all(&look),
        Order::Session(look) => session::show(&look),
        Order::Mute(mute) => session::mute(&mute),
        Order::Kick(kick) => session::kick(&kick),
        Order::Doctor(listing) => doctor::run(&listing),
        Order::Logs(logs) => logs::run(&logs),
        Order::Scale(scale) => scale::run(&scale),
        Order::Reload(reload) => reload::run(&reload),
        Order::Drain(drain) => drain::run(&drain),
        Order::Restart(restart) => restart::run(&restart),
        Order::Keys(keys) => keys::run(&keys),
        Order::Token(token) => token::run(&token),
        Order::Load(load) => load::run(&load),
        Order::Completions { shell } => completions::print(shell),
        Order::Config { json } => config::print(json),
    }
    .map(|()| ExitCode::SUCCESS)
}
