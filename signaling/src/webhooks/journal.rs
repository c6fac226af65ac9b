//! Owns the files in which events wait for their receivers, too: the next signaling process tells what this one could not,
//! also when this one was killed, or its machine. Never decides what is told, or where the files are.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chappe_signaling_events::{JournalChange, Outbox, journal_name};
use chappe_signaling_service::unix_ms;
use hyper::Uri;
use tracing::{info, warn};

use super::folder::Folder;

/// Of one receiver.
#[derive(Debug, Clone)]
pub struct Journal(Arc<Mutex<Pages>>);

#[derive(Debug)]
struct Pages {
    /// None: there is nowhere to write, and the end of the process loses what waits.
    path: Option<PathBuf>,
    /// What was read here, too, is over once the file is written.
    other: Option<PathBuf>,
    file: Option<File>,
    lines: usize,
    /// While it can't be written: since how many attempts, and when the next one is.
    failing: Option<(usize, Instant)>,
}

impl Journal {
    /// With what the processes before have left.
    pub fn open(folder: &Folder, receiver: &Uri) -> (Journal, Outbox) {
        let below = |folder: &Option<PathBuf>| folder.as_deref().map(|folder| folder.join(file_name(receiver)));
        let (path, other) = (below(&folder.path), below(&folder.other));
        let changes = format!("{}\n{}", read(path.as_deref()), read(other.as_deref()));
        let outbox = Outbox::restored(Instant::now(), unix_ms(), &changes);
        if outbox.queued() > 0 {
            let receiver = receiver.authority().map_or("", |authority| authority.as_str());
            info!(receiver, count = outbox.queued(), "events that the process before could not tell are told now");
        }
        // What was read is written anew, without what is over.
        (Journal::at(path, other), outbox)
    }

    pub fn nowhere() -> Journal {
        Journal::at(None, None)
    }

    fn at(path: Option<PathBuf>, other: Option<PathBuf>) -> Journal {
        let pages = Pages { path, other, file: None, lines: usize::MAX, failing: None };
        Journal(Arc::new(Mutex::new(pages)))
    }

    /// Takes down what has changed. The disk is waited for by this receiver alone.
    pub async fn note(&self, outbox: &mut Outbox) {
        let now = Instant::now();
        let Some((journal, changes, summary)) = self.begin(outbox, now) else { return };
        let writing = tokio::task::spawn_blocking(move || journal.write(now, &changes, summary.as_deref()));
        // It does not panic, and it is not cancelled once it runs.
        let _ = writing.await;
    }

    /// The same, for the last time.
    pub fn note_now(&self, outbox: &mut Outbox) {
        let again_at = self.pages().failing.map(|(_, again_at)| again_at);
        let now = again_at.unwrap_or_else(Instant::now);
        if let Some((journal, changes, summary)) = self.begin(outbox, now) {
            journal.write(now, &changes, summary.as_deref());
        }
    }

    /// What is to be written: the changes, or all that waits where most of the file is about what is over, and where it
    /// could not be written before. That is tried again seldom: each time it is the whole queue.
    fn begin(
        &self,
        outbox: &mut Outbox,
        now: Instant,
    ) -> Option<(Journal, Vec<JournalChange>, Option<Vec<JournalChange>>)> {
        let changes = outbox.take_changes();
        let pages = self.pages();
        let is_due = match pages.failing {
            Some((_, again_at)) => now >= again_at,
            None => !changes.is_empty(),
        };
        if pages.path.is_none() || !is_due {
            return None;
        }
        let lines = pages.lines.saturating_add(changes.len());
        drop(pages);
        let is_old = outbox.queued() == 0 || lines > 2 * outbox.queued() + LINES_KEPT;
        Some((self.clone(), changes, is_old.then(|| outbox.summary())))
    }

    fn write(&self, now: Instant, changes: &[JournalChange], summary: Option<&[JournalChange]>) {
        let mut pages = self.pages();
        let written = match summary {
            Some(summary) => pages.rewrite(summary),
            None => pages.append(changes),
        };
        match written {
            Ok(()) => pages.failing = None,
            // Said once; the file is made anew after a pause.
            Err(error) => {
                let attempts = pages.failing.map_or(0, |(attempts, _)| attempts);
                if attempts == 0 {
                    warn!(%error, "should signaling end now, it would forget events that wait for a receiver");
                }
                let pause = PAUSES.get(attempts).or(PAUSES.last()).copied().unwrap_or_default();
                pages.failing = Some((attempts + 1, now + pause));
                pages.lines = usize::MAX;
            }
        }
    }

