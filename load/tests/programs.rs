//! The programs that the tests of the cluster lean on: a link that did not lose what it says would make those prove
//! nothing.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::fs::File;
use std::io::{BufReader, Write as _};
use std::net::UdpSocket;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use serde_json::Value;

const DEVICE: &str = "lossy0";
const ADDRESSES: [&str; 2] = ["10.217.91.1", "10.217.91.2"];
const PACKETS: u32 = 5_000;
/// The kernel counts some 2.3 kB for each packet of 1,100 bytes.
const SOCKET_BUFFER_BYTES: usize = 32 << 20;

#[test]
fn as_root_a_link_loses_and_delays_as_told_while_it_runs() {
    assert!(rustix::process::geteuid().is_root(), "network namespaces need root");
    let mut harness = Harness::make();
    let clear = harness.send(PACKETS);
    assert_eq!(clear.arrived, PACKETS, "nothing is lost before it is told");

    harness.say("delay 40");
    harness.say("loss 0.05");
    harness.counts();
    let rough = harness.send(PACKETS);
    let share = 1.0 - f64::from(rough.arrived) / f64::from(PACKETS);
    assert!((0.03..0.07).contains(&share), "lost {share}");
    assert!(rough.fastest >= Duration::from_millis(40), "{:?}", rough.fastest);
    assert!(clear.fastest < rough.fastest, "{:?} before it was told to wait", clear.fastest);
    let counts = harness.counts();
    assert_eq!(counts["there"]["lost"], PACKETS - rough.arrived);
    assert_eq!(counts["there"]["overflowed"], 0);
}

#[test]
fn a_link_to_a_namespace_that_is_not_there_says_so() {
    let program = env!("CARGO_BIN_EXE_chappe-link");
    let output = Command::new(program).args(["--from", "chappe-none", "--to", "chappe-none"]).output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("there is no namespace /run/netns/chappe-none"), "{said}");
}

#[test]
fn clients_without_servers_say_what_they_want() {
    let output = Command::new(env!("CARGO_BIN_EXE_chappe-clients")).output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("--whep <http://HOST:PORT,…>"), "{said}");
}

/// Two namespaces with a link between them; removed at the end.
struct Harness {
    namespaces: [String; 2],
    link: Child,
    commands: ChildStdin,
    events: BufReader<ChildStdout>,
}

struct Seen {
    arrived: u32,
    fastest: Duration,
}

impl Harness {
    fn make() -> Harness {
        let namespaces = ["a", "b"].map(|end| format!("chappe-l{}{end}", std::process::id()));
        for namespace in &namespaces {
            ip(&["netns", "add", namespace]);
        }
        let mut link = Command::new(env!("CARGO_BIN_EXE_chappe-link"))
            .args(["--from", &namespaces[0], "--to", &namespaces[1], "--device", DEVICE, "--seed", "7"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = link.stdin.take().unwrap();
        let mut events = BufReader::new(link.stdout.take().unwrap());
        assert_eq!(next(&mut events)["event"], "ready");
        for (at, namespace) in namespaces.iter().enumerate() {
            ip(&["-n", namespace, "addr", "add", ADDRESSES[at], "peer", ADDRESSES[1 - at], "dev", DEVICE]);
            ip(&["-n", namespace, "link", "set", DEVICE, "up"]);
        }
        Harness { namespaces, link, commands, events }
    }

    fn say(&mut self, command: &str) {
        writeln!(self.commands, "{command}").unwrap();
    }

    fn counts(&mut self) -> Value {
        self.say("counts");
        next(&mut self.events)
    }

    /// Sends numbered packets there at 5,000 packets/s, the pace that a link has to bear.
    fn send(&self, count: u32) -> Seen {
        let receiver = socket(&self.namespaces[1], ADDRESSES[1]);
        let sender = socket(&self.namespaces[0], ADDRESSES[0]);
        receiver.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let remote = receiver.local_addr().unwrap();
        let began = Instant::now();
        let sending = std::thread::spawn(move || {
            for number in 0..count {
                let due = began + Duration::from_micros(200) * number;
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                let mut packet = [0u8; 1100];
                packet[..8].copy_from_slice(&u64::try_from(began.elapsed().as_nanos()).unwrap().to_be_bytes());
                sender.send_to(&packet, remote).unwrap();
            }
        });
        let mut seen = Seen { arrived: 0, fastest: Duration::MAX };
        let mut packet = [0u8; 1100];
        // A silence is the end only where nothing is sent any more: a busy machine has others.
        loop {
            let is_all_sent = sending.is_finished();
            if receiver.recv(&mut packet).is_ok() {
                let sent = Duration::from_nanos(u64::from_be_bytes(packet[..8].try_into().unwrap()));
                seen.arrived += 1;
                seen.fastest = seen.fastest.min(began.elapsed() - sent);
            } else if is_all_sent {
                break;
            }
        }
        sending.join().unwrap();
        seen
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        let _ = self.link.kill();
        let _ = self.link.wait();
        for namespace in &self.namespaces {
            let _ = Command::new("ip").args(["netns", "del", namespace]).status();
        }
    }
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().unwrap();
    assert!(output.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn next(events: &mut impl std::io::BufRead) -> Value {
    let mut line = String::new();
    events.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"))
}

/// A thread belongs to a namespace; a socket stays in the one in which it was made.
fn socket(namespace: &str, address: &'static str) -> UdpSocket {
    let file = File::open(format!("/run/netns/{namespace}")).unwrap();
    let made = std::thread::spawn(move || {
        setns(file, CloneFlags::CLONE_NEWNET).unwrap();
        let socket = UdpSocket::bind((address, 0)).unwrap();
        // Holds all packets of a test: what a busy machine reads late is late, and not lost.
        set_socket_recv_buffer_size_force(&socket, SOCKET_BUFFER_BYTES).unwrap();
        socket
    });
    made.join().unwrap()
}
