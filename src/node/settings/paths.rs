//! Owns naming files from the root: children may be started elsewhere. Knows where this user keeps what lasts.

use std::path::{Path, PathBuf};

use chappe_signaling::IssuerSource;

pub fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Of `ISSUER=FILE` or `ISSUER=URL`.
pub fn absolute_issuer(text: &str) -> String {
    match IssuerSource::parse(text) {
        Ok((issuer, IssuerSource::File(file))) => format!("{issuer}={}", absolute(&file).display()),
        _ => text.to_owned(),
    }
}

/// What outlives the node and the session of its user.
pub fn state_directory() -> Option<PathBuf> {
    let named = |variable: &str| std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || named("HOME").filter(|home| home != Path::new("/")).map(|home| home.join(".local/state"));
    named("XDG_STATE_HOME").or_else(home)
}