    fn pages(&self) -> std::sync::MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    fn append(&mut self, changes: &[JournalChange]) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write_all(text_of(changes).as_bytes())?;
        // A machine that ends without this costs who is told twice, but for what has yet to be told.
        if changes.iter().any(|change| matches!(change, JournalChange::Queued(_) | JournalChange::Untold(_))) {
            file.sync_data()?;
        }
        self.lines += changes.len();
        Ok(())
    }

    /// Written whole and renamed into place, so that whoever is killed here leaves the old or the new one.
    fn rewrite(&mut self, summary: &[JournalChange]) -> io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        if summary.is_empty()
            && let Some(file) = &mut self.file
        {
            file.set_len(0)?;
            self.lines = 0;
            return Ok(());
        }
        let part = path.with_extension("part");
        let mut options = OpenOptions::new();
        // Only its owner gets into the directory; who copies the file elsewhere should not show it either.
        let mut file = options.create(true).write(true).truncate(true).mode(0o600).open(&part)?;
        file.write_all(text_of(summary).as_bytes())?;
        file.sync_data()?;
        drop(file);
        fs::rename(&part, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())?;
        if let Some(other) = self.other.take() {
            let _ = fs::remove_file(other);
        }
        self.file = Some(OpenOptions::new().append(true).open(path)?);
        self.lines = summary.len();
        Ok(())
    }
}

/// Receivers that are named no more are told nothing, and what waits for them is forgotten.
pub fn forget_others(folder: &Folder, receivers: &[Uri]) {
    let named: BTreeSet<String> = receivers.iter().map(file_name).collect();
    let folders = folder.path.iter().chain(&folder.other);
    for entry in folders.filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        // One that is being written anew is its receiver's.
        if !name.starts_with(PREFIX) || named.contains(name.trim_end_matches(".part")) {
            continue;
        }
        let text = fs::read(entry.path()).unwrap_or_default();
        let count = Outbox::restored(Instant::now(), unix_ms(), &String::from_utf8_lossy(&text)).queued();
        if count > 0 {
            warn!(count, "events are dropped: their receiver is named no more");
        }
        let _ = fs::remove_file(entry.path());
    }
}

