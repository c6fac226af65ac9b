//! Owns what goes to standard output and standard error of a command. Never decides what is said.
//!
//! `println!` and `eprintln!` panic where nobody reads, and whoever ignores the error of a write reports a full disk as
//! done: tests/tidy keeps all of them out of the program.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write as _};
use std::process::ExitCode;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::failure::{self, Failure};

/// To standard output, with a newline behind it.
pub fn line(text: impl Display) -> Result<(), Failure> {
    print(&format!("{text}\n"))
}

/// To standard output, all of it or an error: nothing stays in a buffer whose end nobody asks about.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| unwritten(&error))
}

/// For a command that may wait for its next line for long: from now on the program ends as soon as nobody reads.
#[expect(
    clippy::disallowed_methods,
    reason = "what waits for the line can't be woken, and holds nothing that is to be ended"
)]
pub fn end_with_reader() {
    std::thread::spawn(|| {
        let out = io::stdout();
        let mut ends = [PollFd::new(&out, PollFlags::empty())];
        while poll(&mut ends, None) == Err(Errno::INTR) {}
        if ends[0].revents().intersects(PollFlags::ERR | PollFlags::HUP) {
            std::process::exit(0);
        }
    });
}

/// A line to standard error. Nobody may be reading; that is no reason to stop.
pub fn note(text: impl Display) {
    let _ = io::stderr().lock().write_all(format!("{text}\n").as_bytes());
}

/// `--help` and `--version` are printed and no failures; everything else that clap says becomes one.
pub fn help_or_usage(error: &clap::Error) -> Result<ExitCode, Failure> {
    if error.use_stderr() {
        return Err(Failure::Usage(failure::one_line(error)));
    }
    error.print().and_then(|()| io::stdout().flush()).map_err(|error| unwritten(&error))?;
    Ok(ExitCode::SUCCESS)
}

/// A pager that was closed early has what it wanted.
fn unwritten(error: &io::Error) -> Failure {
    match error.kind() {
        ErrorKind::BrokenPipe => Failure::ReaderGone,
        _ => Failure::Start(format!("standard output can't be written: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::flags::Cli;
    use clap::Parser;

    #[test]
    fn a_bad_flag_is_told_in_one_line_that_names_the_nearest() {
        let error = Cli::try_parse_from(["chappe", "--htp", "127.0.0.1:1"]).unwrap_err();
        let failure = help_or_usage(&error).unwrap_err();
        assert!(!failure.to_string().contains('\n'), "{failure}");
        assert!(failure.to_string().contains("'--http'"), "{failure}");
        assert_eq!(failure.exit_code(), ExitCode::from(2));
    }
}
