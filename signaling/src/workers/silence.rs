//! Owns the verdict on a worker that says nothing: it sleeps, or it is runnable (without a core, or in a loop that does
//! not end). Never ends a connection.

use std::fs;
use std::io;
use std::time::Duration;

use chappe_sfu_api::Event;
use tokio::time::timeout;

use super::lines::LineReader;

/// The next event of a worker, which says ten times a second that it lives. One that says nothing for [`SILENT_AFTER`]
/// is stopped or hangs, and its clients see nothing any more, whatever its connections look like; unless it is runnable.
/// Then it has until [`RUNNABLE_CHECKS`] are over, because it may only lack a core, and to give up its sessions would make
/// a busy machine busier.
pub async fn next_event(reader: &mut LineReader, pid: u32) -> io::Result<Option<Event>> {
    let next = reader.next::<Event>();
    tokio::pin!(next);
    if let Ok(event) = timeout(SILENT_AFTER, &mut next).await {
        return event;
    }
    for check in 0..RUNNABLE_CHECKS {
        if !is_runnable(pid) {
            break;
        }
        if check == 0 {
            tracing::info!("this worker is runnable and says nothing: its sessions are kept for now");
        }
        if let Ok(event) = timeout(CHECK_INTERVAL, &mut next).await {
            return event;
        }
    }
    // It may have spoken and gone to sleep since.
    timeout(LAST_WORD_WITHIN, &mut next).await?
}

/// Whether the main thread of a process runs or waits for a core: proc(5), `R` in the field after its name in brackets,
/// and `D` for one whose memory is read from the disk.
fn is_runnable(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with(['R', 'D']))
}

/// Eight signs of life. A busy machine delays one or two.
const SILENT_AFTER: Duration = Duration::from_millis(800);
/// 2.2 s, so that one that turns in a circle is given up after 3 s.
const RUNNABLE_CHECKS: u32 = 22;
const CHECK_INTERVAL: Duration = Duration::from_millis(100);
const LAST_WORD_WITHIN: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command};
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::UnixStream;
    use tokio::time::{Instant, sleep};

    struct Process(Child);

    impl Process {
        fn run(program: &str, arguments: &[&str]) -> Process {
            Process(Command::new(program).args(arguments).spawn().unwrap())
        }

        /// Comes back when it is so.
        fn is_seen_as(&self, runnable: bool) {
            while is_runnable(self.0.id()) != runnable {
                std::thread::yield_now();
            }
        }

        fn signal(&self, signal: rustix::process::Signal) {
            let pid = rustix::process::Pid::from_child(&self.0);
            rustix::process::kill_process(pid, signal).unwrap();
        }
    }

    impl Drop for Process {
        fn drop(&mut self) {
            self.0.kill().unwrap();
            self.0.wait().unwrap();
        }
    }

    #[test]
    fn a_process_that_works_is_runnable_and_one_that_is_stopped_or_asleep_is_not() {
        let works = Process::run("sh", &["-c", "while :; do :; done"]);
        works.is_seen_as(true);
        works.signal(rustix::process::Signal::STOP);
        works.is_seen_as(false);
        works.signal(rustix::process::Signal::CONT);
        works.is_seen_as(true);
        Process::run("sleep", &["60"]).is_seen_as(false);
        assert!(!is_runnable(u32::MAX), "one that is gone");
    }

    /// Seen where browsers and compilers kept a machine busy: a worker without a core was held for dead.
    #[tokio::test(start_paused = true)]
    async fn a_worker_without_a_core_has_longer_to_speak_than_one_that_sleeps() {
        let works = Process::run("sh", &["-c", "while :; do :; done"]);
        works.is_seen_as(true);
        let sleeps = Process::run("sleep", &["60"]);
        sleeps.is_seen_as(false);
        let (_worker, mut reader) = connection();
        let silent_for = async |reader: &mut LineReader, process: &Process| {
            let since = Instant::now();
            let error = next_event(reader, process.0.id()).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            since.elapsed()
        };
        assert!(silent_for(&mut reader, &sleeps).await < Duration::from_secs(1));
        assert!(silent_for(&mut reader, &works).await > Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_without_a_core_that_speaks_in_time_is_heard() {
        let works = Process::run("sh", &["-c", "while :; do :; done"]);
        works.is_seen_as(true);
        let (mut worker, mut reader) = connection();
        let speaks = async {
            sleep(Duration::from_secs(2)).await;
            let line = serde_json::to_string(&Event::Alive).unwrap() + "\n";
            worker.write_all(line.as_bytes()).await.unwrap();
            worker
        };
        let (_worker, event) = tokio::join!(speaks, next_event(&mut reader, works.0.id()));
        assert!(matches!(event.unwrap(), Some(Event::Alive)));
    }

    fn connection() -> (UnixStream, LineReader) {
        let (worker, ours) = UnixStream::pair().unwrap();
        let (reader, writer) = ours.into_split();
        writer.forget();
        (worker, LineReader::new(reader))
    }
}
