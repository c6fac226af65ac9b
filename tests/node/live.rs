//! The operator's commands that go on for a while: `top` on a terminal of its own, `load` against a node.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::operates::{operator, run, serving};
use crate::prometheus::check_metrics;
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

/// Numbers are another matter: the words of the head, of the columns and of a worker, in their order.
#[test]
fn the_screen_of_top_in_the_documents_is_the_real_one() {
    let documents = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operating.md")).unwrap();
    let node = Running::start(&["--workers", "1", "--node", "studio"]);
    serving(&node, 1);
    let mut top = OnTerminal::start(operator(&node.dir, &["top"]));
    // The memory of a worker is not known at once.
    top.wait_for(&["workers 1/1", "Mbit/s out", "q quit", " MB"]);
    let shown = top.contents();
    let words = |text: &str, begins: &str| -> Option<String> {
        let line = text.lines().find(|line| line.starts_with(begins))?;
        let words = line.split_whitespace().filter(|word| !word.contains(|c: char| c.is_ascii_digit()));
        Some(words.collect::<Vec<_>>().join(" "))
    };
    let (_, documented) = documents.split_once("```\nnodes 1 ").expect("the screen of top");
    let documented = format!("nodes 1 {documented}");
    for begins in ["nodes ", "workers: ", "node  ", "studio  "] {
        let (is, told) = (words(&shown, begins), words(&documented, begins));
        assert!(is.is_some() && is == told, "{is:?}, told as {told:?}:\n{shown}");
    }
    top.hang_up();
}

#[test]
fn a_terminal_gets_colour_unless_no_color_is_set() {
    let node = Running::start(&["--workers", "1"]);
    serving(&node, 1);
    let shown = |no_color: &str| {
        let mut command = operator(&node.dir, &["ls"]);
        command.env("NO_COLOR", no_color);
        let (mut terminal, mut shown) = (OnTerminal::start(command), String::new());
        terminal.screen.read_to_string(&mut shown).unwrap();
        assert!(terminal.child.wait().unwrap().success() && shown.contains("serving"), "{shown}");
        shown
    };
    // Empty is as not set (https://no-color.org).
    assert!(shown("").contains("\u{1b}["));
    assert!(!shown("1").contains("\u{1b}["));
}

#[test]
fn top_prints_objects_without_a_terminal_until_nobody_reads() {
    let node = Running::start(&["--workers", "2", "--node", "here"]);
    serving(&node, 2);
    let mut command = operator(&node.dir, &["top", "--json", "--interval", "100ms"]);
    let mut top = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(top.stdout.take().unwrap()).lines();
    let mut before = 0;
    for _ in 0..3 {
        let told: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        let (at_ms, workers) = (told["at_ms"].as_u64().unwrap(), told["workers"].as_array().unwrap());
        let ids: Vec<&str> = workers.iter().map(|worker| worker["id"].as_str().unwrap()).collect();
        assert!(at_ms > before && ids == ["here/0", "here/1"], "{told}");
        before = at_ms;
    }
    drop(lines);
    assert!(top.wait().unwrap().success());
    // A node that is not there is told in words, and by the exit code.
    let (code, told, trouble) = run(&node.dir, &["top", "--json", "--admin", "http://127.0.0.1:1"]);
    assert_eq!((code, told.as_str(), trouble.lines().count()), (3, "", 1), "{trouble}");
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
    assert_eq!((&told["plan"]["profile"], &told["plan"]["duration_ms"]), (&"360p".into(), &2_000.into()), "{told}");
    for counted in ["duplicates", "reordered", "missing", "sent", "expected"] {
        assert!(told["packets"][counted].is_u64(), "{counted}: {told}");
    }
    for counted in ["standstills", "rejoins", "longest_gap_ms", "longest_failover_gap_ms"] {
        assert!(told[counted].is_number(), "{counted}: {told}");
    }
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
    check_metrics(&metrics);
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
    assert!(code == 3 && trouble.contains("certificate"), "whom nobody vouches for: {trouble}");
}

/// Nobody waits for what asking again does not change: the test ends long before the publishers' patience does.
#[test]
fn load_without_the_token_that_is_needed_is_told_so() {
    let dir = Dir::new();
    let keys = dir.path("keys").to_str().unwrap().to_owned();
    assert_eq!(run(&dir, &["keys", "add", "--keys", &keys]).0, 0);
    let command = chappe(&dir, &["--workers", "1", "--auth", "jwt", "--keys", &keys]);
    let node = Running::start_in(dir, command);
    serving(&node, 1);
    let url = format!("http://{}", node.state()["http"].as_str().unwrap());
    let began = Instant::now();
    let (code, _, trouble) = run(&node.dir, &["load", &url, "--publishers", "2", "--duration", "1s"]);
    assert!(code == 1 && trouble.contains("401 Unauthorized"), "{trouble}");
    assert!(began.elapsed() < PATIENCE, "{trouble}");
}

#[test]
fn load_that_gets_no_core_says_that_it_is_itself_the_bottleneck() {
    let node = Running::start(&["--workers", "1", "--public-ip", "127.0.0.1"]);
    serving(&node, 1);
    let url = format!("http://{}", node.state()["http"].as_str().unwrap());
    let core = first_core();
    let _busy = Busy(Command::new("taskset").args(["-c", &core, "sh", "-c", "while :; do :; done"]).spawn().unwrap());
    let load = operator(&node.dir, &["load", &url, "--viewers", "30", "--duration", "3s"]);
    let mut last = Command::new("taskset");
    last.args(["-c", &core, "nice", "-n", "19"]).arg(load.get_program()).args(load.get_args());
    let output = last.env("TMPDIR", node.dir.path("")).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("This machine may have been the bottleneck, not the server: "), "{told}");
    assert!(told.contains("for a core that other programs had"), "{told}");
}

/// Of the publishers of `chappe load`.
const PATIENCE: Duration = Duration::from_secs(20);

/// Takes all of a core until it is dropped.
struct Busy(Child);

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Of those that this process may use.
fn first_core() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
    list.trim().split([',', '-']).next().unwrap().to_owned()
}
