//! `chappe load` against a server that shares no code with ours.

use serde_json::Value;

use crate::foreign::Foreign;
use crate::running::{Dir, bare_chappe};

#[tokio::test(flavor = "multi_thread")]
async fn load_tells_the_figures_of_a_server_that_is_not_ours() {
    let server = Foreign::start().await.unwrap();
    let (whip, whep) = (server.url("in"), server.url("out"));
    let plan = ["load", "--whip", &whip, "--whep", &whep, "--publishers", "2", "--viewers", "2"];
    let dir = Dir::new();
    let mut command = bare_chappe(&dir);
    command.args(plan).args(["--profile", "360p", "--duration", "3s", "--json"]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let (told, trouble) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}{trouble}");
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["publishers"], &told["viewers"], &told["watched"]), (&2.into(), &4.into(), &4.into()), "{told}");
    assert_eq!((&told["rejoins"], &told["connect_ms"]["n"]), (&0.into(), &4.into()), "{told}");
    let packets = |what: &str| told["packets"][what].as_u64().unwrap();
    // Two packets each 33 ms, and each publisher has two viewers.
    assert!(packets("sent") > 200 && packets("received") > packets("sent"), "{told}");
    assert_eq!(packets("expected"), packets("received") + packets("missing"), "{told}");
    assert_eq!(packets("broken"), 0, "{told}");
    assert!(told["latency_ms"]["p50"].as_f64().is_some_and(|ms| ms > 0.0), "{told}");
}
