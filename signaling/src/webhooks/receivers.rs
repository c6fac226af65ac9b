//! Owns what is said of receivers on the command line, and its reading. Never sends anything.

use std::path::{Path, PathBuf};

use chappe_signaling_events::{BadSecret, Secrets};
use hyper::Uri;

/// Who is told, and with which secrets it is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhooks {
    pub receivers: Vec<Uri>,
    /// Read anew for each request, so that a secret is changed without a restart.
    pub secret_file: PathBuf,
    /// Below it what waits for receivers outlives the node; none: nothing does.
    pub state: Option<PathBuf>,
}

/// Whether a receiver's address can be used; what to write if not.
pub fn check_receiver(text: &str) -> Result<Uri, String> {
    let wrong = || "wants an address such as https://example.org/hooks/chappe".to_owned();
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        // It would be in the log, and no receiver would be told it.
        return Err("wants an address without a user and a password: the signature says who tells a receiver, and a \
                    secret may stand in its path"
            .to_owned());
    }
    let has_scheme = matches!(uri.scheme_str(), Some("http" | "https"));
    if has_scheme && uri.host().is_some_and(|host| !host.is_empty()) { Ok(uri) } else { Err(wrong()) }
}

/// The secrets in a file; what to do about it if there are none.
pub fn read_secrets(path: &Path) -> Result<Secrets, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    Secrets::parse(&text).map_err(|bad: BadSecret| bad.to_string())
}
