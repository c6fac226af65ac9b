//! Owns nats-server processes: alone or in a cluster, ended with the test. Never one that was there before.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A server with a directory of its own, which outlives the process until the test ends.
pub struct Server {
    process: Option<Child>,
    directory: Directory,
    arguments: Vec<String>,
    pub port: u16,
}

impl Server {
    /// A server that is alone.
    pub fn start() -> Server {
        Server::start_with("")
    }

    /// With `configuration` added to what all have.
    pub fn start_with(configuration: &str) -> Server {
        Server::prepared(configuration, &["-js"]).started()
    }

    /// One that has no JetStream.
    pub fn start_without_store() -> Server {
        Server::start_without_store_with("")
    }

    pub fn start_without_store_with(configuration: &str) -> Server {
        Server::prepared(configuration, &[]).started()
    }

    fn prepared(configuration: &str, more: &[&str]) -> Server {
        let (directory, port) = (Directory::new(), free_port());
        let path = directory.path().join("server.conf");
        fs::write(&path, configuration).unwrap();
        let (path, port_text, name) = (path.display().to_string(), port.to_string(), format!("n{port}"));
        let mut arguments = vec!["-c", &path, "-a", "127.0.0.1", "-p", &port_text, "-n", &name];
        let data = directory.path().join("data").display().to_string();
        if !more.is_empty() {
            arguments.extend(["-sd", &data]);
        }
        arguments.extend(more);
        let arguments = arguments.into_iter().map(str::to_owned).collect();
        Server { process: None, directory, arguments, port }
    }

    fn started(mut self) -> Server {
        self.start_again();
        self
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// As `kill -9` does: nothing is put in order.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// With what its directory has.
    pub fn start_again(&mut self) {
        self.kill();
        let log = fs::File::create(self.directory.path().join("server.log")).unwrap();
        let process = Command::new(nats_server())
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.process = Some(process);
        self.wait_until_it_listens();
    }

    /// Loses all that was stored.
    pub fn wipe(&self) {
        fs::remove_dir_all(self.directory.path().join("data")).unwrap();
    }

    fn wait_until_it_listens(&mut self) {
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            let ended = self.process.as_mut().and_then(|process| process.try_wait().unwrap());
            if ended.is_some() || began.elapsed() > Duration::from_secs(10) {
                let log = fs::read_to_string(self.directory.path().join("server.log")).unwrap_or_default();
                panic!("nats-server does not listen: {log}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Three servers that know each other. A new cluster stores nothing until all have met.
pub fn start_cluster() -> Vec<Server> {
    let cluster_ports: Vec<u16> = (0..3).map(|_| free_port()).collect();
    let routes: Vec<String> = cluster_ports.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect();
    let routes = routes.join(",");
    let started = cluster_ports.iter().map(|port| {
        let own = format!("nats://127.0.0.1:{port}");
        Server::prepared("", &["-js", "--cluster_name", "test", "--cluster", &own, "--routes", &routes]).started()
    });
    started.collect()
}

/// A directory that is removed with the value.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Directory {
        let path = std::env::temp_dir().join(format!("chappe-engine-{}-{}", std::process::id(), number()));
        fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Below the ports that the kernel gives to clients: one that tries again and again to connect to a port of those, at
/// which nobody listens, is in the end given that port itself and is connected to itself.
pub fn free_port() -> u16 {
    // Test programs run beside each other and begin at different places.
    let spread = std::process::id().wrapping_mul(37);
    for _ in 0..1000 {
        let port = 15_000 + u16::try_from(spread.wrapping_add(number()) % 15_000).unwrap();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}

fn number() -> u32 {
    static LAST: AtomicU32 = AtomicU32::new(0);
    LAST.fetch_add(1, Ordering::Relaxed)
}

/// Where `make tools` puts it, or wherever the machine has one.
fn nats_server() -> PathBuf {
    if let Some(path) = std::env::var_os("CHAPPE_NATS_SERVER") {
        return path.into();
    }
    let of_the_tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.venv/bin/nats-server");
    let on_the_path = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).map(|folder| folder.join("nats-server")).collect::<Vec<_>>());
    let found = std::iter::once(of_the_tools).chain(on_the_path).find(|path| path.is_file());
    found.expect("there is no nats-server; run `make tools`, or name one by CHAPPE_NATS_SERVER")
}
