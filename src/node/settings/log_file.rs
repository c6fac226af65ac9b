//! Decides into which file the log is written. Refuses one that can't be written before anything is started.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;

use chappe_supervisor::LogFilePlan;

use super::paths::absolute;
use crate::failure::{Failure, usage};
use crate::node::flags::Flags;

pub fn plan(flags: &Flags) -> Result<Option<LogFilePlan>, Failure> {
    let Some(path) = flags.log_file.as_deref().map(absolute) else { return Ok(None) };
    // Non-blocking: a pipe that nobody reads is refused, too.
    let opened = OpenOptions::new().append(true).create(true).mode(0o640).custom_flags(NONBLOCK).open(&path);
    match opened.and_then(|file| file.metadata()) {
        Ok(file) if !file.is_file() => usage(format!("--log-file {}: it is no file", path.display())),
        Ok(_) => Ok(Some(LogFilePlan {
            path,
            bytes_max: flags.log_file_size.unwrap_or(BYTES_DEFAULT),
            files: flags.log_files.unwrap_or(FILES_DEFAULT),
        })),
        Err(error) => usage(format!("--log-file {} can't be written: {error}", path.display())),
    }
}

const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
const BYTES_DEFAULT: u64 = 64 << 20;
const FILES_DEFAULT: u16 = 8;
