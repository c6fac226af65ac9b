//! Owns naming files from the root: children may be started elsewhere.

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
