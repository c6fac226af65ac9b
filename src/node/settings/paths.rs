//! Owns naming files from the root: children may be started elsewhere.

use std::path::{Path, PathBuf};

pub fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Of `ISSUER=FILE`.
pub fn absolute_issuer(text: &str) -> String {
    let (issuer, file) = text.split_once('=').unwrap_or((text, ""));
    format!("{issuer}={}", absolute(Path::new(file)).display())
}
