//! An admin listener that other machines reach: who gets in, and how the commands do.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::Stdio;

use crate::operates::{operator, run};
use crate::running::{Dir, Running, bare_chappe, chappe, eventually};

/// With an admin listener on all addresses.
fn reachable(dir: &Dir, args: &[&str]) -> std::process::Command {
    let mut command = bare_chappe(dir);
    command.args(["--http", "127.0.0.1:0", "--admin", "0.0.0.0:0", "--media-port", "0", "--workers", "1"]);
    command.arg("--state-file").arg(dir.state_file()).args(args);
    command
}

/// A node whose admin listener is on all addresses, with the file of its keys and the certificate of its authority.
fn started() -> (Running, String, PathBuf) {
    let dir = Dir::new();
    let keys = dir.path("keys").to_str().unwrap().to_owned();
    assert_eq!(run(&dir, &["keys", "add", "--keys", &keys]).0, 0);
    let mut command = reachable(&dir, &["--tls", "dev", "--keys", &keys]);
    command.env("XDG_STATE_HOME", dir.path("state"));
    let authority = dir.path("state").join("chappe/tls/authority.pem");
    (Running::start_in(dir, command), keys, authority)
}

fn token(node: &Running, keys: &str, what: &[&str]) -> String {
    let (code, token, error) = run(&node.dir, &[&["token", "--keys", keys], what].concat());
    assert_eq!(code, 0, "{error}");
    token.trim().to_owned()
}

#[test]
fn an_operator_shows_a_token_over_tls_and_nobody_else_gets_in() {
    let (node, keys, authority) = started();
    let authority = authority.to_str().unwrap();
    let operator = token(&node, &keys, &["--operate", "--expires", "5m"]);
    let member = token(&node, &keys, &["--room", "demo", "--admin"]);
    let asked = |command: &[&str], token: &str| {
        run(&node.dir, &[command, &["--admin-ca", authority, "--token", token]].concat())
    };
    eventually("the worker is listed", || {
        let (code, table, error) = asked(&["ls"], &operator);
        assert_eq!(code, 0, "{error}");
        table.contains("serving").then_some(())
    });
    assert_eq!(asked(&["doctor"], &operator).0, 0);
    let (code, _, error) = asked(&["ls"], "");
    assert!(code == 1 && error.contains("a token is needed"), "{error}");
    let (code, _, error) = asked(&["ls"], &member);
    assert!(code == 1 && error.contains("--operate"), "{error}");
    let (code, _, error) = asked(&["scale", "1"], &format!("{operator}x"));
    assert!(code == 1 && error.contains("not signed with a key of this server"), "{error}");
    let (code, _, error) = run(&node.dir, &["ls", "--token", &operator]);
    assert!(code == 3 && error.contains("no node answers at https://127.0.0.1"), "whom nobody vouches for: {error}");
    let url = format!("https://{}", node.state()["admin"].as_str().unwrap().replace("0.0.0.0", "127.0.0.1"));
    let curl = |path: &str, bearer: &str| {
        let mut command = std::process::Command::new("curl");
        command.args([
            "-sS",
            "--max-time",
            "10",
            "--cacert",
            authority,
            "-H",
            &format!("Authorization: Bearer {bearer}"),
        ]);
        let output = command.args(["-w", "%{http_code}", &format!("{url}{path}")]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(curl("/healthz", "").ends_with("200") && curl("/readyz", "").ends_with("200"));
    assert!(curl("/api/v1/nothing", "").ends_with("404"));
    assert!(curl("/metrics", &member).ends_with("401"));
    let metrics = curl("/metrics", &operator);
    for counted in ["reason=\"missing\"} 1", "reason=\"not_operator\"} 2", "reason=\"signature\"} 1"] {
        assert!(metrics.contains(&format!("chappe_access_refusals_total{{{counted}")), "{counted}: {metrics}");
    }
    assert_eq!(node.http_status_of_plain_admin(), 308);
}

#[test]
fn who_follows_the_log_is_told_when_the_token_is_over_and_when_its_key_is_revoked() {
    let dir = Dir::new();
    let keys = dir.path("keys").to_str().unwrap().to_owned();
    // The one that stays, and the one that signs.
    for _ in 0..2 {
        assert_eq!(run(&dir, &["keys", "add", "--keys", &keys]).0, 0);
    }
    let (_, listed, _) = run(&dir, &["keys", "list", "--keys", &keys]);
    let command = chappe(&dir, &["--workers", "1", "--admin-auth", "key", "--keys", &keys]);
    let node = Running::start_in(dir, command);
    let long = token(&node, &keys, &["--operate", "--expires", "5m"]);
    eventually("the keys are known", || (run(&node.dir, &["ls", "--token", &long]).0 == 0).then_some(()));

    let short = token(&node, &keys, &["--operate", "--expires", "3s"]);
    let (code, _, error) = run(&node.dir, &["logs", "-n", "0", "-f", "--token", &short]);
    assert!(code == 1 && error.contains("the token has expired"), "{code}: {error}");

    let mut following = operator(&node.dir, &["logs", "-n", "1", "-f", "--token", &long]);
    let mut following = following.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    lines.next().expect("it follows").unwrap();
    let id = listed.lines().next().unwrap();
    assert_eq!(run(&node.dir, &["keys", "revoke", id, "--keys", &keys]).0, 0);
    let ended = following.wait_with_output().unwrap();
    let error = String::from_utf8(ended.stderr).unwrap();
    assert!(ended.status.code() == Some(1) && error.contains("the key of the token was revoked"), "{error}");
}

#[test]
fn an_admin_listener_for_others_without_keys_or_certificate_is_refused_unless_that_is_said() {
    let dir = Dir::new();
    let keys = dir.path("keys").to_str().unwrap().to_owned();
    assert_eq!(run(&dir, &["keys", "add", "--keys", &keys]).0, 0);
    for (args, expected) in
        [(&["--admin", "0.0.0.0:0"][..], "--keys FILE"), (&["--admin", "0.0.0.0:0", "--keys", &keys], "--tls-cert")]
    {
        let (code, _, error) = run(&dir, args);
        assert_eq!((code, error.lines().count()), (2, 1), "{args:?}: {error}");
        assert!(error.contains(expected), "{args:?}: {error}");
    }
    let command = reachable(&dir, &["--admin-auth", "open"]);
    let node = Running::start_in(dir, command);
    assert_eq!(run(&node.dir, &["ls"]).0, 0);
    assert!(node.log().contains("asks nobody for a token"), "{}", node.log());
}
