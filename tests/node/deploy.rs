//! The rules and the dashboard under `deploy/` ask for metrics that a node has.

use std::collections::BTreeSet;

use crate::operates::serving;
use crate::running::{Running, get};

const ASKED: [(&str, &str); 2] = [
    ("chappe.rules.yaml", include_str!("../../deploy/prometheus/chappe.rules.yaml")),
    ("chappe.json", include_str!("../../deploy/grafana/chappe.json")),
];

/// What is counted by setting or reason is there once there is one, and the end of a certificate where there is one.
const APPEAR_LATER: [&str; 3] =
    ["chappe_cap_refusals_total", "chappe_tls_certificate_expiry_timestamp_seconds", "chappe_worker_drops_total"];

/// Every word that is the name of a metric.
fn metrics_in(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("chappe_")).map(|word| word.trim_end_matches("_bucket")).collect()
}

#[test]
fn rules_and_dashboard_name_metrics_that_a_node_has() {
    let node = Running::start(&["--workers", "1"]);
    serving(&node, 1);
    // One request, for its counter to be there.
    node.http("/healthz");
    let (status, text) = get(node.state()["admin"].as_str().unwrap(), "/metrics");
    assert_eq!(status, 200);
    let there: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    for (file, asked) in ASKED {
        let asked = metrics_in(asked);
        assert!(asked.len() > 5, "{file}");
        for metric in asked {
            assert!(APPEAR_LATER.contains(&metric) || there.contains(metric), "{file} asks for {metric}: {there:?}");
        }
    }
}
