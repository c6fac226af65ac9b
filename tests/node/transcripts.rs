//! The transcripts of docs/operating.md: each command that it shows is given to a real node, and what comes has the
//! same shape. Numbers and times may differ; columns, words and exit codes may not.

use std::fs;
use std::process::Output;

use crate::operates::{operator, serving};
use crate::running::{Dir, Running, chappe, eventually};
use crate::sessions::{Audience, session};

/// A command that the document shows, and the lines below it.
struct Step {
    command: String,
    shown: Vec<String>,
}

/// What is shown of other machines: other tests have it.
const NOT_HERE: [&str; 2] = ["export CHAPPE_TOKEN=", "chappe ls --admin https://"];
/// What is shown of a node that somebody publishes to and somebody watches.
const OF_AN_AUDIENCE: [&str; 6] =
    ["chappe rooms", "chappe streams", "chappe session", "chappe mute", "chappe kick", "chappe drain --cancel"];
/// Of these the first lines are shown, of as many as there are.
const LONG: [&str; 3] = ["chappe logs", "chappe config", "chappe completions"];

fn document() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operating.md")).unwrap()
}

/// What stands between lines of three backticks, block by block.
fn blocks(text: &str) -> Vec<Vec<&str>> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while lines.by_ref().any(|line| line == "```") {
        blocks.push(lines.by_ref().take_while(|line| *line != "```").collect());
    }
    blocks
}

fn steps(block: &[&str]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in block {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => steps.push(Step { command: command.to_owned(), shown: Vec::new() }),
            (None, Some(step)) => step.shown.push((*line).to_owned()),
            // The screen of `top` and the narrow table have no command.
            (None, None) => {}
        }
    }
    steps
}

/// Numbers are 0, what is drawn at random is an ellipsis, and columns are as wide as what is in them.
fn shape(line: &str) -> String {
    let mut shape = String::new();
    let line = line.trim_end().split(' ').map(without_random).collect::<Vec<_>>().join(" ");
    for c in line.chars() {
        let c = if c.is_ascii_digit() { '0' } else { c };
        if !(matches!(c, '0' | ' ' | '─' | '═') && shape.ends_with(c)) {
            shape.push(c);
        }
    }
    // A room may have both workers, or the one that there is place on.
    shape.replace("0m 0s", "0s").replace("studio/0 studio/0", "studio/0")
}

/// Ids, secrets and tokens.
fn without_random(word: &str) -> &str {
    let text = word.trim_matches(['"', ',', '…']);
    let digits = text.strip_prefix("key-").unwrap_or(text);
    let is_random = digits.len() >= 12 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_random || text.starts_with("eyJ") { "…" } else { word }
}

fn shapes<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    lines.into_iter().map(shape).collect()
}

/// How far long work is: which of these lines come depends on how long it takes.
fn is_progress(line: &str) -> bool {
    [" to the deadline", " workers serve", ": signaling is replaced"].iter().any(|end| line.ends_with(end))
}

/// A worker may be in the next state already.
fn progress_shape(line: &str) -> String {
    ["draining: ", "connecting: ", "lost: ", "serving: "]
        .iter()
        .fold(shape(line), |line, state| line.replace(state, ": "))
}

/// A node as that of the document: two workers, and settings beside it.
fn studio() -> Running {
    let dir = Dir::new();
    let file = dir.path("chappe.toml");
    fs::write(&file, "").unwrap();
    let command = chappe(&dir, &["--node", "studio", "--workers", "2", "--config", file.to_str().unwrap()]);
    let node = Running::start_in(dir, command);
    serving(&node, 2);
    eventually("both workers say what they cost", || {
        let workers = node.admin("/api/v1/workers");
        workers.as_array().unwrap().iter().all(|worker| worker["rss_bytes"] != 0).then_some(())
    });
    node
}

/// The addresses, files and ids of the document are those of the node; what was made last is `made`.
fn given(node: &Running, command: &str, made: &str) -> Output {
    let own = |word: &str| match word {
        "http://127.0.0.1:8080" => format!("http://{}", node.state()["http"].as_str().unwrap()),
        "/etc/chappe.keys" => node.dir.path("keys").to_str().unwrap().to_owned(),
        _ if word.starts_with("key-") => {
            fs::read_to_string(node.dir.path("keys")).unwrap().split(':').next().unwrap().to_owned()
        }
        _ if word.starts_with("eyJ") => made.to_owned(),
        _ if without_random(word) == "…" => {
            session(node, "whip").expect("a publisher")["id"].as_str().unwrap().to_owned()
        }
        _ => word.to_owned(),
    };
    let args: Vec<String> = command.split(' ').skip(1).map(own).collect();
    operator(&node.dir, &args.iter().map(String::as_str).collect::<Vec<_>>()).output().unwrap()
}

