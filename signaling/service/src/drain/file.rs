//! Owns what must be remembered of a drain when this process dies: until when it lasts. No worker's note could hold it,
//! because a node that drains may have no session any more. Never decides whether the node drains.
//!
//! It is a file beside the control sockets, in the private directory of this run of the node, so that it is there for
//! the next signaling process and gone with the supervisor.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{fs, io};

use tracing::warn;

use crate::unlocked::assert_unlocked;

/// There while the node drains, with the Unix time of the deadline in milliseconds.
#[derive(Debug)]
pub struct DrainFile {
    path: Option<PathBuf>,
    changes: Mutex<()>,
}

/// The file may be changed, and the state with it: two that begin and cancel a drain at once leave both saying the same.
/// The lock of the state is taken after this one, and not while the disk is waited for.
#[derive(Debug)]
pub struct DrainFileTurn<'a> {
    path: Option<&'a Path>,
    _changes: MutexGuard<'a, ()>,
}

impl DrainFile {
    /// `control` is a worker's control socket. A node without workers has no sessions: its drains last for a moment,
    /// and nothing is remembered.
    pub fn beside(control: Option<&Path>) -> DrainFile {
        DrainFile { path: control.map(|control| control.with_file_name(FILE)), changes: Mutex::new(()) }
    }

    pub fn turn(&self) -> DrainFileTurn<'_> {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        DrainFileTurn { path: self.path.as_deref(), _changes: changes }
    }

    pub fn read(&self) -> Option<u64> {
        let text = fs::read_to_string(self.path.as_ref()?).ok()?;
        let until_ms = text.parse().ok();
        if until_ms.is_none() {
            warn!(text, "the deadline of a drain can't be read: the node serves");
        }
        until_ms
    }
}

impl DrainFileTurn<'_> {
    /// Written whole and renamed into place, so that whoever is killed here leaves the old or the new deadline.
    pub fn write(&self, until_ms: u64) {
        assert_unlocked();
        let Some(path) = self.path else { return };
        let part = path.with_extension("part");
        let written = fs::write(&part, until_ms.to_string()).and_then(|()| fs::rename(&part, path));
        if let Err(error) = written {
            warn!(%error, path = %path.display(), "should signaling die now, the node would forget that it drains");
        }
    }

    pub fn remove(&self) {
        assert_unlocked();
        let Some(path) = self.path else { return };
        if let Err(error) = fs::remove_file(path)
            && error.kind() != io::ErrorKind::NotFound
        {
            warn!(%error, path = %path.display(), "should signaling die now, the node would drain again");
        }
    }
}

const FILE: &str = "drain";
