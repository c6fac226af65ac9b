//! Asks the supervisor of a node of this machine for what only the user who runs it may: nothing that the admin
//! listener, which has no keys, would do for whoever reaches it.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use chappe_supervisor_api::{SOCKET_FILE, SupervisorReply, SupervisorRequest};

use super::find::directory_of;
use crate::failure::Failure;

/// The node whose admin listener is `admin` starts its processes from this file from now on. Returns that of before; none
/// from a supervisor of an earlier version.
pub fn set_program(admin: &str, path: PathBuf) -> Result<Option<PathBuf>, Failure> {
    let is_line = path.to_str().is_some_and(|text| !text.contains('\n'));
    if !is_line {
        return Err(Failure::Usage(format!("--binary {}: wants a path in UTF-8, on one line", path.display())));
    }
    let directory = directory_of(admin).ok_or_else(|| {
        Failure::Usage(format!(
            "--binary works on the machine of the node, as the user who runs it; {admin} is no such node"
        ))
    })?;
    let not_reached = |error: io::Error| {
        Failure::NotReached(format!("the supervisor in {} does not answer: {error}", directory.display()))
    };
    match ask(directory.join(SOCKET_FILE), &SupervisorRequest::Program { path }).map_err(not_reached)? {
        SupervisorReply::Error(why) => Err(Failure::Refused(why)),
        SupervisorReply::ProgramBefore(path) => Ok(Some(path)),
        _ => Ok(None),
    }
}

/// The first line of the answer.
fn ask(socket: PathBuf, request: &SupervisorRequest) -> io::Result<SupervisorReply> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    stream.write_all(format!("{request}\n").as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    line.trim_end_matches('\n').parse().map_err(|_| io::ErrorKind::InvalidData.into())
}

/// It answers between two turns of its loop.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
