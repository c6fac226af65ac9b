//! Decides where the state file is. Refuses a place that has no folder before anything is started.

use std::path::{Path, PathBuf};

use crate::failure::{Failure, usage};
use crate::node::flags::Flags;

pub fn plan(flags: &Flags) -> Result<Option<PathBuf>, Failure> {
    let Some(path) = &flags.state_file else { return Ok(None) };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if path.is_dir() {
        return usage(format!("--state-file {}: it is a folder; name a file in it", path.display()));
    }
    if !folder.is_dir() {
        return usage(format!("--state-file {}: there is no folder {}", path.display(), folder.display()));
    }
    Ok(Some(path.clone()))
}
