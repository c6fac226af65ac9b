//! The TURN server of a node, as a stranger's client sees it over each transport.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::operates::run;
use crate::running::{Dir, Running, chappe};

/// A Binding request of RFC 8489 without attributes.
const REQUEST: [u8; 20] = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

/// Begins as the success response to [`REQUEST`] does.
fn is_answer(bytes: &[u8]) -> bool {
    bytes.len() >= 20 && bytes[..2] == [1, 1] && bytes[4..20] == REQUEST[4..]
}

#[test]
fn it_answers_over_udp_tcp_and_tls_on_one_port() {
    let dir = Dir::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = chappe(&dir, &["--workers", "1", "--tls", "dev", "--turn", &free.to_string()]);
    command.env("XDG_STATE_HOME", dir.path("state"));
    let node = Running::start_in(dir, command);
    assert!(node.printed().contains(&format!("  turn      {free}, UDP, TCP and TLS\n")), "{}", node.printed());
    crate::operates::serving(&node, 1);
    let mut answer = [0; 512];
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    udp.send_to(&REQUEST, free).unwrap();
    let length = udp.recv(&mut answer).unwrap();
    assert!(is_answer(&answer[..length]));
    let mut tcp = TcpStream::connect(free).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    tcp.write_all(&REQUEST).unwrap();
    tcp.read_exact(&mut answer[..20]).unwrap();
    assert!(is_answer(&answer[..20]));
    let authority = node.dir.path("state").join("chappe/tls/authority.pem");
    let mut client = Command::new("openssl");
    client
        .args(["s_client", "-quiet", "-verify_return_error", "-connect", &free.to_string(), "-CAfile"])
        .arg(authority);
    let mut tls = client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    tls.stdin.as_mut().unwrap().write_all(&REQUEST).unwrap();
    let read = tls.stdout.as_mut().unwrap().read_exact(&mut answer[..20]);
    let _ = tls.kill();
    tls.wait().unwrap();
    read.unwrap();
    assert!(is_answer(&answer[..20]));
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let dir = Dir::new();
    let secret = dir.path("secret").to_str().unwrap().to_owned();
    std::fs::write(&secret, "too short\n").unwrap();
    let cases: [(&[&str], &str); 5] = [
        (&["--turn-url", "turn:turn.example.org"], "--turn-secret FILE"),
        (&["--turn-secret", &secret], "--turn-url"),
        (&["--turn-url", "turn:turn.example.org", "--turn-secret", &secret], "at least 16 characters"),
        (&["--turn-url", "https://turn.example.org"], "turn:turn.example.org:3478"),
        (&["--turn", "127.0.0.1:0", "--turn-url", "turn:turn.example.org"], "say one"),
    ];
    for (args, expected) in cases {
        let (code, _, error) = run(&dir, args);
        assert_eq!((code, error.lines().count()), (2, 1), "{args:?}: {error}");
        assert!(error.contains(expected), "{args:?}: {error}");
    }
}
