//! Traces of joins as a real collector of OpenTelemetry takes them: Rotel, which says what it has understood.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::operates::{run, serving};
use crate::running::{Dir, Running, chappe, eventually, get};

/// Ended when the test is over.
struct Collector {
    child: Child,
    address: String,
    told: PathBuf,
}

impl Collector {
    fn start(dir: &Dir) -> Collector {
        let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let (address, other, told) = (free(), free(), dir.path("collector"));
        let mut command = Command::new(program());
        command.args([
            "start",
            "--exporter",
            "blackhole",
            "--debug-log",
            "traces",
            "--debug-log-verbosity",
            "detailed",
        ]);
        command.args(["--otlp-http-endpoint", &address, "--otlp-grpc-endpoint", &other]);
        let (out, errors) = (File::create(&told).unwrap(), File::create(dir.path("collector-errors")).unwrap());
        let child = command.stdin(Stdio::null()).stdout(out).stderr(errors).spawn();
        let collector = Collector { child: child.unwrap(), address, told };
        eventually("the collector listens", || std::net::TcpStream::connect(&collector.address).ok());
        collector
    }

    /// What it has understood so far, a span each: its lines without the colours.
    fn spans(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.told).unwrap();
        text.split("\nSpan #").skip(1).map(str::to_owned).collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Of the package that scripts/install-test-tools.sh installs.
fn program() -> PathBuf {
    let libraries = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.venv/lib")).unwrap();
    let mut programs = libraries.map(|python| python.unwrap().path().join("site-packages/rotel/rotel-agent"));
    programs.find(|program| program.exists()).expect("scripts/install-test-tools.sh installs rotel into .venv")
}

/// The value of a line such as `Trace ID : 0123`.
fn value<'a>(span: &'a str, name: &str) -> &'a str {
    let line = span.lines().find_map(|line| line.trim().strip_prefix(name));
    line.map_or("", |line| line.trim_start_matches([' ', ':']).trim())
}

#[test]
fn a_real_collector_understands_each_step_of_a_join() {
    let dir = Dir::new();
    let collector = Collector::start(&dir);
    let endpoint = format!("http://{}", collector.address);
    let args = ["--workers", "1", "--node", "here", "--public-ip", "127.0.0.1", "--otlp-endpoint", &endpoint];
    let command = chappe(&dir, &args);
    let node = Running::start_in(dir, command);
    serving(&node, 1);
    let url = format!("http://{}", node.state()["http"].as_str().unwrap());
    let (code, _, trouble) =
        run(&node.dir, &["load", &url, "--viewers", "1", "--profile", "audio", "--duration", "1s"]);
    assert_eq!(code, 0, "{trouble}");
    for request in ["POST /whip/{room}/{stream}", "POST /whep/{room}/{stream}"] {
        let root = eventually(request, || collector.spans().into_iter().find(|span| value(span, "Name") == request));
        assert_eq!(value(&root, "Kind"), "SPAN_KIND_SERVER", "{root}");
        assert_eq!(value(&root, "Parent ID"), "", "{root}");
        for attribute in
            ["chappe.room: Str(load-0)", "http.response.status_code: Int(201)", "chappe.outcome: Str(done)"]
        {
            assert!(root.contains(attribute), "{attribute}: {root}");
        }
        for step in ["place", "open session", "connect"] {
            let is_its = |span: &String| {
                value(span, "Name") == step
                    && value(span, "Trace ID") == value(&root, "Trace ID")
                    && value(span, "Parent ID") == value(&root, "ID")
            };
            eventually(step, || collector.spans().into_iter().find(is_its));
        }
    }
    let (_, metrics) = get(node.state()["admin"].as_str().unwrap(), "/metrics");
    for none in ["dropped", "refused"] {
        assert!(metrics.contains(&format!("chappe_trace_spans_total{{result=\"{none}\"}} 0")), "{metrics}");
    }
}
