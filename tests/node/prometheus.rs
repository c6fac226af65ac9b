//! What Prometheus says of the metrics, the rules and the dashboard: its promtool, and a server of it that scrapes a node.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::operates::serving;
use crate::running::{Dir, Running, eventually};

/// Prometheus's own opinion of what a node tells.
pub fn check_metrics(metrics: &str) {
    let mut command = Command::new(program("promtool"));
    let child = command.args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).stdout(Stdio::piped());
    let mut child = child.spawn().expect(WHERE);
    child.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&told));
}

fn program(name: &str) -> PathBuf {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin").join(name);
    if ours.exists() { ours } else { name.into() }
}

/// A file that operators are given.
fn deployed(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(file)
}

/// Ends with the test.
struct Prometheus {
    child: Child,
    dir: Dir,
    url: String,
}

impl Prometheus {
    /// Scrapes the admin listener of a node once a second, and evaluates the rules as often.
    fn of(node: &Running) -> Prometheus {
        let dir = Dir::new_beside("prometheus");
        let (admin, rules) =
            (node.state()["admin"].as_str().unwrap().to_owned(), deployed("prometheus/chappe.rules.yaml"));
        let settings = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
             rule_files: [{rules:?}]\n\
             scrape_configs: [{{job_name: chappe, static_configs: [{{targets: [{admin:?}]}}]}}]\n"
        );
        std::fs::write(dir.path("prometheus.yaml"), settings).unwrap();
        let log = File::create(dir.path("log")).unwrap();
        let mut command = Command::new(program("prometheus"));
        command.arg(format!("--config.file={}", dir.path("prometheus.yaml").display()));
        command.arg(format!("--storage.tsdb.path={}", dir.path("data").display()));
        let child =
            command.arg("--web.listen-address=127.0.0.1:0").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut prometheus = Prometheus { child: child.spawn().expect(WHERE), dir, url: String::new() };
        prometheus.url = eventually("the address of Prometheus", || {
            let log = prometheus.log();
            let line = log.lines().find(|line| line.contains("msg=\"Listening on\""))?;
            let address = line.split("address=").nth(1)?.split(' ').next()?;
            Some(format!("http://{address}"))
        });
        prometheus
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path("log")).unwrap()
    }

    /// `data` of an answer; none while it is still starting.
    fn ask(&self, path: &str, query: &[(&str, &str)]) -> Option<Value> {
        let request = query
            .iter()
            .fold(ureq::get(format!("{}{path}", self.url)), |asked, (key, value)| asked.query(*key, *value));
        let mut answer = request.config().http_status_as_error(false).build().call().ok()?;
        let text = answer.body_mut().read_to_string().unwrap();
        if answer.status() == 503 {
            return None;
        }
        let mut answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["status"], "success", "{query:?}: {answer}");
        Some(answer["data"].take())
    }

    /// The series that an expression comes to, once there are some.
    fn series(&self, expression: &str) -> Vec<Value> {
        eventually(expression, || {
            let data = self.ask("/api/v1/query", &[("query", expression)])?;
            data["result"].as_array().filter(|series| !series.is_empty()).cloned()
        })
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn promtool_takes_the_rules_and_their_tests_pass() {
    for (what, file) in [("check", "chappe.rules.yaml"), ("test", "chappe.test.yaml")] {
        let mut command = Command::new(program("promtool"));
        let output = command.args([what, "rules", file]).current_dir(deployed("prometheus")).output().expect(WHERE);
        let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success() && told.contains("SUCCESS"), "{told}");
    }
}

#[test]
fn a_prometheus_scrapes_a_node_and_evaluates_the_rules_and_the_dashboard() {
    let node = Running::start(&["--workers", "2", "--node", "here"]);
    serving(&node, 2);
    let prometheus = Prometheus::of(&node);
    let up = prometheus.series("chappe_worker_up == 1");
    assert_eq!((up.len(), &up[0]["metric"]["job"]), (2, &"chappe".into()), "{up:?}");
    let of_rooms = prometheus.series("chappe_room_sessions");
    assert_eq!((&of_rooms[0]["metric"]["room"], &of_rooms[0]["value"][1]), (&"(other)".into(), &"0".into()));
    // A rate is between two scrapes.
    prometheus.series("histogram_quantile(0.99, sum by (le) (rate(chappe_worker_loop_seconds_bucket[1m]))) > 0");
    let rules = eventually("all rules are evaluated", || {
        let groups = prometheus.ask("/api/v1/rules", &[])?["groups"].as_array()?.clone();
        let rules: Vec<Value> = groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect();
        rules.iter().all(|rule| rule["health"] != "unknown").then_some(rules)
    });
    assert!(rules.len() >= 10, "{rules:?}");
    for rule in rules {
        assert_eq!((&rule["health"], &rule["state"]), (&"ok".into(), &"inactive".into()), "{rule}");
    }
    let dashboard: Value = serde_json::from_slice(&std::fs::read(deployed("grafana/chappe.json")).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let shown: Vec<&str> = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().unwrap())
        .map(|target| target["expr"].as_str().unwrap())
        .collect();
    for histogram in ["loop", "join", "first_keyframe", "egress_wait", "relay_hop"] {
        let name = format!("chappe_worker_{histogram}_seconds_bucket");
        assert!(shown.iter().any(|expression| expression.contains(&name)), "the dashboard shows {name}");
    }
    // Requests are counted once there was one.
    assert_eq!(node.whip("demo/cam", "no offer").0, 400);
    let (without, with): (Vec<&str>, Vec<&str>) = shown.into_iter().partition(|shown| EMPTY_HERE.contains(shown));
    assert_eq!(without, EMPTY_HERE);
    for expression in without {
        assert!(prometheus.ask("/api/v1/query", &[("query", expression)]).is_some(), "{expression}");
    }
    for expression in with {
        prometheus.series(expression);
    }
}

/// What the dashboard asks for and a node without clients has nothing of: it drops no packets.
const EMPTY_HERE: [&str; 1] = ["sum by (reason) (rate(chappe_worker_drops_total[1m])) > 0"];

const WHERE: &str = "prometheus, promtool: scripts/install-test-tools.sh puts them into .venv/bin";
