//! Keys and tokens as an operator makes them, against a real node that asks for them.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use serde_json::Value;

use crate::operates::{operator, printed, run};
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
    let (_, told, _) = run(&dir, &["token", "--keys", &path, "--room", "demo", "--watch", "--json"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["key"], told["token"].as_str().unwrap().split('.').count()), (&id.as_str().into(), 3), "{told}");
    assert!(told["expires_ms"].as_u64().unwrap() > 1_700_000_000_000, "{told}");
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
    assert_eq!(printed(&node, &["keys", "revoke", &id, "--keys", &path]), format!("{id} is void\n"));
    eventually("the key is void", || (list(token) == 401).then_some(()));
}

#[test]
fn a_token_that_permits_nothing_and_a_file_that_is_not_there_are_refused_with_the_remedy() {
    let dir = Dir::new();
    let file = dir.path("keys");
    let path = file.to_str().unwrap();
    let (code, _, error) = run(&dir, &["token", "--keys", path, "--room", "demo", "--watch"]);
    assert_eq!(code, 2, "{error}");
    assert!(error.contains("chappe keys add --keys"), "{error}");
    assert_eq!(run(&dir, &["keys", "add", "--keys", path]).0, 0);
    let (code, _, error) = run(&dir, &["token", "--keys", path, "--room", "demo"]);
    assert!(code == 2 && error.contains("--publish, --watch"), "{error}");
    let (code, _, error) = run(&dir, &["token", "--keys", path, "--room", "a b", "--watch"]);
    assert!(code == 2 && error.lines().count() == 1, "{error}");
}

/// By its group, by everybody, and behind a link: who names the file that way is told of it that way.
#[test]
fn a_key_file_that_others_can_read_is_named_by_the_commands_and_in_the_log() {
    for (mode, is_linked) in [(0o600, false), (0o640, false), (0o604, false), (0o660, true), (0o600, true)] {
        let dir = Dir::new();
        let file = dir.path("keys");
        assert_eq!(run(&dir, &["keys", "add", "--keys", file.to_str().unwrap()]).0, 0);
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let named = if is_linked { dir.path("link") } else { file.clone() };
        if is_linked {
            std::os::unix::fs::symlink(&file, &named).unwrap();
        }
        let path = named.to_str().unwrap().to_owned();
        let warning =
            format!("{path} can be read or changed by other users of this machine (mode {mode:03o}): chmod 600 {path}");
        for command in [&["keys", "list"][..], &["keys", "add"], &["token", "--room", "demo", "--watch"]] {
            let (code, _, told) = run(&dir, &[command, &["--keys", &path]].concat());
            assert_eq!(
                (code, told.contains(&warning), told.lines().count()),
                match mode {
                    0o600 => (0, false, 0),
                    _ => (0, true, 1),
                },
                "{command:?} {mode:o}: {told}"
            );
        }
        assert_eq!(fs::symlink_metadata(&named).unwrap().is_symlink(), is_linked, "a key is added behind the link");
        let command = chappe(&dir, &["--workers", "1", "--auth", "jwt", "--keys", &path]);
        let node = Running::start_in(dir, command);
        let log =
            eventually("the file is read", || Some(node.log()).filter(|log| log.contains("the file of keys is read")));
        assert_eq!(log.contains(&warning), mode != 0o600, "{mode:o}: {log}");
    }
}

/// Root adds a key to the file of a node that runs as another user, who still reads it.
#[test]
fn a_key_file_keeps_its_owner_as_root() {
    let dir = Dir::new();
    let file = dir.path("keys");
    let path = file.to_str().unwrap();
    assert_eq!(run(&dir, &["keys", "add", "--keys", path]).0, 0);
    std::os::unix::fs::chown(&file, Some(65_534), Some(65_534)).unwrap();
    assert_eq!(run(&dir, &["keys", "add", "--keys", path]).0, 0);
    let after = fs::metadata(&file).unwrap();
    assert_eq!((after.uid(), after.gid(), after.mode() & 0o777), (65_534, 65_534, 0o600));
}

/// The secret of a key of the cluster's store is in no file.
#[test]
fn a_key_of_the_environment_signs_tokens_too() {
    let dir = Dir::new();
    let token = |keys: &str| {
        let output = operator(&dir, &["token", "--room", "demo", "--watch"]).env("CHAPPE_API_KEYS", keys).output();
        let output = output.unwrap();
        (output.status.code().unwrap(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let (code, made) = token(&format!("key-1:{}", "5".repeat(64)));
    assert_eq!((code, made.trim().split('.').count()), (0, 3), "{made}");
    let (_, told, _) = run(&dir, &["token", "--inspect", made.trim()]);
    assert!(told.contains("\"iss\": \"key-1\""), "{told}");
    let (code, told) = token("key-1");
    assert!(code == 2 && told.lines().count() == 1 && told.contains("CHAPPE_API_KEYS: line 1"), "{told}");
}
