//! Owns a file of lines that becomes another one at a size, and the files that it was before. Opens it when there is
//! something to write.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::plan::LogFilePlan;

#[derive(Debug)]
pub struct RotatingFile {
    plan: LogFilePlan,
    open: Option<File>,
}

impl RotatingFile {
    pub fn new(plan: LogFilePlan) -> RotatingFile {
        RotatingFile { plan, open: None }
    }

    pub fn path(&self) -> &Path {
        &self.plan.path
    }

    /// The next line goes to whatever has the name then.
    pub fn close(&mut self) {
        self.open = None;
    }

    /// Whole lines. With an error, how many of them were not written.
    pub fn write(&mut self, lines: &[u8]) -> Result<(), (io::Error, u64)> {
        let mut rest = lines;
        while !rest.is_empty() {
            match self.write_some(rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) => {
                    self.open = None;
                    return Err((error, rest.iter().filter(|byte| **byte == b'\n').count() as u64));
                }
            }
        }
        Ok(())
    }

    /// As many lines as there is room for, and one where there is none; their bytes.
    fn write_some(&mut self, lines: &[u8]) -> io::Result<usize> {
        let mut file = self.opened()?;
        // Another program may have cut it (copytruncate).
        let mut size = file.metadata()?.len();
        let first = lines.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |end| end + 1);
        if size > 0 && size + first as u64 > self.plan.bytes_max {
            drop(file);
            self.rotate()?;
            file = self.opened()?;
            size = 0;
        }
        let room = usize::try_from(self.plan.bytes_max.saturating_sub(size)).unwrap_or(usize::MAX);
        let fitting = lines.get(..room).unwrap_or(lines);
        let count = fitting.iter().rposition(|byte| *byte == b'\n').map_or(first, |end| end + 1);
        let fitting = lines.get(..count).unwrap_or(lines);
        file.write_all(fitting)?;
        self.open = Some(file);
        Ok(fitting.len())
    }

    fn opened(&mut self) -> io::Result<File> {
        match self.open.take() {
            Some(file) => Ok(file),
            // Lines name addresses of clients.
            None => OpenOptions::new().append(true).create(true).mode(0o640).open(&self.plan.path),
        }
    }

    /// Each file gets the next number, and the oldest is gone.
    fn rotate(&self) -> io::Result<()> {
        for number in (1..self.plan.files).rev() {
            moved(&self.numbered(number - 1), Some(&self.numbered(number)))?;
        }
        if self.plan.files <= 1 { moved(&self.plan.path, None) } else { Ok(()) }
    }

    /// 0 is the one that is written.
    fn numbered(&self, number: u16) -> PathBuf {
        let mut name: OsString = self.plan.path.clone().into();
        if number > 0 {
            name.push(format!(".{number}"));
        }
        name.into()
    }
}

/// One that is not there needs no moving.
fn moved(from: &Path, to: Option<&Path>) -> io::Result<()> {
    let done = match to {
        Some(to) => fs::rename(from, to),
        None => fs::remove_file(from),
    };
    match done {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
