//! Reads API keys from the file that the command line names, and from the environment. Never says what is done with them.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

use chappe_signaling_access::{ApiKey, parse_keys};

use crate::failure::Failure;

pub fn read(path: &Path) -> Result<Vec<ApiKey>, Failure> {
    let text = text(path).map_err(|error| unreadable(path, &error))?;
    parse_keys(&text).map_err(|error| Failure::Usage(format!("--keys {}: {error}", path.display())))
}

/// A pipe is as good as a file (`--keys <(…)`); what does not end, such as a device, is none.
fn text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let count = File::open(path)?.take(KEYS_BYTES_MAX + 1).read_to_string(&mut text)?;
    match u64::try_from(count) {
        Ok(0..=KEYS_BYTES_MAX) => Ok(text),
        _ => Err(io::Error::new(ErrorKind::FileTooLarge, format!("it has more than {} kB", KEYS_BYTES_MAX >> 10))),
    }
}

/// Those of the environment; none where it has no such variable.
pub fn of_environment() -> Result<Option<Vec<ApiKey>>, Failure> {
    let Some(text) = std::env::var_os(KEYS_VARIABLE) else { return Ok(None) };
    let keys =
        parse_keys(&text.to_string_lossy()).map_err(|error| Failure::Usage(format!("{KEYS_VARIABLE}: {error}")))?;
    Ok(Some(keys))
}

/// With what makes it, or the way to another one.
fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let file = path.display();
    let remedy = match error.kind() {
        ErrorKind::NotFound => format!("`chappe keys add --keys {file}` makes it"),
        ErrorKind::PermissionDenied => "its owner and root may read it".to_owned(),
        _ => "name a file that `chappe keys add --keys FILE` has made".to_owned(),
    };
    Failure::Usage(format!("--keys {file} can't be read ({error}): {remedy}"))
}

/// Of 10,000 keys.
const KEYS_BYTES_MAX: u64 = 1 << 20;
/// More keys, `id:secret` with commas between them.
pub const KEYS_VARIABLE: &str = "CHAPPE_API_KEYS";
