//! Owns `--state-file`: where the node listens and which processes it has, for scripts and tests.
//! Written whole and renamed into place, so that a reader never sees half of it; removed at the end.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use chappe_supervisor_api::{ProcessName, ProcessStatus};

#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
}

/// What does not change while the node runs.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// None on a node that only carries media.
    pub http: Option<SocketAddr>,
    pub admin: SocketAddr,
    pub has_admin_tls: bool,
}

impl StateFile {
    pub fn new(path: PathBuf) -> StateFile {
        StateFile { path }
    }

    pub fn write(&self, addresses: Addresses, processes: &[ProcessStatus]) -> io::Result<()> {
        let mut part = self.path.clone().into_os_string();
        part.push(".part");
        fs::write(&part, render(addresses, processes))?;
        fs::rename(&part, &self.path)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for StateFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// JSON by hand: all of it is numbers, addresses and fixed names, and the parent needs no JSON library for that.
fn render(addresses: Addresses, processes: &[ProcessStatus]) -> String {
    let pid = |status: &ProcessStatus| status.pid.map_or("null".to_owned(), |pid| pid.to_string());
    let mut text = format!(
        "{{\"supervisor\":{{\"pid\":{}}},\"http\":{},\"admin\":\"{}\",\"admin_tls\":{}",
        std::process::id(),
        addresses.http.map_or("null".to_owned(), |http| format!("\"{http}\"")),
        addresses.admin,
        addresses.has_admin_tls
    );
    let mut workers = Vec::new();
    for status in processes {
        let (pid, restarts) = (pid(status), status.restarts);
        match status.name {
            ProcessName::Signaling => {
                let _ = write!(text, ",\"signaling\":{{\"pid\":{pid},\"restarts\":{restarts}}}");
            }
            ProcessName::Worker(index) => {
                let port = status.media_port.unwrap_or_default();
                workers
                    .push(format!("{{\"index\":{index},\"pid\":{pid},\"media_port\":{port},\"restarts\":{restarts}}}"));
            }
        }
    }
    let _ = writeln!(text, ",\"workers\":[{}]}}", workers.join(","));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lists_where_the_node_listens_and_its_processes() {
        let addresses = Addresses {
            http: Some("127.0.0.1:8080".parse().unwrap()),
            admin: "[::1]:8081".parse().unwrap(),
            has_admin_tls: false,
        };
        let processes = ["signaling up 10 5 0 -", "worker-0 up 11 5 2 7000", "worker-1 backing-off - 0 1 7001"];
        let processes = processes.map(|line| line.parse::<ProcessStatus>().unwrap());
        let expected = format!(
            concat!(
                r#"{{"supervisor":{{"pid":{}}},"http":"127.0.0.1:8080","admin":"[::1]:8081","admin_tls":false,"#,
                r#""signaling":{{"pid":10,"restarts":0}},"workers":[{{"index":0,"pid":11,"media_port":7000,"restarts":2}},"#,
                r#"{{"index":1,"pid":null,"media_port":7001,"restarts":1}}]}}"#,
                "\n"
            ),
            std::process::id()
        );
        assert_eq!(render(addresses, &processes), expected);
    }
}
