//! Owns `--state-file`: where the node listens and which processes it has, for scripts and tests.
//! Written whole and renamed into place, so that a reader never sees half of it; removed at the end.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::supervise::SlotView;

#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
}

/// What does not change while the node runs.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// None on a node that only carries media.
    pub http: Option<SocketAddr>,
    pub admin: SocketAddr,
    /// Of worker 0, 1, …
    pub media_ports: Vec<u16>,
}

impl StateFile {
    pub fn new(path: PathBuf) -> StateFile {
        StateFile { path }
    }

    /// `slots` are signaling and then the workers in order.
    pub fn write(&self, addresses: &Addresses, slots: &[SlotView]) -> io::Result<()> {
        let mut part = self.path.clone().into_os_string();
        part.push(".part");
        fs::write(&part, render(addresses, slots))?;
        fs::rename(&part, &self.path)
    }
}

impl Drop for StateFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// JSON by hand: all of it is numbers, addresses and fixed names, and the parent needs no JSON library for that.
fn render(addresses: &Addresses, slots: &[SlotView]) -> String {
    let pid = |view: &SlotView| view.pid.map_or("null".to_owned(), |pid| pid.to_string());
    let mut text = format!(
        "{{\"supervisor\":{{\"pid\":{}}},\"http\":{},\"admin\":\"{}\"",
        std::process::id(),
        addresses.http.map_or("null".to_owned(), |http| format!("\"{http}\"")),
        addresses.admin
    );
    let (signaling, workers) = slots.split_first().map_or((None, slots), |(first, rest)| (Some(first), rest));
    if let Some(view) = signaling {
        let _ = write!(text, ",\"signaling\":{{\"pid\":{},\"restarts\":{}}}", pid(view), view.restarts);
    }
    text.push_str(",\"workers\":[");
    for (index, (view, port)) in workers.iter().zip(&addresses.media_ports).enumerate() {
        let comma = if index > 0 { "," } else { "" };
        let _ = write!(
            text,
            "{comma}{{\"index\":{index},\"pid\":{},\"media_port\":{port},\"restarts\":{}}}",
            pid(view),
            view.restarts
        );
    }
    text.push_str("]}\n");
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
            media_ports: vec![7000, 7001],
        };
        let view = |name: &str, pid, restarts| SlotView { name: name.to_owned(), pid, restarts };
        let slots = [view("signaling", Some(10), 0), view("worker-0", Some(11), 2), view("worker-1", None, 1)];
        let expected = format!(
            concat!(
                r#"{{"supervisor":{{"pid":{}}},"http":"127.0.0.1:8080","admin":"[::1]:8081","#,
                r#""signaling":{{"pid":10,"restarts":0}},"workers":[{{"index":0,"pid":11,"media_port":7000,"restarts":2}},"#,
                r#"{{"index":1,"pid":null,"media_port":7001,"restarts":1}}]}}"#,
                "\n"
            ),
            std::process::id()
        );
        assert_eq!(render(&addresses, &slots), expected);
    }
}