/// What of these lines is the same on every machine, and each time.
fn comparable<'a>(command: &str, lines: Vec<&'a str>) -> Vec<&'a str> {
    match command.split(' ').nth(1) {
        // What is found depends on the machine, what is looked at does not.
        Some("doctor") => {
            lines.into_iter().filter(|line| line.starts_with('│')).filter_map(|row| row.split('┆').next()).collect()
        }
        Some("load") => lines.into_iter().filter(|line| !line.starts_with("This machine may have been")).collect(),
        _ => lines,
    }
}

/// Rows are in the order of ids, which are random.
fn in_order(command: &str, mut shapes: Vec<String>) -> Vec<String> {
    if command.ends_with("--list") {
        shapes.sort();
    }
    shapes
}

fn lines(bytes: &[u8]) -> Vec<String> {
    String::from_utf8(bytes.to_vec()).unwrap().lines().map(str::to_owned).collect()
}

/// Runs a block from its first command to its last.
fn replay(block: &[Step]) {
    let node = studio();
    let has_audience = |step: &Step| OF_AN_AUDIENCE.iter().any(|start| step.command.starts_with(start));
    let _audience = block.iter().any(has_audience).then(|| Audience::of(&node));
    let (mut code, mut made) = (None, String::new());
    for Step { command, shown } in block {
        if command == "echo $?" {
            assert_eq!(shown, &[code.unwrap_or(0).to_string()], "the exit code before");
            continue;
        }
        assert!(command.starts_with("chappe "), "a command of ours: {command}");
        if shown.iter().any(|line| line.contains(" takes up: ")) {
            fs::write(node.dir.path("chappe.toml"), "per-address = 50\nlog = \"json\"\n").unwrap();
        }
        let output = given(&node, command, &made);
        code = output.status.code();
        let (told, trouble) = (lines(&output.stdout), lines(&output.stderr));
        let (progress, results): (Vec<&str>, Vec<&str>) =
            shown.iter().map(String::as_str).partition(|line| is_progress(line));
        let (mistakes, seen): (Vec<&str>, Vec<&str>) =
            trouble.iter().map(String::as_str).partition(|line| line.starts_with("chappe: "));
        let mut came: Vec<&str> = told.iter().map(String::as_str).chain(mistakes).collect();
        if LONG.iter().any(|start| command.starts_with(start)) {
            came.truncate(results.len());
        }
        let [came, results] = [came, results].map(|lines| in_order(command, shapes(comparable(command, lines))));
        assert_eq!(came, results, "$ {command}\n{}", [told.join("\n"), trouble.join("\n")].join("\n"));
        made = told.join("\n");
        let seen: Vec<String> = seen.into_iter().map(progress_shape).collect();
        let known = |line: &&str| seen.contains(&progress_shape(line)) || seen.len() < progress.len();
        assert!(progress.iter().all(known), "$ {command}: of {progress:?} came {seen:?}");
    }
}

#[test]
fn each_command_of_the_document_prints_what_is_shown() {
    let text = document();
    let blocks: Vec<Vec<Step>> = blocks(&text).iter().map(|block| steps(block)).collect();
    let is_elsewhere = |step: &Step| NOT_HERE.iter().any(|start| step.command.starts_with(start));
    let (elsewhere, here): (Vec<&[Step]>, Vec<&[Step]>) = blocks
        .iter()
        .map(Vec::as_slice)
        .filter(|block| !block.is_empty())
        .partition(|block| block.iter().any(is_elsewhere));
    let left_out: Vec<&Step> = elsewhere.into_iter().flatten().collect();
    assert!(left_out.iter().all(|step| is_elsewhere(step)), "a block is left out as a whole");
    assert_eq!(left_out.len(), NOT_HERE.len(), "what is left out is there");
    assert!(here.len() >= 6, "the document has transcripts");
    here.into_iter().for_each(replay);
}

