//! HTTPS as curl sees it: a certificate for development, files that are renewed, files that can't be served.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use chappe_signaling_tls::{Development, make_development_certificate};
use rustix::process::Signal;

use crate::operates::run;
use crate::running::{Dir, Running, chappe, eventually, kill};

/// What curl prints with `-w FORMAT`, and its exit code. It trusts nobody but this authority.
fn curl(authority: &Path, format: &str, args: &[&str]) -> (i32, String) {
    let mut command = Command::new("curl");
    command.args(["-sS", "--max-time", "10", "-o", "/dev/null", "--cacert"]).arg(authority).args(["-w", format]);
    let output = command.args(args).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

fn port(node: &Running) -> u16 {
    node.state()["http"].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap()
}

/// A node with a certificate for development whose authority is kept in its directory.
fn started_for_development() -> (Running, PathBuf) {
    let dir = Dir::new();
    let mut command = chappe(&dir, &["--workers", "1", "--tls", "dev"]);
    command.env("XDG_STATE_HOME", dir.path("state"));
    let authority = dir.path("state").join("chappe/tls/authority.pem");
    (Running::start_in(dir, command), authority)
}

fn made(dir: &Dir, name: &str, host: &str) -> Development {
    make_development_certificate(&dir.path(name), &[host.to_owned()], SystemTime::now()).unwrap()
}

#[test]
fn a_certificate_for_development_is_trusted_through_its_authority_over_http_2_and_1_1() {
    let (node, authority) = started_for_development();
    let port = port(&node);
    let printed = node.printed();
    assert!(printed.contains(&format!("  open      https://localhost:{port}\n")), "{printed}");
    assert!(printed.contains(&format!("  trust     {}\n", authority.display())), "{printed}");
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("https://{host}:{port}/publish");
        assert_eq!(curl(&authority, "%{http_code} %{http_version}", &[&url]), (0, "200 2".to_owned()), "{host}");
    }
    let url = format!("https://localhost:{port}/healthz");
    assert_eq!(curl(&authority, "%{http_code} %{http_version}", &["--http1.1", &url]), (0, "200 1.1".to_owned()));
    assert_eq!(curl(&authority, "%{http_code}", &["--tls-max", "1.2", &url]), (0, "200".to_owned()));
    assert_ne!(curl(&authority, "%{http_code}", &["--tls-max", "1.1", &url]).0, 0, "too old");
    assert_eq!(curl(&authority, "%header{strict-transport-security}", &[&url]), (0, String::new()));
    let upgrade = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"];
    let mut args = vec!["--http1.1", "--max-time", "1", "-H", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="];
    args.extend(upgrade.iter().flat_map(|line| ["-H", *line]));
    let socket = format!("https://localhost:{port}/ws");
    args.push(&socket);
    assert_eq!(curl(&authority, "%{http_code}", &args).1, "101");
}

#[test]
fn pages_are_told_names_that_a_node_for_this_machine_answers_to() {
    let (node, authority) = started_for_development();
    let nodes = node.admin("/api/v1/nodes");
    let origins: Vec<&str> = nodes[0]["origins"].as_array().unwrap().iter().map(|url| url.as_str().unwrap()).collect();
    assert!(origins.contains(&format!("https://localhost:{}", port(&node)).as_str()), "{origins:?}");
    for origin in origins {
        let answered = curl(&authority, "%{http_code}", &[&format!("{origin}/healthz")]);
        assert_eq!(answered, (0, "200".to_owned()), "{origin}");
    }
}

#[test]
fn a_session_of_whip_over_http_2_is_found_under_its_location() {
    let (node, authority) = started_for_development();
    let base = format!("https://localhost:{}", port(&node));
    let post = ["-X", "POST", "-H", "Content-Type: application/sdp", "-d", ""];
    let (code, status) =
        curl(&authority, "%{http_code} %{content_type}", &[&post[..], &[&format!("{base}/whip/a/b")]].concat());
    assert_eq!((code, status.as_str()), (0, "400 application/json"), "an empty offer is none");
}

#[test]
fn who_speaks_plain_http_is_sent_to_https_or_told_so() {
    let (node, authority) = started_for_development();
    let port = port(&node);
    let plain = format!("http://localhost:{port}/watch/demo?a=1");
    let sent = curl(&authority, "%{http_code} %{redirect_url}", &[&plain]);
    assert_eq!(sent, (0, format!("308 https://localhost:{port}/watch/demo?a=1")));
    let told = curl(&authority, "%{http_code} %{content_type}", &["-X", "POST", "-d", "x", &plain]);
    assert_eq!(told, (0, "400 application/json".to_owned()));
    // One that says nothing holds up nobody.
    let _silent = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let url = format!("https://localhost:{port}/healthz");
    assert_eq!(curl(&authority, "%{http_code}", &[&url]), (0, "200".to_owned()));
    let metrics = crate::running::get(node.state()["admin"].as_str().unwrap(), "/metrics").1;
    for counted in ["chappe_tls_handshakes_total{result=\"plain\"} 2", "chappe_tls_handshakes_total{result=\"done\"} 1"]
    {
        assert!(metrics.contains(counted), "{counted}: {metrics}");
    }
}

#[test]
fn plain_http_under_a_foreign_name_is_sent_nowhere() {
    let (node, authority) = started_for_development();
    let told = |node: &Running, headers: &[&str]| {
        let url = format!("http://127.0.0.1:{}/watch/demo", port(node));
        let headers = headers.iter().flat_map(|header| ["-H", *header]);
        curl(&authority, "%{http_code} %{redirect_url}", &headers.chain([url.as_str()]).collect::<Vec<_>>()).1
    };
    for headers in [&["Host: evil.example"][..], &["Host: localhost", "Origin: https://evil.example"]] {
        assert_eq!(told(&node, headers), "403 ", "{headers:?}");
    }
    assert_eq!(told(&node, &["Host: app.localhost:1"]), "308 https://app.localhost:1/watch/demo");
    let dir = Dir::new();
    let mut command = chappe(&dir, &["--workers", "1", "--tls", "dev", "--auth", "public"]);
    command.env("XDG_STATE_HOME", dir.path("state"));
    let public = Running::start_in(dir, command);
    assert_eq!(told(&public, &["Host: media.example"]), "308 https://media.example/watch/demo");
    assert_eq!(told(&public, &["Host: evil.example/@localhost"]), "400 ");
}

#[test]
fn a_renewed_certificate_is_served_and_a_bad_renewal_is_not() {
    let dir = Dir::new();
    let (first, next) = (made(&dir, "first", "localhost"), made(&dir, "next", "localhost"));
    let (certificate, key) = (dir.path("certificate.pem"), dir.path("key.pem"));
    let put = |from: &Development| {
        std::fs::copy(&from.files.certificate, &certificate).unwrap();
        std::fs::copy(&from.files.key, &key).unwrap();
    };
    put(&first);
    let files = ["--tls-cert", certificate.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let command = chappe(&dir, &[&["--workers", "1"], &files[..]].concat());
    let node = Running::start_in(dir, command);
    let url = format!("https://localhost:{}/healthz", port(&node));
    let is_served = |made: &Development| curl(&made.authority, "%{http_code}", &[&url]) == (0, "200".to_owned());
    assert!(is_served(&first) && !is_served(&next));
    put(&next);
    eventually("the new one is served", || is_served(&next).then_some(()));
    assert!(!is_served(&first));
    std::fs::copy(&first.files.key, &key).unwrap();
    eventually("the log says it", || node.log().contains("the certificate can't be renewed").then_some(()));
    assert!(node.log().contains("is not that of the certificate in") && is_served(&next));
    let signaling = node.signaling();
    std::fs::copy(&first.files.certificate, &certificate).unwrap();
    kill(signaling.unwrap(), Signal::HUP);
    eventually("the first one is served", || is_served(&first).then_some(()));
    assert_eq!(node.signaling(), signaling);
}

#[test]
fn files_that_can_not_be_served_are_refused_before_anything_starts() {
    let dir = Dir::new();
    let (one, other) = (made(&dir, "one", "localhost"), made(&dir, "other", "localhost"));
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (certificate, key) = (text(&one.files.certificate), text(&one.files.key));
    let cases: [(&[&str], &str); 6] = [
        (&["--tls-cert", &certificate, "--tls-key", &text(&other.files.key)], "is not that of the certificate in"),
        (&["--tls-cert", &key, "--tls-key", &key], "has no certificate"),
        (&["--tls-cert", "/nowhere.pem", "--tls-key", &key], "/nowhere.pem can't be read"),
        (&["--tls-cert", &certificate], "--tls-key"),
        (&["--tls", "dev", "--tls-key", &key], "leave --tls-cert and --tls-key out"),
        (&["--tls", "yes"], "off, dev"),
    ];
    for (args, expected) in cases {
        let (code, _, error) = run(&dir, args);
        assert_eq!((code, error.lines().count()), (2, 1), "{args:?}: {error}");
        assert!(error.contains(expected), "{args:?}: {error}");
    }
}

#[test]
fn doctor_says_until_when_the_certificate_is_good() {
    let (node, _) = started_for_development();
    crate::operates::serving(&node, 1);
    // Whether the names of this machine lead to its loopback, where the node listens, is another matter.
    let (_, told, _) = run(&node.dir, &["doctor", "--json"]);
    let findings: serde_json::Value = serde_json::from_str(&told).unwrap();
    let found = findings.as_array().unwrap().iter().find(|finding| finding["what"] == "certificate").unwrap();
    assert_eq!(found["verdict"], "ok", "{found}");
    assert!(found["found"].as_str().unwrap().contains("396 days"), "{found}");
}
