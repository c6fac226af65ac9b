//! A certificate by ACME from Pebble, the test server of Let's Encrypt: got, kept, served, renewed; and an authority that
//! is down, refuses, or has forgotten who we are.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;

use chappe_signaling_tls::make_development_certificate;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with};
use rustix::process::Signal;
use serde_json::json;

use crate::operates::run;
use crate::running::{Dir, Running, chappe, eventually};

/// Pebble, on two ports that are kept for it while it does not run.
struct Pebble {
    dir: Dir,
    ports: [u16; 2],
    /// Bound, and nobody listens there.
    kept: Option<[OwnedFd; 2]>,
    child: Option<Child>,
}

impl Pebble {
    /// Not started yet.
    fn new() -> Pebble {
        let dir = Dir::new_beside("-pebble");
        let kept = [(); 2].map(|()| {
            // Not for the node: it would keep them, too.
            let kept = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
            bind(&kept, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
            kept
        });
        let port = |kept: &OwnedFd| SocketAddr::try_from(getsockname(kept).unwrap()).unwrap().port();
        let ports = [port(&kept[0]), port(&kept[1])];
        make_development_certificate(&dir.path("own"), &["127.0.0.1".to_owned()], SystemTime::now()).unwrap();
        Pebble { dir, ports, kept: Some(kept), child: None }
    }

    /// Looks at this port of each domain, and gives certificates that are good for so long.
    fn start(&mut self, tls_port: u16, good_for_s: u64) {
        self.stop();
        let address = |port: u16| format!("127.0.0.1:{port}");
        let config = json!({"pebble": {
            "listenAddress": address(self.ports[0]),
            "managementListenAddress": address(self.ports[1]),
            "certificate": self.dir.path("own/certificate.pem"),
            "privateKey": self.dir.path("own/key.pem"),
            "httpPort": 9,
            "tlsPort": tls_port,
            "certificateValidityPeriod": good_for_s,
        }});
        fs::write(self.dir.path("config.json"), config.to_string()).unwrap();
        self.kept = None;
        let mut command = Command::new("pebble");
        command.args(["-strict", "-config"]).arg(self.dir.path("config.json")).env("PEBBLE_VA_NOSLEEP", "1");
        let log = fs::File::create(self.dir.path("log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.child = Some(command.spawn().expect("pebble (Debian package pebble)"));
        // Also the root that its certificates lead to, which is another one at each start.
        let url = format!("https://127.0.0.1:{}/roots/0", self.ports[1]);
        eventually("pebble answers", || {
            let mut asked = Command::new("curl");
            asked.args(["-sf", "-o"]).arg(self.root()).arg("--cacert").arg(self.authority()).arg(&url);
            asked.status().unwrap().success().then_some(())
        });
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    fn directory(&self) -> String {
        format!("https://127.0.0.1:{}/dir", self.ports[0])
    }

    /// Of its own listener.
    fn authority(&self) -> PathBuf {
        self.dir.path("own/authority.pem")
    }

    fn root(&self) -> PathBuf {
        self.dir.path("root.pem")
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A node that gets its certificate there, which it keeps in `state`.
fn started(pebble: &Pebble, dir: Dir, domains: &str, more: &[&str]) -> Running {
    let (state, server) = (dir.path("state"), pebble.directory());
    let acme = ["--tls", "acme", "--acme-domain", domains, "--acme-terms", "agreed", "--acme-server", &server];
    let mut command =
        chappe(&dir, &[&["--workers", "1", "--acme-state", state.to_str().unwrap()], &acme[..], more].concat());
    command.env("SSL_CERT_FILE", pebble.authority());
    Running::start_in(dir, command)
}

fn port(node: &Running) -> u16 {
    node.state()["http"].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap()
}

/// Whether curl, which trusts this root alone, gets an answer.
fn is_trusted(node: &Running, root: &std::path::Path) -> bool {
    let url = format!("https://localhost:{}/healthz", port(node));
    let mut asked = Command::new("curl");
    asked.args(["-s4", "--max-time", "10", "-o", "/dev/null", "--cacert"]).arg(root).arg(url);
    asked.status().unwrap().success()
}

fn certificate(dir: &Dir) -> PathBuf {
    let folder = fs::read_dir(dir.path("state")).unwrap().next().unwrap().unwrap().path();
    folder.join("certificate.pem")
}

fn says(node: &Running, what: &str) {
    eventually(what, || node.log().contains(what).then_some(()));
}

#[test]
fn a_certificate_is_got_once_the_authority_is_there_kept_and_served_at_the_next_start() {
    let mut pebble = Pebble::new();
    let mut node = started(&pebble, Dir::new(), "localhost", &[]);
    says(&node, "no certificate by ACME: that of before is served on");
    let url = format!("https://localhost:{}/healthz", port(&node));
    let asked = Command::new("curl").args(["-sS4k", "-o", "/dev/null", &url]).status().unwrap();
    assert!(asked.success(), "it serves one of its own meanwhile");
    pebble.start(port(&node), 86_400);
    assert!(!is_trusted(&node, &pebble.root()));
    says(&node, "an account is made with the authority");
    says(&node, "the authority has given a certificate");
    eventually("it is served", || is_trusted(&node, &pebble.root()).then_some(()));
    let file = certificate(&node.dir);
    for secret in [&file, &file.with_file_name("account.json")] {
        assert_eq!(fs::metadata(secret).unwrap().permissions().mode() & 0o777, 0o600, "{}", secret.display());
    }
    // A client that asks for the proof of a domain that is not to be proved gets none, and no page either.
    let connect = format!("localhost:{}", port(&node));
    let mut asked = Command::new("openssl");
    asked.args(["s_client", "-4", "-connect", &connect, "-servername", "localhost", "-alpn", "acme-tls/1"]);
    assert!(!asked.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success());
    let kept = fs::read(&file).unwrap();
    goes_on_with_another_program(&node);
    assert!(is_trusted(&node, &pebble.root()) && fs::read(&file).unwrap() == kept);
    node.signal(Signal::TERM);
    node.wait();
    pebble.stop();
    let dir = node.into_dir();
    let node = started(&pebble, dir, "localhost", &[]);
    says(&node, "the certificate is good");
    assert!(is_trusted(&node, &pebble.root()) && fs::read(&file).unwrap() == kept);
    assert!(!node.log().contains("asks for a certificate"), "{}", node.log());
}

/// Every process is replaced; the next signaling process finds the certificate and asks nobody.
fn goes_on_with_another_program(node: &Running) {
    let count = |what: &str| node.log().matches(what).count();
    let (asked, good) = (count("asks for a certificate by ACME"), count("the certificate is good"));
    let next = node.dir.path("chappe-next");
    fs::copy(env!("CARGO_BIN_EXE_chappe"), &next).unwrap();
    let (code, told, trouble) = run(&node.dir, &["reload", "--binary", next.to_str().unwrap()]);
    assert_eq!(code, 0, "{told}{trouble}");
    eventually("the next process has looked at it", || (count("the certificate is good") > good).then_some(()));
    assert_eq!(count("asks for a certificate by ACME"), asked, "{}", node.log());
}

#[test]
fn a_certificate_that_is_good_for_seconds_is_renewed_before_it_ends() {
    let mut pebble = Pebble::new();
    let node = started(&pebble, Dir::new(), "localhost", &[]);
    pebble.start(port(&node), 30);
    says(&node, "the authority has given a certificate");
    let first = fs::read(certificate(&node.dir)).unwrap();
    eventually("another one", || (fs::read(certificate(&node.dir)).unwrap() != first).then_some(()));
    eventually("it is served", || is_trusted(&node, &pebble.root()).then_some(()));
    says(&node, "the certificate is renewed");
}

#[test]
fn an_authority_that_does_not_find_the_domain_here_or_has_forgotten_us_is_asked_again() {
    let mut pebble = Pebble::new();
    let mut node = started(&pebble, Dir::new(), "localhost", &[]);
    // Where nobody listens.
    pebble.start(9, 86_400);
    says(&node, "an account is made with the authority");
    says(&node, "retry_s=60");
    let line = node.log().lines().find(|line| line.contains("retry_s=60")).unwrap().to_owned();
    assert!(line.contains("localhost: API error") && line.contains("no certificate by ACME"), "{line}");
    let (_, told, _) = run(&node.dir, &["doctor"]);
    assert!(told.contains("certificate by ACME") && told.contains("port 443 of each --acme-domain"), "{told}");
    let account = certificate(&node.dir).with_file_name("account.json");
    let before = fs::read(&account).unwrap();
    // Pebble forgets all accounts when it ends.
    pebble.stop();
    node.signal(Signal::TERM);
    node.wait();
    let node = started(&pebble, node.into_dir(), "localhost", &[]);
    pebble.start(port(&node), 86_400);
    says(&node, "the authority does not know our account any more");
    says(&node, "the authority has given a certificate");
    assert_ne!(fs::read(&account).unwrap(), before);
}

#[test]
fn what_an_authority_needs_is_asked_for_before_anything_starts() {
    let dir = Dir::new();
    let acme = ["--tls", "acme", "--http", "0.0.0.0:0", "--auth", "public"];
    let domain = ["--acme-domain", "live.example.org"];
    for (args, expected) in [
        (&acme[..], "--acme-domain live.example.org"),
        (&[&acme[..], &domain].concat(), "say --acme-terms agreed"),
        (&[&acme[..2], &domain].concat(), "--http 0.0.0.0:443"),
        (&[&acme[..], &["--acme-domain", "*.example.org"]].concat(), "wants domains"),
        (&[&acme[..], &["--acme-domain", "192.0.2.1"]].concat(), "wants domains"),
        (&[&acme[..], &domain, &["--acme-terms", "yes"]].concat(), "agreed"),
        (&[&acme[..], &domain, &["--acme-server", "http://ca.example"]].concat(), "letsencrypt-staging"),
        (&[&acme[..], &domain, &["--tls-key", "key.pem"]].concat(), "leave --tls-cert and --tls-key out"),
        (&domain, "go with --tls acme"),
    ] {
        let (code, _, error) = run(&dir, args);
        assert_eq!((code, error.lines().count()), (2, 1), "{args:?}: {error}");
        assert!(error.contains(expected), "{args:?}: {error}");
    }
}
