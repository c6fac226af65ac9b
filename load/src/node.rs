//! Owns a node started for a measurement: the real binary, as a rule with one worker on one core.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::http::Server;

/// Stops when dropped.
pub struct Node {
    child: Child,
    state_file: std::path::PathBuf,
    pub server: Server,
    pub worker_pid: u32,
}

impl Node {
    /// Starts `chappe up` with one worker, on free ports of the loopback address.
    pub fn start(binary: &Path) -> Result<Node> {
        Node::with_workers(binary, 1)
    }

    pub fn with_workers(binary: &Path, workers: usize) -> Result<Node> {
        Node::with(binary, workers, &[])
    }

    /// With more flags.
    pub fn with(binary: &Path, workers: usize, flags: &[&str]) -> Result<Node> {
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let state_file = std::env::temp_dir().join(format!("chappe-bench-{}-{number}.json", std::process::id()));
        let child = Command::new(binary)
            .args(["up", "--http", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--media-port", "0"])
            .args(["--workers", &workers.to_string(), "--public-ip", "127.0.0.1", "--state-file"])
            .arg(&state_file)
            .args(flags)
            .env("RUST_LOG", std::env::var("RUST_LOG").unwrap_or_else(|_| "warn".to_owned()))
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}: build it with `cargo build --release`", binary.display()))?;
        let mut node = Node { child, state_file, server: Server::new("", ""), worker_pid: 0 };
        node.wait_until_ready()?;
        Ok(node)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                bail!("the node ended before it was ready: {status}");
            }
            if let Some((server, worker_pid)) = self.read_state() {
                (self.server, self.worker_pid) = (server, worker_pid);
                if self.server.is_ready() {
                    return Ok(());
                }
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("the node was not ready within {START_LIMIT:?}")
    }

    fn read_state(&self) -> Option<(Server, u32)> {
        let state: Value = serde_json::from_str(&std::fs::read_to_string(&self.state_file).ok()?).ok()?;
        let address = |key: &str| Some(format!("http://{}", state.get(key)?.as_str()?));
        let worker = state.get("workers")?.get(0)?.get("pid")?.as_u64()?;
        Some((Server::new(&address("http")?, &address("admin")?), u32::try_from(worker).ok()?))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.state_file);
    }
}

/// A file with one API key, which goes when this is dropped.
pub struct NodeKeys(String);

impl NodeKeys {
    /// Made by `chappe keys`.
    pub fn make(binary: &Path) -> Result<NodeKeys> {
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let file = std::env::temp_dir().join(format!("chappe-bench-keys-{}-{number}", std::process::id()));
        let keys = NodeKeys(file.to_str().context("the temporary directory")?.to_owned());
        printed(binary, &["keys", "add", "--keys", keys.file()])?;
        Ok(keys)
    }

    pub fn file(&self) -> &str {
        &self.0
    }

    /// For all that there is in a room.
    pub fn token(&self, binary: &Path, room: &str) -> Result<String> {
        let token = printed(binary, &["token", "--keys", self.file(), "--room", room, "--publish", "--watch"])?;
        Ok(token.trim().to_owned())
    }
}

impl Drop for NodeKeys {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn printed(binary: &Path, args: &[&str]) -> Result<String> {
    let output = Command::new(binary).args(args).output()?;
    ensure!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// Nodes of one run may overlap: each has a state file of its own.
static STARTED: AtomicU32 = AtomicU32::new(0);
const START_LIMIT: Duration = Duration::from_secs(10);
