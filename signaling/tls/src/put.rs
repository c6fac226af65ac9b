//! Owns writing a file whole: whoever reads it sees what was there before or all of what is new.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

pub fn put(file: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut part = file.to_owned().into_os_string();
    part.push(format!(".{}", std::process::id()));
    let part = PathBuf::from(part);
    let _ = fs::remove_file(&part);
    OpenOptions::new().write(true).create_new(true).mode(mode).open(&part)?.write_all(bytes)?;
    fs::rename(part, file)
}
