//! Owns one started `chappe` of a test, on ports that the system chose, in a directory of its own.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Killed when the test is over, and its children with it.
pub struct Running {
    child: Child,
    pub dir: Dir,
}

/// Below the directory of a test, what outlives a node.
const STATE_HOME: &str = "state";

/// A directory that goes with the test. `TMPDIR` of the program, so that what it leaves behind is seen.
pub struct Dir(PathBuf);

/// `chappe` with ports that collide with nobody's and `--state-file` in `dir`.
pub fn chappe(dir: &Dir, args: &[&str]) -> Command {
    let mut command = bare_chappe(dir);
    command.args(["--http", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--media-port", "0", "--state-file"]);
    command.arg(dir.state_file()).args(args);
    command
}

/// `chappe` without flags, and without the environment of whoever runs the tests.
pub fn bare_chappe(dir: &Dir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chappe"));
    let foreign = std::env::vars_os().map(|(key, _)| key).filter(|key| key.to_string_lossy().starts_with("CHAPPE_"));
    foreign.for_each(|key| {
        command.env_remove(key);
    });
    command.env_remove("XDG_RUNTIME_DIR").env_remove("RUST_LOG").stdin(Stdio::null());
    command.env("TMPDIR", &dir.0).env("XDG_STATE_HOME", dir.path(STATE_HOME));
    command
}

impl Running {
    pub fn start(args: &[&str]) -> Running {
        let dir = Dir::new();
        let command = chappe(&dir, args);
        Running::start_in(dir, command)
    }

    /// Returns when the program listens and all its processes have been started.
    pub fn start_in(dir: Dir, mut command: Command) -> Running {
        command.stdout(dir.create("stdout")).stderr(dir.create("stderr"));
        Running::start_with_its_streams(dir, command)
    }

    /// The same, with standard output and error wherever the command has them.
    pub fn start_with_its_streams(dir: Dir, mut command: Command) -> Running {
        let child = command.spawn().unwrap();
        let mut running = Running { child, dir };
        eventually("the state file", || {
            if let Some(status) = running.child.try_wait().unwrap() {
                panic!("ended with {status}: {}", fs::read_to_string(running.dir.path("stderr")).unwrap_or_default());
            }
            running.dir.state_file().exists().then_some(())
        });
        running
    }

    pub fn state(&self) -> Value {
        serde_json::from_slice(&fs::read(self.dir.state_file()).unwrap()).unwrap()
    }

    pub fn signaling(&self) -> Option<u32> {
        pid(&self.state()["signaling"])
    }

    pub fn worker(&self, index: usize) -> Option<u32> {
        pid(&self.state()["workers"][index])
    }

    pub fn workers(&self) -> usize {
        self.state()["workers"].as_array().unwrap().len()
    }

    /// All child processes.
    pub fn children(&self) -> Vec<u32> {
        let workers = (0..self.workers()).filter_map(|index| self.worker(index));
        self.signaling().into_iter().chain(workers).collect()
    }

    /// A GET on the public listener.
    pub fn http(&self, path: &str) -> (u16, String) {
        get(self.state()["http"].as_str().unwrap(), path)
    }

    /// The same on the admin listener, as JSON.
    pub fn admin(&self, path: &str) -> Value {
        let (status, body) = get(self.state()["admin"].as_str().unwrap(), path);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Status of a change on the admin listener, with nothing to say.
    pub fn post(&self, path: &str) -> u16 {
        let address = self.state()["admin"].as_str().unwrap().to_owned();
        let mut stream = TcpStream::connect(&address).unwrap();
        let head = "content-type: application/json\r\ncontent-length: 0\r\nconnection: close";
        write!(stream, "POST {path} HTTP/1.1\r\nhost: {address}\r\n{head}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
    }

    /// Status of an offer to publish under `ROOM/STREAM`, and the whole answer.
    pub fn whip(&self, path: &str, offer: &str) -> (u16, String) {
        self.ask("POST", &format!("/whip/{path}"), offer)
    }

    /// A request to the public listener with a body of SDP.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let address = self.state()["http"].as_str().unwrap().to_owned();
        let mut stream = TcpStream::connect(&address).unwrap();
        let head = format!("content-type: application/sdp\r\ncontent-length: {}\r\nconnection: close", body.len());
        write!(stream, "{method} {path} HTTP/1.1\r\nhost: {address}\r\n{head}\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        (answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default(), answer)
    }

    pub fn metrics(&self) -> String {
        get(self.state()["admin"].as_str().unwrap(), "/metrics").1
    }

    /// Status of a GET in plain HTTP on an admin listener that listens on all addresses.
    pub fn http_status_of_plain_admin(&self) -> u16 {
        get(&self.state()["admin"].as_str().unwrap().replace("0.0.0.0", "127.0.0.1"), "/metrics").0
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.child.id(), signal);
    }

    pub fn wait(&mut self) -> ExitStatus {
        eventually("the end of the program", || self.child.try_wait().unwrap())
    }

    /// For another program in the place of this one, which has ended.
    pub fn into_dir(mut self) -> Dir {
        let _ = fs::remove_file(self.dir.state_file());
        std::mem::replace(&mut self.dir, Dir(PathBuf::from("/nowhere")))
    }

    pub fn printed(&self) -> String {
        fs::read_to_string(self.dir.path("stdout")).unwrap()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path("stderr")).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Dir {
    pub fn new() -> Dir {
        Dir::new_beside("")
    }

    /// A second one in the same test.
    pub fn new_beside(suffix: &str) -> Dir {
        let thread = format!("{:?}", std::thread::current().id());
        let digits: String = thread.chars().filter(char::is_ascii_digit).collect();
        let path = std::env::temp_dir().join(format!("chappe-node-test-{}-{digits}{suffix}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Dir(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn state_file(&self) -> PathBuf {
        self.path("state.json")
    }

    /// The private directories of supervisors.
    pub fn runtime_dirs(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.is_dir() && !path.ends_with(STATE_HOME)).collect()
    }

    fn create(&self, name: &str) -> File {
        File::create(self.path(name)).unwrap()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn pid(process: &Value) -> Option<u32> {
    process["pid"].as_u64().map(|pid| pid.try_into().unwrap())
}

pub fn kill(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.try_into().unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

pub fn is_alive(pid: u32) -> bool {
    // A zombie is dead: only nobody has asked how it died yet.
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

/// Asks again and again until there is an answer; fails after a time that no healthy run needs.
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Status and body of `GET path`. Waits for as long as the connection stands.
pub fn get(address: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, body.to_owned())
}
