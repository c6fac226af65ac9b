//! Settings that change while the node runs: what SIGHUP takes up, what it can't, and what it leaves alone.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rustix::process::Signal;

use crate::live::OnTerminal;
use crate::operates::{printed, run, serving};
use crate::running::{Dir, Running, chappe, eventually, is_alive, kill};

/// A node with a file of settings, which is beside its other files.
fn started(settings: &str) -> Running {
    started_with(settings, 1)
}

fn started_with(settings: &str, workers: usize) -> Running {
    let dir = Dir::new();
    let file = dir.path("chappe.toml");
    fs::write(&file, settings).unwrap();
    let command = chappe(&dir, &["--config", file.to_str().unwrap(), "--workers", &workers.to_string()]);
    let node = Running::start_in(dir, command);
    serving(&node, workers);
    node
}

/// Says that it is one of ours, and starts nothing.
fn broken_program(dir: &Dir) -> String {
    let file = dir.path("chappe-broken");
    fs::write(&file, "#!/bin/sh\n[ \"$1\" = --version ] && exec echo chappe 9\nexit 1\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    file.to_str().unwrap().to_owned()
}

fn renew(node: &Running, settings: &str) {
    fs::write(node.dir.path("chappe.toml"), settings).unwrap();
    node.signal(Signal::HUP);
}

fn says(node: &Running, what: &str) {
    eventually(what, || node.log().contains(what).then_some(()));
}

#[test]
fn a_log_filter_is_taken_up_by_every_process_and_none_is_replaced() {
    let node = started("log-filter = \"info\"\n");
    let children = node.children();
    assert!(!node.log().contains("DEBUG"), "{}", node.log());
    renew(&node, "log-filter = \"info,chappe_supervisor=debug\"\n");
    says(&node, "settings are taken up settings=\"log-filter\"");
    for process in ["worker-0", "signaling"] {
        says(&node, &format!("{process} logs by another filter"));
    }
    renew(&node, "log-filter = \"error\"\n");
    renew(&node, "log-filter = \"info\"\n");
    assert_eq!(node.children(), children);
}

#[test]
fn a_limit_is_taken_up_without_a_worker_noticing_and_what_is_bound_stays() {
    let node = started("per-address = 100\n");
    let (worker, signaling) = (node.worker(0), node.signaling());
    renew(&node, "per-address = 1\nlog = \"json\"\n");
    says(&node, "settings are taken up settings=\"per-address\"");
    says(&node, "take effect when the node is started anew (workers: chappe scale) settings=\"log\"");
    eventually("another signaling process", || (node.signaling() != signaling).then_some(()));
    assert_eq!(node.worker(0), worker);
    let arguments = fs::read(format!("/proc/{}/cmdline", node.signaling().unwrap())).unwrap();
    assert!(String::from_utf8_lossy(&arguments).contains("--per-address=1\0"));
    let signaling = node.signaling();
    renew(&node, "per-address = 1\n");
    says(&node, "nothing that can change now has changed");
    assert_eq!((node.signaling(), node.worker(0)), (signaling, worker));
}

#[test]
fn settings_that_are_wrong_change_nothing() {
    let node = started("");
    let children = node.children();
    for (settings, expected) in [
        ("per-adress = 1\n", "did you mean `per-address`"),
        ("per-address = 0\n", "--per-address"),
        ("log-filter = \"=,=\"\n", "wants a filter such as debug"),
        ("keys = \"/nowhere\"\nauth = \"jwt\"\n", "--keys /nowhere can't be read"),
    ] {
        renew(&node, settings);
        says(&node, expected);
    }
    assert_eq!(node.children(), children);
    assert_eq!(node.http("/healthz").0, 200);
}

#[test]
fn reload_takes_up_settings_and_says_which_have_to_wait() {
    let node = started("per-address = 100\n");
    let (worker, signaling) = (node.worker(0), node.signaling());
    fs::write(node.dir.path("chappe.toml"), "per-address = 1\nlog = \"json\"\n").unwrap();
    let told = printed(&node, &["reload"]);
    let name = node.admin("/api/v1/nodes")[0]["node"].as_str().unwrap().to_owned();
    let expected = format!("{name} takes up: per-address\n{name} takes up when it is started anew: log (");
    assert!(told.starts_with(&expected) && told.ends_with("is reloaded\n"), "{told}");
    assert!(node.worker(0) != worker && node.signaling() != signaling);
    let arguments = fs::read(format!("/proc/{}/cmdline", node.signaling().unwrap())).unwrap();
    assert!(String::from_utf8_lossy(&arguments).contains("--per-address=1\0"));

    let children = node.children();
    fs::write(node.dir.path("chappe.toml"), "per-adress = 1\n").unwrap();
    let (code, told, trouble) = run(&node.dir, &["reload"]);
    assert!(code == 1 && told.is_empty() && trouble.contains("did you mean `per-address`"), "{told}{trouble}");
    assert_eq!(node.children(), children);
}

#[test]
fn a_reload_with_a_program_that_does_not_start_leaves_the_node_whole_and_the_settings_that_it_told() {
    for workers in [1, 2] {
        let node = started_with("per-address = 100\n", workers);
        let own = fs::read_link(format!("/proc/{}/exe", node.signaling().unwrap())).unwrap();
        let signaling = node.signaling();
        fs::write(node.dir.path("chappe.toml"), "per-address = 1\n").unwrap();
        let broken = broken_program(&node.dir);
        let (code, told, trouble) = run(&node.dir, &["reload", "--binary", &broken, "--deadline", "1s"]);
        assert_eq!(code, 1, "{told}{trouble}");
        assert!(told.contains("takes up: per-address") && !told.contains("is reloaded"), "{told}");
        assert!(trouble.contains("`chappe logs` says why") && trouble.contains("program before again"), "{trouble}");
        eventually("all workers serve again", || {
            let serve = node.admin("/api/v1/workers");
            let serve = serve.as_array()?.iter().filter(|worker| worker["state"] == "serving").count();
            (serve == workers && node.children().len() == workers + 1).then_some(())
        });
        for pid in node.children() {
            assert_eq!(fs::read_link(format!("/proc/{pid}/exe")).unwrap(), own);
        }
        assert_ne!(node.signaling(), signaling);
        let arguments = fs::read(format!("/proc/{}/cmdline", node.signaling().unwrap())).unwrap();
        assert!(String::from_utf8_lossy(&arguments).contains("--per-address=1\0"));
    }
}

#[test]
fn settings_that_are_wrong_leave_the_program_as_it_was() {
    let node = started("");
    fs::write(node.dir.path("chappe.toml"), "per-adress = 1\n").unwrap();
    let broken = broken_program(&node.dir);
    let (code, _, trouble) = run(&node.dir, &["reload", "--binary", &broken]);
    assert!(code == 1 && trouble.contains("did you mean `per-address`"), "{trouble}");
    let signaling = node.signaling();
    crate::running::kill(signaling.unwrap(), Signal::KILL);
    eventually("another signaling process", || {
        (node.signaling().is_some() && node.signaling() != signaling).then_some(())
    });
    assert_eq!(node.http("/healthz").0, 200);
}

#[test]
fn settings_that_were_read_over_http_are_taken_up_at_the_next_hangup_if_signaling_stayed() {
    let node = started("per-address = 100\n");
    let signaling = node.signaling();
    fs::write(node.dir.path("chappe.toml"), "per-address = 1\n").unwrap();
    let name = node.admin("/api/v1/nodes")[0]["node"].as_str().unwrap().to_owned();
    assert_eq!(node.post(&format!("/api/v1/nodes/{name}/settings")), 200);
    says(&node, "settings are taken up settings=\"per-address\"");
    assert_eq!(node.signaling(), signaling);
    node.signal(Signal::HUP);
    eventually("another signaling process", || (node.signaling() != signaling).then_some(()));
}

#[test]
fn a_log_filter_that_is_taken_up_on_a_terminal_shows_the_lines_that_were_asked_for() {
    let dir = Dir::new();
    let file = dir.path("chappe.toml");
    fs::write(&file, "").unwrap();
    let command = chappe(&dir, &["--workers", "1", "--config", file.to_str().unwrap()]);
    let mut terminal = OnTerminal::start(command);
    terminal.wait_for(&["Ctrl-C stops"]);
    let supervisor = eventually("the state file", || {
        let state: serde_json::Value = serde_json::from_slice(&fs::read(dir.state_file()).ok()?).ok()?;
        state["supervisor"]["pid"].as_u64()
    });
    fs::write(&file, "log-filter = \"info,chappe_supervisor=debug\"\n").unwrap();
    kill(supervisor.try_into().unwrap(), Signal::HUP);
    terminal.wait_for(&["worker-0 logs by another filter"]);
    terminal.press("\u{3}");
    assert!(terminal.end().success());
}

#[test]
fn the_end_of_its_terminal_is_the_end_of_a_node() {
    let dir = Dir::new();
    let terminal = OnTerminal::start(chappe(&dir, &["--workers", "1"]));
    let pids = eventually("a node on a terminal", || {
        let state = fs::read_to_string(dir.state_file()).ok()?;
        let state: serde_json::Value = serde_json::from_str(&state).ok()?;
        let pid = |process: &serde_json::Value| u32::try_from(process["pid"].as_u64()?).ok();
        Some([pid(&state["supervisor"])?, pid(&state["signaling"])?, pid(&state["workers"][0])?])
    });
    terminal.hang_up();
    eventually("all processes gone", || pids.iter().all(|pid| !is_alive(*pid)).then_some(()));
}
