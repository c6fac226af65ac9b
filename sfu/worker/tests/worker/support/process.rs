//! Owns one worker process with sockets of its own.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::time::Instant;

use super::LIMIT;
use super::control::ControlClient;

pub struct WorkerProcess {
    child: Child,
    pub port: u16,
    directory: PathBuf,
}

impl WorkerProcess {
    pub fn start() -> WorkerProcess {
        WorkerProcess::start_with(100)
    }

    pub fn start_with(sessions_max: u32) -> WorkerProcess {
        let (udp, tcp, port) = bind_media();
        let name = format!("chappe-worker-test-{}-{port}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).expect("directory");
        let control = UnixListener::bind(directory.join("control.sock")).expect("bind control");
        let descriptors: [OwnedFd; 3] = [udp.into(), tcp.into(), control.into()];
        for descriptor in &descriptors {
            rustix::io::fcntl_setfd(descriptor, rustix::io::FdFlags::empty()).expect("inheritable");
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_worker-under-test"));
        command.arg(std::process::id().to_string());
        command.args(descriptors.iter().map(|descriptor| descriptor.as_raw_fd().to_string()));
        command.args([port.to_string(), sessions_max.to_string()]);
        let child = command.spawn().expect("start the worker");
        WorkerProcess { child, port, directory }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where clients reach it.
    pub fn media(&self, host: &str) -> SocketAddr {
        SocketAddr::new(host.parse().expect("address"), self.port)
    }

    pub fn connect(&self) -> ControlClient {
        ControlClient::connect(&self.directory.join("control.sock"))
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("signal");
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("wait").is_none()
    }

    pub fn wait(&mut self) -> ExitStatus {
        let end = Instant::now() + LIMIT;
        loop {
            if let Some(status) = self.child.try_wait().expect("wait") {
                return status;
            }
            assert!(Instant::now() < end, "the worker ends within {LIMIT:?}");
            std::thread::yield_now();
        }
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// A UDP and a TCP socket of one port, for both families.
fn bind_media() -> (UdpSocket, TcpListener, u16) {
    loop {
        let udp = UdpSocket::bind("[::]:0").expect("bind");
        let port = udp.local_addr().expect("bound").port();
        if let Ok(tcp) = TcpListener::bind(("::", port)) {
            return (udp, tcp, port);
        }
    }
}
