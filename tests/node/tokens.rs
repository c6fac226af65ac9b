//! Keys and tokens as an operator makes them, against a real node that asks for them.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::operates::run;
use crate::running::{Dir, Running, chappe, eventually};

/// Status of a request to the public listener.
fn asked(node: &Running, method: &str, path: &str, token: &str) -> u16 {
    let address = node.state()["http"].as_str().unwrap().to_owned();
    let mut socket = TcpStream::connect(&address).unwrap();
    let bearer = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{bearer}");
    write!(socket, "{head}Content-Type: application/sdp\r\nContent-Length: 0\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_key_is_made_signs_tokens_and_is_revoked_while_the_node_runs() {
    let dir = Dir::new();
    let file = dir.path("keys");
    let path = file.to_str().unwrap().to_owned();
    let (code, made, _) = run(&dir, &["keys", "add", "--keys", &path, "--json"]);
    assert_eq!(code, 0);
    let made: Value = serde_json::from_str(&made).unwrap();
    let id = made["id"].as_str().unwrap().to_owned();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(run(&dir, &["keys", "add", "--keys", &path]).0, 0, "a second one");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    assert_eq!(run(&dir, &["keys", "list", "--admin", &nobody]).0, 3, "the node is named behind the order, too");
    let (_, listed, _) = run(&dir, &["keys", "list", "--keys", &path]);
    assert_eq!((listed.lines().count(), listed.lines().next().unwrap()), (2, id.as_str()));
    let (code, token, _) = run(&dir, &["token", "--keys", &path, "--room", "demo", "--watch"]);
    let token = token.trim();
    assert_eq!((code, token.split('.').count()), (0, 3), "{token}");
    let (_, told, _) = run(&dir, &["token", "--keys", &path, "--inspect", token]);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["claims"]["video"]["room"], "demo");
    assert!(told["verdict"].as_str().unwrap().starts_with("good for 5h"), "{told}");

    let command = chappe(&dir, &["--workers", "1", "--auth", "jwt", "--keys", &path]);
    let node = Running::start_in(dir, command);
    let list = |token: &str| asked(&node, "GET", "/api/rooms", token);
    eventually("the key is known", || (list(token) == 200).then_some(()));
    assert_eq!(list(""), 401);
    assert_eq!(asked(&node, "POST", "/whip/demo/cam", ""), 401);
    assert_eq!(asked(&node, "POST", "/whep/demo/cam", token), 400, "it may, and an empty offer is none");
    let (code, _, _) = run(&node.dir, &["keys", "revoke", &id, "--keys", &path]);
    assert_eq!(code, 0);
    eventually("the key is void", || (list(token) == 401).then_some(()));
}

#[test]
fn a_token_that_permits_nothing_and_a_file_that_is_not_there_are_refused_with_the_remedy() {
    let dir = Dir::new();
    let file = dir.path("keys");
    let path = file.to_str().unwrap();
    let (code, _, error) = run(&dir, &["token", "--keys", path, "--room", "demo", "--watch"]);
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("chappe keys add --keys"), "{error}");
    assert_eq!(run(&dir, &["keys", "add", "--keys", path]).0, 0);
    let (code, _, error) = run(&dir, &["token", "--keys", path, "--room", "demo"]);
    assert!(code == 2 && error.contains("--publish, --watch"), "{error}");
    let (code, _, error) = run(&dir, &["token", "--keys", path, "--room", "a b", "--watch"]);
    assert!(code == 2 && error.lines().count() == 1, "{error}");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let (code, _, error) = run(&dir, &["keys", "list", "--keys", path]);
    assert!(code == 0 && error.contains(path) && error.contains("chmod 600"), "{error}");
}