fn read(path: Option<&Path>) -> String {
    let bytes = path.map(fs::read).and_then(Result::ok).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn text_of(changes: &[JournalChange]) -> String {
    changes.iter().map(JournalChange::to_line).collect()
}

fn file_name(receiver: &Uri) -> String {
    format!("{PREFIX}{}", journal_name(&receiver.to_string()))
}

const PREFIX: &str = "webhook-";
/// About what is over, before the file is made anew.
const LINES_KEPT: usize = 1_000;
/// After attempts to write that failed; then the last.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(20), Duration::from_secs(60)];

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use chappe_signaling_events::{EventKind, Outcome, PublicEvent};

    use super::*;

    /// Goes with the test.
    struct Dir(PathBuf);

    impl Dir {
        fn new() -> Dir {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("chappe-journal-{}-{number}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Dir(path)
        }

        fn open(&self) -> (Journal, Outbox) {
            Journal::open(&self.folder(), &receiver())
        }

        fn folder(&self) -> Folder {
            folder(&self.0)
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn folder(path: &Path) -> Folder {
        Folder::of_run(Some(path.to_owned()))
    }

    fn receiver() -> Uri {
        "https://example.org/hooks".parse().unwrap()
    }

    fn push(outbox: &mut Outbox, id: usize) {
        let (room, data) = (Some(format!("room{}", id % 3)), serde_json::Value::Null);
        let event = PublicEvent { id: id.to_string(), kind: EventKind::RoomStarted, at_ms: unix_ms(), room, data };
        outbox.push(Instant::now(), Arc::new(event));
    }

    fn deliver(outbox: &mut Outbox) -> Vec<String> {
        let now = Instant::now();
        let mut told = Vec::new();
        while let Some(attempt) = outbox.poll_attempt(now) {
            told.push(attempt.event.id.clone());
            outbox.handle_outcome(now, &attempt, Outcome::Delivered);
        }
        told
    }

    #[tokio::test]
    async fn what_waits_is_there_for_the_next_process_and_what_was_told_is_not() {
        let dir = Dir::new();
        let (journal, mut outbox) = dir.open();
        for id in 0..3 {
            push(&mut outbox, id);
            journal.note(&mut outbox).await;
        }
        assert_eq!(deliver(&mut outbox).len(), 3);
        for id in 3..9 {
            push(&mut outbox, id);
        }
        journal.note(&mut outbox).await;
        drop((journal, outbox));
        let (journal, mut outbox) = dir.open();
        push(&mut outbox, 9);
        journal.note_now(&mut outbox);
        let (_, mut outbox) = dir.open();
        let mut told = deliver(&mut outbox);
        let of_a_room: Vec<&String> = told.iter().filter(|id| ["3", "6", "9"].contains(&id.as_str())).collect();
        assert_eq!(of_a_room, ["3", "6", "9"], "in their order");
        told.sort_unstable();
        assert_eq!(told, ["3", "4", "5", "6", "7", "8", "9"]);
    }

    #[test]
    fn what_waits_in_two_places_is_told_from_one() {
        let (dir, run) = (Dir::new(), Dir::new());
        for (id, dir) in [(3, &dir), (6, &run)] {
            let (journal, mut outbox) = dir.open();
            push(&mut outbox, id);
            journal.note_now(&mut outbox);
        }
        let both = || {
            let mut folder = dir.folder();
            folder.other = Some(run.0.clone());
            folder
        };
        let (journal, mut outbox) = Journal::open(&both(), &receiver());
        journal.note_now(&mut outbox);
        let (_, mut outbox) = Journal::open(&both(), &receiver());
        assert_eq!(deliver(&mut outbox), ["3", "6"], "once, in their order");
        assert_eq!(run.open().1.queued(), 0);
    }

    #[tokio::test]
    async fn the_file_does_not_grow_with_what_is_over() {
        let dir = Dir::new();
        let (journal, mut outbox) = dir.open();
        push(&mut outbox, 0);
        for id in 1..5_000 {
            push(&mut outbox, 3 * id + 1);
            journal.note(&mut outbox).await;
            let now = Instant::now();
            let attempt = outbox.poll_attempt(now).unwrap();
            let outcome = if attempt.event.id == "0" { Outcome::Failed } else { Outcome::Delivered };
            outbox.handle_outcome(now, &attempt, outcome);
            journal.note(&mut outbox).await;
        }
        let text = fs::read_to_string(dir.0.join(file_name(&receiver()))).unwrap();
        assert!(text.lines().count() <= LINES_KEPT + 10, "{}", text.lines().count());
        deliver(&mut outbox);
        push(&mut outbox, 1);
        journal.note_now(&mut outbox);
        let left = outbox.queued();
        drop((journal, outbox));
        forget_others(&dir.folder(), &[receiver()]);
        assert_eq!(dir.open().1.queued(), left);
        forget_others(&dir.folder(), &[]);
        assert_eq!(dir.open().1.queued(), 0);
    }

    #[test]
    fn a_full_disk_is_tried_again_seldom_and_all_is_written_once_it_is_not() {
        let dir = Dir::new();
        let (journal, mut outbox) = Journal::open(&folder(&dir.0.join("later")), &receiver());
        let (mut now, mut id, mut attempts) = (Instant::now(), 0, 0);
        let end = now + Duration::from_secs(300);
        while now < end {
            push(&mut outbox, id);
            if let Some((_, changes, summary)) = journal.begin(&mut outbox, now) {
                assert_eq!(summary.as_ref().map(Vec::len), Some(id + 1), "all that waits");
                journal.write(now, &changes, summary.as_deref());
                attempts += 1;
            }
            (now, id) = (now + Duration::from_secs(1), id + 1);
        }
        assert_eq!(attempts, 4 + (300 - 26) / 60);
        fs::create_dir_all(dir.0.join("later")).unwrap();
        journal.note_now(&mut outbox);
        let (_, left) = Journal::open(&folder(&dir.0.join("later")), &receiver());
        assert_eq!(left.queued(), id);
        push(&mut outbox, id);
        assert!(journal.begin(&mut outbox, now).is_some(), "as ever");
    }

    #[tokio::test]
    async fn a_place_that_can_not_be_written_holds_up_nothing() {
        let (journal, mut outbox) = Journal::open(&folder(Path::new("/nowhere")), &receiver());
        push(&mut outbox, 1);
        journal.note(&mut outbox).await;
        let (nowhere, mut other) = Journal::open(&Folder::default(), &receiver());
        push(&mut other, 1);
        nowhere.note(&mut other).await;
        assert_eq!((deliver(&mut outbox), deliver(&mut other)), (vec!["1".to_owned()], vec!["1".to_owned()]));
    }
}
