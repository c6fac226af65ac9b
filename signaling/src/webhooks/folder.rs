//! Owns where what waits for receivers is kept: in a folder of this node's own, which outlives it, or where that can't be
//! had in the private directory of its run. Never reads or writes what waits.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chappe_cluster::NodeName;
use tracing::warn;

/// Of all receivers of a node.
#[derive(Debug, Default)]
pub struct Folder {
    /// The files are written here; none: there is nowhere to write, and the end of the process loses what waits.
    pub path: Option<PathBuf>,
    /// Files of a process before, which could not have the folder, may be here, too.
    pub other: Option<PathBuf>,
    /// Held for as long as the folder is this process's; none: what is written goes with the node.
    lock: Option<File>,
}

impl Folder {
    /// That of a node below `state`, else `run`. Waits a moment for a process that is about to end.
    pub fn open(state: Option<&Path>, node: &NodeName, run: Option<&Path>) -> Folder {
        let run = run.map(Path::to_owned);
        let Some(path) = state.map(|state| state.join(node.as_str())) else {
            return Folder::of_run(run);
        };
        match lock(&path) {
            Ok(lock) => Folder { path: Some(path), other: run, lock: Some(lock) },
            Err(error) => {
                let folder = path.display();
                warn!(%folder, %error, "what waits for receivers is lost at the end of this node");
                Folder::of_run(run)
            }
        }
    }

    /// One that goes with the node.
    pub fn of_run(path: Option<PathBuf>) -> Folder {
        Folder { path, ..Folder::default() }
    }

    /// Whether it outlives the node.
    pub fn lasts(&self) -> bool {
        self.lock.is_some()
    }
}

/// Two processes that write the same files would lose what the other one wrote.
fn lock(folder: &Path) -> io::Result<File> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let file = OpenOptions::new().create(true).write(true).truncate(false).mode(0o600).open(folder.join(LOCK_FILE))?;
    let deadline = Instant::now() + PREDECESSOR_ENDS_WITHIN;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => std::thread::sleep(LOOKS_AGAIN_AFTER),
            Err(TryLockError::WouldBlock) => {
                let why =
                    "another node of this name has the folder: give one of them another --node or --webhook-state";
                return Err(io::Error::new(io::ErrorKind::WouldBlock, why));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

const LOCK_FILE: &str = "lock";
/// Whose supervisor was killed.
const PREDECESSOR_ENDS_WITHIN: Duration = Duration::from_secs(5);
const LOOKS_AGAIN_AFTER: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_folder_is_one_process_s_and_its_owner_s_alone() {
        let state = std::env::temp_dir().join(format!("chappe-folder-{}", std::process::id()));
        let run = Path::new("/run/of/the/node");
        let named = |text: &str| NodeName::parse(text).unwrap();
        let first = Folder::open(Some(&state), &named("a"), Some(run));
        let (path, other) = (first.path.clone().unwrap(), first.other.as_deref());
        assert_eq!((path.as_path(), other, first.lasts()), (state.join("a").as_path(), Some(run), true));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        let second = Folder::open(Some(&state), &named("a"), Some(run));
        assert_eq!((second.path.as_deref(), second.other.as_deref(), second.lasts()), (Some(run), None, false));
        assert!(Folder::open(Some(&state), &named("b"), None).lasts(), "another name is another folder");
        drop(first);
        assert!(Folder::open(Some(&state), &named("a"), None).lasts(), "once the first is over");
        fs::remove_dir_all(&state).unwrap();
        let nowhere = Folder::open(Some(Path::new("/proc/nowhere")), &named("a"), None);
        assert_eq!((nowhere.path.as_deref(), nowhere.lasts()), (None, false));
    }
}
