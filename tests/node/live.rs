//! The operator's commands that go on for a while: `top` on a terminal of its own, `load` against a node.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use serde_json::Value;

use crate::operates::{operator, run, serving};
use crate::running::{Dir, Running, chappe, eventually, get};

/// A program on a terminal of 24 lines and 110 columns, which script(1) makes.
pub struct OnTerminal {
    child: Child,
    keys: ChildStdin,
    screen: ChildStdout,
    emulator: vt100::Parser,
}

impl OnTerminal {
    pub fn start(mut command: Command) -> OnTerminal {
        let quoted = |text: &std::ffi::OsStr| format!("'{}'", text.to_str().unwrap());
        let line = std::iter::once(command.get_program()).chain(command.get_args()).map(quoted).collect::<Vec<_>>();
        let line = format!("stty rows 24 cols 110; exec {}", line.join(" "));
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"]).env("TERM", "xterm");
        command.get_envs().for_each(|(key, value)| match value {
            Some(value) => drop(script.env(key, value)),
            None => drop(script.env_remove(key)),
        });
        command.stdin(Stdio::null());
        let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (keys, screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        OnTerminal { child, keys, screen, emulator: vt100::Parser::new(24, 110, 0) }
    }

    /// The window is closed.
    pub fn hang_up(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until the program has ended by itself.
    pub fn end(mut self) -> ExitStatus {
        std::io::copy(&mut self.screen, &mut std::io::sink()).unwrap();
        self.child.wait().unwrap()
    }

    /// What is on the screen, as far as it was read.
    pub fn contents(&self) -> String {
        self.emulator.screen().contents()
    }

    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Reads until all of this is on the screen. The test runner ends who waits in vain.
    pub fn wait_for(&mut self, expected: &[&str]) {
        let shows = |screen: &vt100::Screen| expected.iter().all(|text| screen.contents().contains(text));
        while !shows(self.emulator.screen()) {
            let mut bytes = [0; 4096];
            let length = self.screen.read(&mut bytes).unwrap();
            assert!(length > 0, "it ended before it showed {expected:?}: {}", self.emulator.screen().contents());
            self.emulator.process(&bytes[..length]);
        }
    }
}

/// A test that fails leaves no program behind: what it started ends with its terminal.
impl Drop for OnTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn top_shows_the_workers_looks_into_them_and_gives_the_terminal_back() {
    let node = Running::start(&["--workers", "2", "--node", "here"]);
    serving(&node, 2);
    let mut top = OnTerminal::start(operator(&node.dir, &["top"]));
    top.wait_for(&["workers 2/2", "Mbit/s out", "q quit"]);
    top.press("4");
    top.wait_for(&["sessions of node here"]);
    top.press("q");
    let mut rest = String::new();
    top.screen.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("\u{1b}[?1049l"), "the other screen of the terminal is left: {rest:?}");
    assert!(top.child.wait().unwrap().success());
}

#[test]
fn top_says_what_it_needs() {
    let node = Running::start(&["--workers", "1"]);
    let (code, _, told) = run(&node.dir, &["top"]);
    assert_eq!((code, told.contains("wants a terminal")), (2, true), "{told}");
}

#[test]
fn load_publishes_and_watches_and_tells_what_came() {
    let node = Running::start(&["--workers", "1", "--public-ip", "127.0.0.1"]);
    serving(&node, 1);
    let url = format!("http://{}", node.state()["http"].as_str().unwrap());
    let plan = ["load", &url, "--rooms", "2", "--viewers", "3", "--profile", "360p", "--duration", "2s", "--json"];
    let (code, told, trouble) = run(&node.dir, &plan);
    assert_eq!(code, 0, "{told}{trouble}");
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["publishers"], &told["viewers"], &told["watched"]), (&2.into(), &6.into(), &6.into()), "{told}");
    assert!(told["packets"]["received"].as_u64().unwrap() > 6 * 30, "{told}");
    assert_eq!(told["connect_ms"]["n"], 6, "{told}");
    assert!(trouble.contains("6 of 6 viewers watch"), "{trouble}");
    // A worker reports once a second.
    let metrics = eventually("what the worker counted", || {
        let (_, metrics) = get(node.state()["admin"].as_str().unwrap(), "/metrics");
        let counted = |name: &str| {
            let count = metrics.lines().find_map(|line| line.strip_prefix(&format!("{name}_count{{worker=\"0\"}} ")));
            count.is_some_and(|count| count.parse::<u64>().unwrap() >= 6)
        };
        let names =
            ["loop", "join", "first_keyframe", "egress_wait"].map(|name| format!("chappe_worker_{name}_seconds"));
        names.iter().all(|name| counted(name)).then(|| metrics.clone())
    });
    check_with_promtool(&metrics);
}

/// Prometheus's own opinion of the text.
fn check_with_promtool(metrics: &str) {
    let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/.venv/bin/promtool");
    let program = if std::path::Path::new(ours).exists() { ours } else { "promtool" };
    let mut command = Command::new(program);
    let child = command.args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).stdout(Stdio::piped());
    let mut child = child.spawn().expect("promtool: scripts/install-test-tools.sh puts it into .venv/bin");
    child.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&told));
}

#[test]
fn load_goes_over_https_to_whom_it_trusts_and_to_nobody_else() {
    let dir = Dir::new();
    let mut command = chappe(&dir, &["--workers", "1", "--public-ip", "127.0.0.1", "--tls", "dev"]);
    command.env("XDG_STATE_HOME", dir.path("state"));
    let authority = dir.path("state").join("chappe/tls/authority.pem");
    let node = Running::start_in(dir, command);
    serving(&node, 1);
    let url = format!("https://{}", node.state()["http"].as_str().unwrap());
    let plan = ["load", &url, "--viewers", "2", "--profile", "audio", "--duration", "1s", "--json"];
    let (code, told, trouble) = run(&node.dir, &[&plan[..], &["--ca", authority.to_str().unwrap()]].concat());
    assert_eq!(code, 0, "{told}{trouble}");
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["watched"], 2, "{told}");
    let (code, _, trouble) = run(&node.dir, &plan);
    assert!(code == 1 && trouble.contains("certificate"), "whom nobody vouches for: {trouble}");
}

#[test]
fn load_refuses_what_it_can_not_do() {
    let node = Running::start(&["--workers", "1"]);
    for (plan, expected) in [
        (&["load"][..], "required"),
        (&["load", "media.example"], "wants http://HOST:PORT"),
        (&["load", "https://127.0.0.1:9", "--ca", "/nowhere.pem"], "--ca /nowhere.pem can't be read"),
        (&["load", "http://127.0.0.1:9", "--ramp", "40s"], "longer than --duration"),
    ] {
        let (code, _, told) = run(&node.dir, plan);
        assert_eq!((code, told.contains(expected)), (2, true), "{plan:?}: {told}");
    }
}
