//! Decides who is told of what happens on a node, and where events wait for receivers that are slow or gone. Refuses what
//! could not be checked by a receiver, and a folder that can't be made.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use super::paths::{absolute, state_directory};
use crate::failure::{Failure, usage};
use crate::node::flags::Flags;

/// An unsigned event could be from anybody.
pub fn receivers(flags: &Flags) -> Result<Vec<String>, Failure> {
    let receivers = flags.webhook.clone().unwrap_or_default();
    for receiver in &receivers {
        if let Err(problem) = chappe_signaling::check_receiver(receiver) {
            return usage(format!("--webhook {problem}"));
        }
    }
    match &flags.webhook_secrets {
        Some(file) => match chappe_signaling::read_secrets(file) {
            Ok(_) => Ok(receivers),
            Err(problem) => usage(format!("--webhook-secrets {}: {problem}", file.display())),
        },
        None if receivers.is_empty() => Ok(receivers),
        None => usage(
            "--webhook goes with --webhook-secrets FILE, by which receivers know that an event is from here: \
             make one with `echo whsec_$(openssl rand -base64 32) > FILE`",
        ),
    }
}

/// None for a node without receivers, and where this user has no place for what lasts. The folder below it that is the
/// node's own is made by signaling, which says so where it can't be; one that was asked for is tried here.
pub fn folder(flags: &Flags) -> Result<Option<PathBuf>, Failure> {
    if flags.webhook_secrets.is_none() {
        return Ok(None);
    }
    let Some(folder) = flags.webhook_state.as_deref().map(absolute) else {
        return Ok(state_directory().map(|state| state.join("chappe/webhooks")));
    };
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.map_err(|error| Failure::Start(format!("--webhook-state {}: {error}", folder.display())))?;
    Ok(Some(folder))
}
