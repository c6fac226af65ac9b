//! What a node says and serves when it starts.

use rustix::process::Signal;

use crate::live::OnTerminal;
use crate::operates::run;
use crate::running::{Dir, Running, chappe, eventually, get, kill};

#[test]
fn it_prints_where_to_open_the_page_and_serves_it_there() {
    let node = Running::start(&["--workers", "2"]);
    let port = node.state()["http"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
    let printed = node.printed();
    assert!(printed.contains(&format!("http://localhost:{port}\n")), "{printed}");
    for index in 0..2 {
        let media_port = &node.state()["workers"][index]["media_port"];
        assert!(printed.contains(&format!("UDP and TCP port {media_port}")), "{printed}");
        assert!(printed.contains(&format!("pid {}", node.worker(index).unwrap())), "{printed}");
    }
    assert_eq!(node.http("/healthz").0, 200);
    let (status, page) = node.http("/");
    assert_eq!(status, 200);
    assert!(page.contains("<html"), "{page}");
}

#[test]
fn a_person_at_a_terminal_sees_the_banner_and_then_only_what_matters() {
    let dir = Dir::new();
    let mut terminal = OnTerminal::start(chappe(&dir, &["--workers", "1", "--node", "desk"]));
    terminal.wait_for(&["on node desk", "open  ", "admin ", "UDP and TCP port", "access", "Ctrl-C stops"]);
    let (admin, worker) = eventually("the state file", || {
        let state: serde_json::Value = serde_json::from_slice(&std::fs::read(dir.state_file()).ok()?).ok()?;
        Some((state["admin"].clone(), state["workers"][0]["pid"].as_u64()?))
    });
    eventually("the worker serves", || {
        let (_, workers) = get(admin.as_str().unwrap(), "/api/v1/workers");
        workers.contains("\"serving\"").then_some(())
    });
    kill(worker.try_into().unwrap(), Signal::KILL);
    terminal.wait_for(&["was killed by signal 9 (SIGKILL)"]);
    // What the supervisor does is told, and may be on the screen already: that it starts the next worker.
    let shown = terminal.contents();
    let mut told = shown.lines().filter(|line| line.contains("INFO"));
    assert!(told.all(|line| line.contains("chappe_supervisor") && line.contains("restarts=1")), "{shown}");
    let (code, log, _) = run(&dir, &["logs"]);
    assert!(code == 0 && log.contains("INFO") && log.contains("worker started"), "{log}");
    terminal.press("\u{3}");
    terminal.wait_for(&["stopping"]);
    assert!(terminal.end().success());
}

#[test]
fn the_admin_listener_knows_the_workers_by_their_process_ids() {
    let node = Running::start(&["--workers", "2"]);
    let workers = eventually("both workers are serving", || {
        let workers = node.admin("/api/v1/workers");
        workers.as_array().unwrap().iter().all(|worker| worker["pid"].is_u64()).then_some(workers)
    });
    for (index, worker) in workers.as_array().unwrap().iter().enumerate() {
        assert_eq!(worker["pid"], node.worker(index).unwrap());
        assert_eq!(worker["media_port"], node.state()["workers"][index]["media_port"]);
    }
}

#[test]
fn a_worker_stays_on_its_core() {
    let node = Running::start(&["--workers", "1"]);
    let path = format!("/proc/{}/status", node.worker(0).unwrap());
    let allowed = eventually("the worker is pinned", || {
        let status = std::fs::read_to_string(&path).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap().trim();
        line.parse::<usize>().ok()
    });
    assert!(allowed < std::thread::available_parallelism().unwrap().get());
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let run = |args: &[&str], environment: &[(&str, &str)]| {
        let dir = Dir::new();
        let file = dir.path("chappe.toml");
        std::fs::write(&file, "workers = 3\n").unwrap();
        let mut command = chappe(&dir, &["--config", file.to_str().unwrap()]);
        command.args(args).envs(environment.iter().copied());
        Running::start_in(dir, command).workers()
    };
    assert_eq!(run(&["--workers", "1"], &[("CHAPPE_WORKERS", "2")]), 1);
    assert_eq!(run(&[], &[("CHAPPE_WORKERS", "2")]), 2);
    assert_eq!(run(&[], &[]), 3);
}

#[test]
fn every_line_of_a_json_log_is_an_object_also_those_of_the_children() {
    let node = Running::start(&["--workers", "1", "--log", "json"]);
    assert_eq!(node.http("/healthz").0, 200);
    let log = eventually("signaling's first line", || {
        let log = node.log();
        log.contains("chappe_signaling").then_some(log)
    });
    let whole = &log[..=log.rfind('\n').unwrap()];
    for line in whole.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(value.is_object(), "{line}");
    }
}

#[test]
fn signaling_alone_serves_the_page_without_workers() {
    let node = Running::start(&["signaling"]);
    assert_eq!(node.workers(), 0);
    assert_eq!(node.http("/healthz").0, 200);
}