/// Without a session a drain may be over before anything of it is shown; with one it lasts until the deadline.
#[test]
fn a_drain_says_how_many_sessions_are_left_and_when_it_ends() {
    let node = studio();
    let _audience = Audience::of(&node);
    let output = operator(&node.dir, &["drain", "--deadline", "3s"]).output().unwrap();
    let (told, progress) = (lines(&output.stdout), lines(&output.stderr));
    assert_eq!((output.status.code(), told), (Some(0), vec!["studio is drained and has ended".to_owned()]));
    let shown = document();
    let shown = shown.lines().find(|line| line.starts_with("studio drains: ")).expect("the document shows it");
    let is_it = |line: &String| progress_shape(line) == progress_shape(shown);
    let of_both = |line: &&String| line.starts_with("studio drains: 2 sessions left, ");
    assert!(progress.iter().filter(of_both).any(is_it), "{progress:?}");
}

/// The same of a worker that is replaced.
#[test]
fn a_reload_says_how_many_sessions_are_left_on_a_worker_and_when_they_end() {
    let node = studio();
    let _audience = Audience::of(&node);
    let worker = session(&node, "whip").expect("a publisher")["worker"].as_str().unwrap().to_owned();
    let output = operator(&node.dir, &["reload", "--deadline", "3s"]).output().unwrap();
    let progress = lines(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{progress:?}");
    let shown = document();
    let shown = shown.lines().find(|line| line.starts_with("studio/0 draining: ")).expect("the document shows it");
    let start = format!("{worker} draining: ");
    let has_sessions = |line: &&String| line.starts_with(&start) && !line.contains(": 0 sessions left");
    assert!(progress.iter().filter(has_sessions).any(|line| shape(line) == shape(shown)), "{progress:?}");
}

/// And of workers that leave.
#[test]
fn a_scale_says_how_many_sessions_are_left_on_workers_that_leave_and_when_they_end() {
    let node = studio();
    // So many that both workers have some.
    let _audience = Audience::in_rooms(&node, 8);
    eventually("somebody is on the worker that is to leave", || {
        let workers = node.admin("/api/v1/workers");
        let last = workers.as_array()?.iter().find(|worker| worker["id"] == "studio/1")?;
        (last["sessions"].as_u64()? > 0).then_some(())
    });
    let output = operator(&node.dir, &["scale", "1", "--deadline", "3s"]).output().unwrap();
    let (told, progress) = (lines(&output.stdout), lines(&output.stderr));
    assert_eq!((output.status.code(), told), (Some(0), vec!["studio has workers: 1 (had 2)".to_owned()]));
    let shown = document();
    let shown =
        shown.lines().find(|line| line.starts_with("studio: workers that leave: ")).expect("the document shows it");
    let has_sessions = |line: &&String| !line.contains("sessions left: 0,");
    assert!(progress.iter().filter(has_sessions).any(|line| shape(line) == shape(shown)), "{progress:?}");
}

#[test]
fn the_narrow_table_of_the_document_is_the_one_of_60_columns() {
    let text = document();
    let table =
        blocks(&text).into_iter().find(|block| block.first().is_some_and(|line| line.starts_with('┌'))).unwrap();
    let node = studio();
    let output = operator(&node.dir, &["ls"]).env("COLUMNS", "60").output().unwrap();
    let printed = lines(&output.stdout);
    assert_eq!(shapes(printed.iter().map(String::as_str)), shapes(table));
}

#[test]
fn a_renamed_column_is_another_shape_and_other_numbers_are_not() {
    assert_eq!(shape("│ studio ┆  0 ┆ 6650 ┆ 1h 2m │"), shape("│ studio ┆ 12 ┆    7 ┆ 12h 30m │"));
    assert_eq!(shape("╞══════╪═══╡"), shape("╞═╪════════╡"));
    assert_ne!(shape("│ node ┆ worker ┆ pid │"), shape("│ node ┆ worker ┆ process │"));
    assert_ne!(shape("│ node ┆ worker │"), shape("│ node │"));
    assert_eq!(shape("secret  cfe1342d28e39113…"), shape("secret  0be8b2d7448fb7814e1779051e9159c87ca91022"));
    assert_ne!(shape("key-f5aaa01dcf10 is void"), shape("key-f5aaa01dcf10"));
}
