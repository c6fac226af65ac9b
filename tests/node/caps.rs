//! Caps that an operator sets: they hold, say how they are raised, and are raised while the node runs.

use std::fs;

use rustix::process::Signal;

use crate::operates::{printed, serving};
use crate::running::{Dir, Running, chappe, eventually};

const OFFER: &str = include_str!("../../signaling/sdp/tests/data/chromium-whip.sdp");

#[test]
fn caps_hold_say_how_they_are_raised_and_are_raised_while_the_node_runs() {
    let dir = Dir::new();
    let file = dir.path("chappe.toml");
    fs::write(&file, "rooms-max = 1\nstreams-per-room = 1\nsessions-per-worker = 1\n").unwrap();
    let command = chappe(&dir, &["--config", file.to_str().unwrap(), "--workers", "1"]);
    let node = Running::start_in(dir, command);
    serving(&node, 1);
    let publish = |path: &str| node.whip(path, OFFER);
    assert_eq!(publish("demo/cam").0, 201);
    for (path, setting) in [("demo/screen", "streams-per-room"), ("other/cam", "rooms-max")] {
        let (status, told) = publish(path);
        assert!(status == 503 && told.contains(&format!("can raise {setting}")), "{told}");
        let line = format!("chappe_cap_refusals_total{{setting=\"{setting}\"}} 1");
        assert!(node.metrics().contains(&line), "{}", node.metrics());
    }

    let (worker, signaling) = (node.worker(0), node.signaling());
    fs::write(&file, "rooms-max = 2\nsessions-per-worker = 1\n").unwrap();
    node.signal(Signal::HUP);
    eventually("another signaling process", || (node.signaling() != signaling).then_some(()));
    assert!(node.log().contains("settings=\"rooms-max, streams-per-room\""), "{}", node.log());
    assert_eq!(node.worker(0), worker);
    // What is there is more than one session now, and so it is the worker that has no place.
    let (status, told) = publish("other/cam");
    assert!(status == 503 && told.contains("(1; the operator can raise sessions-per-worker"), "{told}");

    fs::write(&file, "rooms-max = 2\nsessions-per-worker = 3\n").unwrap();
    assert!(printed(&node, &["reload", "--deadline", "1s"]).contains("takes up: sessions-per-worker"));
    for path in ["demo/cam", "demo/screen", "other/cam"] {
        let (status, told) = publish(path);
        assert_eq!(status, 201, "{path}: {told}");
    }
    assert_eq!(node.admin("/api/v1/workers")[0]["sessions_max"], 3);
}
