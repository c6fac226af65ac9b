//! Decides which TURN servers clients are told. Refuses a secret that can't be shared before anything is started.

use std::net::SocketAddr;
use std::path::Path;

use chappe_signaling::TurnSecret;
use chappe_supervisor::Role;

use crate::failure::{Failure, usage};
use crate::node::flags::Flags;

pub fn listener(role: Role, flags: &Flags) -> Result<Option<SocketAddr>, Failure> {
    match flags.turn {
        Some(_) if flags.turn_url.is_some() => {
            usage("--turn runs a TURN server and --turn-url names another one: say one")
        }
        Some(_) if !role.has_http() => {
            usage("`chappe sfu` tells clients nothing: say --turn on the nodes that have pages")
        }
        turn => Ok(turn),
    }
}

pub fn urls(flags: &Flags) -> Result<Vec<String>, Failure> {
    match (&flags.turn_url, &flags.turn_secret) {
        (Some(urls), Some(file)) => match read_turn_secret(file) {
            Ok(_) => Ok(urls.clone()),
            Err(problem) => usage(problem),
        },
        (Some(_), None) => usage(
            "--turn-url goes with --turn-secret FILE, which has what coturn calls static-auth-secret: clients get \
             credentials that are made with it",
        ),
        (None, Some(_)) => usage("--turn-secret goes with --turn-url turn:HOST:PORT: name the server, or leave it out"),
        (None, None) => Ok(Vec::new()),
    }
}

/// What is wrong with the file, if anything.
pub fn read_turn_secret(file: &Path) -> Result<TurnSecret, String> {
    let name = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| format!("--turn-secret {name} can't be read: {error}"))?;
    TurnSecret::parse(&text).ok_or_else(|| format!("--turn-secret {name}: wants a line of at least 16 characters"))
}
