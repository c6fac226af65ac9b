//! A file that is full, moved away, or on a disk that takes nothing.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use chappe_supervisor_api::ProcessName;

/// Goes with the test.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Dir {
        let path = std::env::temp_dir().join(format!("chappe-log-file-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Dir(path)
    }

    fn plan(&self, bytes_max: u64, files: u16) -> LogFilePlan {
        LogFilePlan { path: self.0.join("log"), bytes_max, files }
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap_or_default()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_full_file_gets_a_number_and_the_oldest_goes() {
    let dir = Dir::new("full");
    let mut file = RotatingFile::new(dir.plan(10, 3));
    file.write(b"one\ntwo\nthree\nfour\nfive\nsix\n").unwrap();
    let files = ["log", "log.1", "log.2", "log.3"].map(|name| dir.read(name));
    assert_eq!(files, ["six\n", "four\nfive\n", "three\n", ""]);
    // A node that starts anew goes on where it was, and a line is not cut, however long.
    let mut file = RotatingFile::new(dir.plan(10, 3));
    file.write(b"a\nlonger than ten\nb\n").unwrap();
    let files = ["log", "log.1", "log.2"].map(|name| dir.read(name));
    assert_eq!(files, ["b\n", "longer than ten\n", "six\na\n"].map(String::from));
    let mut single = RotatingFile::new(dir.plan(10, 1));
    single.write(b"1234567\n89\n").unwrap();
    assert_eq!((dir.read("log"), dir.read("log.1")), ("89\n".to_owned(), "longer than ten\n".to_owned()));
}

#[test]
fn a_file_that_was_moved_or_cut_by_another_program_goes_on() {
    let dir = Dir::new("moved");
    let mut file = RotatingFile::new(dir.plan(10, 3));
    file.write(b"one\n").unwrap();
    fs::rename(dir.0.join("log"), dir.0.join("elsewhere")).unwrap();
    file.write(b"two\n").unwrap();
    file.close();
    file.write(b"three\n").unwrap();
    assert_eq!((dir.read("elsewhere").as_str(), dir.read("log").as_str()), ("one\ntwo\n", "three\n"));
    fs::File::options().write(true).open(dir.0.join("log")).unwrap().set_len(0).unwrap();
    file.write(b"from 0 on\n").unwrap();
    assert_eq!((dir.read("log").as_str(), dir.read("log.1").as_str()), ("from 0 on\n", ""));
}

#[test]
fn a_disk_that_takes_nothing_is_an_error_that_counts_the_lines() {
    let plan = LogFilePlan { path: Path::new("/dev/full").to_owned(), bytes_max: 100, files: 2 };
    let (error, lost) = RotatingFile::new(plan).write(b"one\ntwo\n").unwrap_err();
    assert_eq!((error.kind(), lost), (io::ErrorKind::StorageFull, 2));
}

#[test]
fn lines_name_their_node_and_process_in_both_forms() {
    let dir = Dir::new("forms");
    for (format, line, expected) in [
        (LogFormat::Text, "2026 INFO up", "a/worker-3 2026 INFO up\n"),
        (LogFormat::Json, r#"{"level":"INFO"}"#, "{\"node\":\"a\",\"process\":\"worker-3\",\"level\":\"INFO\"}\n"),
    ] {
        let file = LogFile::start(&dir.plan(1000, 2), "a", format).unwrap();
        file.offer(LogSource::Process(ProcessName::Worker(3)), line.as_bytes());
        file.finish();
        assert_eq!(dir.read("log"), expected);
        fs::remove_file(dir.0.join("log")).unwrap();
    }
}

#[test]
fn lines_that_come_faster_than_they_are_written_are_counted_and_do_not_grow_the_queue() {
    // No thread takes them.
    let file = LogFile { queue: Arc::default(), format: LogFormat::Text, node: "a".to_owned() };
    let line = [b'x'; 1000];
    for _ in 0..10_000 {
        file.offer(LogSource::Supervisor, &line);
    }
    let waiting = file.queue.unwritten();
    assert!(waiting.lines.len() <= WAITING_BYTES_MAX + 1100, "{}", waiting.lines.len());
    assert!(waiting.dropped > 5000, "{}", waiting.dropped);
}
