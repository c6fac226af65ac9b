//! What a person reads who asks for what cannot be: one line, what to do, the right exit code.

use std::net::{TcpListener, UdpSocket};
use std::process::Command;

use crate::running::{Dir, bare_chappe, chappe};

/// Exit code and the one line on standard error.
fn refused(mut command: Command) -> (i32, String) {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    (output.status.code().unwrap(), text)
}

#[test]
fn a_port_in_use_names_the_flag_to_change() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for flag in ["--http", "--admin"] {
        let dir = Dir::new();
        let mut command = bare_chappe(&dir);
        for other in ["--http", "--admin"] {
            command.arg(format!("{other}={}", if other == flag { &address } else { "127.0.0.1:0" }));
        }
        let (code, line) = refused(command);
        assert_eq!(code, 1);
        assert!(line.contains(&address) && line.contains("in use") && line.contains(flag), "{line}");
        assert_eq!(dir.runtime_dirs(), Vec::<std::path::PathBuf>::new());
    }
}

#[test]
fn a_media_port_in_use_is_named_with_its_worker() {
    let taken = UdpSocket::bind("[::]:0").or_else(|_| UdpSocket::bind("0.0.0.0:0")).unwrap();
    let port = taken.local_addr().unwrap().port();
    let dir = Dir::new();
    let mut command = bare_chappe(&dir);
    command.args(["--http=127.0.0.1:0", "--admin=127.0.0.1:0", "--workers=1", &format!("--media-port={port}")]);
    let (code, line) = refused(command);
    assert_eq!(code, 1);
    assert!(line.contains(&format!("UDP {port}")) && line.contains("--media-port"), "{line}");
}

#[test]
fn a_usage_that_cannot_work_ends_with_exit_code_2() {
    let dir = Dir::new();
    let file = dir.path("chappe.toml");
    std::fs::write(&file, "medai-port = 7000\n").unwrap();
    let file = file.to_str().unwrap().to_owned();
    let cases: [(&[&str], &str); 8] = [
        (&["--http", "0.0.0.0:0"], "--auth public"),
        (&["--auth", "jwt"], "chappe keys add --keys FILE"),
        (&["--cluster", "http://localhost:4222"], "--cluster"),
        (&["sfu"], "name the cluster it serves with --cluster"),
        (&["--workers", "0"], "chappe signaling"),
        (&["--wokers", "1"], "--workers"),
        (&["--config", &file], "did you mean `media-port`?"),
        (&["--config", "/nonexistent.toml"], "/nonexistent.toml"),
    ];
    for (args, expected) in cases {
        let mut command = bare_chappe(&dir);
        command.args(args);
        let (code, line) = refused(command);
        assert_eq!(code, 2, "{args:?}: {line}");
        assert!(line.contains(expected), "{args:?}: {line}");
    }
}

#[test]
fn a_bad_environment_variable_is_refused_like_its_flag() {
    let dir = Dir::new();
    let mut command = chappe(&dir, &[]);
    command.env("CHAPPE_WORKERS", "many");
    let (code, line) = refused(command);
    assert_eq!(code, 2);
    assert!(line.contains("--workers") && line.contains("1 to 256"), "{line}");
}

#[test]
fn help_teaches_with_examples_and_names_every_variable() {
    let dir = Dir::new();
    let output = bare_chappe(&dir).arg("--help").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let help = String::from_utf8(output.stdout).unwrap();
    for expected in ["Examples:", "http://localhost:8080", "--public-ip", "CHAPPE_MEDIA_PORT", "[default: 7000]"] {
        assert!(help.contains(expected), "{expected}: {help}");
    }
    assert!(!help.contains("signaling-process"), "the children are nobody's business");
}
