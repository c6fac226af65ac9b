//! Owns the private directory of one run, in which the control sockets are, and what signaling keeps beside them for
//! its next process. Removes it at the end, and removes what supervisors left that were killed.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use chappe_supervisor_api::{STATE_FILE, worker_socket};
use rustix::fs::{FlockOperation, flock};

/// Only its owner may enter (0700). Its lock file is held for as long as the supervisor lives, whatever its pid:
/// that is how another run knows whether the directory is stale.
#[derive(Debug)]
pub struct RuntimeDir {
    path: PathBuf,
    _lock: File,
}

impl RuntimeDir {
    /// Below `$XDG_RUNTIME_DIR` where there is one, else below the directory for temporary files.
    pub fn create() -> io::Result<RuntimeDir> {
        let preferred = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let usable = |dir: &PathBuf| dir.is_absolute() && dir.is_dir() && fits(dir);
        match preferred.filter(usable).map(|base| RuntimeDir::create_in(&base)) {
            Some(Ok(dir)) => Ok(dir),
            Some(Err(_)) | None => RuntimeDir::create_in(&std::env::temp_dir()),
        }
    }

    fn create_in(base: &Path) -> io::Result<RuntimeDir> {
        remove_stale(base);
        let prefix = prefix();
        for attempt in 0..NAME_TRIES {
            let path = base.join(format!("{prefix}{}-{attempt}", std::process::id()));
            // Fails where the name is taken, also by somebody's symbolic link.
            match DirBuilder::new().mode(0o700).create(&path) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => {
                    return Err(io::Error::new(e.kind(), format!("{e} in {} (TMPDIR names another)", base.display())));
                }
                Ok(()) => {
                    // Locked before it has its name, so that nobody ever sees the lock of a living run open.
                    let unnamed = path.join("lock.new");
                    let lock = File::create_new(&unnamed)?;
                    flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
                    fs::rename(unnamed, path.join(LOCK_FILE))?;
                    return Ok(RuntimeDir { path, _lock: lock });
                }
            }
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("no free name below {}", base.display())))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts down what children read that nobody else may see, least of all in a list of processes.
    pub fn write_secret(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.path.join(name))?.write_all(bytes)
    }
}

/// State files of the nodes that this user runs on this machine.
pub fn running_nodes() -> Vec<PathBuf> {
    let bases = [std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from), Some(std::env::temp_dir())];
    let mut bases: Vec<PathBuf> = bases.into_iter().flatten().collect();
    bases.dedup();
    let ours = bases.iter().flat_map(|base| ours(base));
    ours.filter(|dir| is_stale(dir) == Some(false)).map(|dir| dir.join(STATE_FILE)).collect()
}

/// Random bytes of this run of the supervisor: they outlive its children.
pub const NODE_SECRET_FILE: &str = "node-secret";
/// The cluster's address with its credentials.
pub const CLUSTER_FILE: &str = "cluster";

/// Where worker `index` listens for signaling.
pub fn control_path(dir: &Path, index: u16) -> PathBuf {
    dir.join(worker_socket(index))
}

impl Drop for RuntimeDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// A Unix socket's path is at most 107 bytes (unix(7)).
fn fits(base: &Path) -> bool {
    base.as_os_str().len() + ROOM_FOR_NAMES <= 107
}

fn prefix() -> String {
    format!("chappe-{}-", rustix::process::getuid().as_raw())
}

/// Removes directories of ours whose lock nobody holds. Anything odd is left alone: it may be another user's.
fn remove_stale(base: &Path) {
    for dir in ours(base) {
        if is_stale(&dir) == Some(true) {
            let _ = fs::remove_dir_all(dir);
        }
    }
}

/// Directories with our kind of name that belong to this user.
fn ours(base: &Path) -> Vec<PathBuf> {
    let prefix = prefix();
    let entries = fs::read_dir(base).into_iter().flatten().flatten();
    let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix));
    let is_ours = |m: fs::Metadata| m.is_dir() && m.uid() == rustix::process::getuid().as_raw();
    let paths = named.map(|entry| entry.path());
    paths.filter(|path| fs::symlink_metadata(path).is_ok_and(is_ours)).collect()
}

/// Whether its supervisor is gone; none where there is no lock to judge by.
fn is_stale(dir: &Path) -> Option<bool> {
    let lock = File::open(dir.join(LOCK_FILE)).ok()?;
    Some(flock(&lock, FlockOperation::NonBlockingLockShared).is_ok())
}

const LOCK_FILE: &str = "lock";
const NAME_TRIES: u32 = 16;
/// Bytes of `/chappe-<uid>-<pid>-<n>/worker-<i>.sock` at most.
const ROOM_FOR_NAMES: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A base directory that goes when the test is over.
    struct Base(PathBuf);

    impl Base {
        fn new(name: &str) -> Base {
            let path = std::env::temp_dir().join(format!("chappe-test-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Base(path)
        }
    }

    impl Drop for Base {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn it_is_private_and_goes_with_its_owner() {
        let base = Base::new("private");
        let dir = RuntimeDir::create_in(&base.0).unwrap();
        assert_eq!(fs::metadata(dir.path()).unwrap().permissions().mode() & 0o777, 0o700);
        let path = dir.path().to_owned();
        drop(dir);
        assert!(!path.exists());
    }

    #[test]
    fn a_dead_supervisors_directory_is_removed_and_a_living_ones_is_not() {
        let base = Base::new("stale");
        let living = RuntimeDir::create_in(&base.0).unwrap();
        let dead = base.0.join(format!("{}1-0", prefix()));
        fs::create_dir(&dead).unwrap();
        File::create(dead.join(LOCK_FILE)).unwrap();
        let foreign = base.0.join(format!("{}2-0", prefix()));
        fs::create_dir(&foreign).unwrap();
        let _second = RuntimeDir::create_in(&base.0).unwrap();
        assert!(!dead.exists(), "stale");
        assert!(living.path().exists(), "living");
        assert!(foreign.exists(), "without a lock file it is not one of ours");
    }
}
