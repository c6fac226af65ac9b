//! Owns the life of one control connection: connect, hello, agree on the sessions, then commands one way
//! and events the other, until it breaks; then again.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chappe_sfu_api::{
    Boot, Command, ErrorCode, Event, Hello, PROTOCOL_VERSION, RequestId, SessionId, SessionSnapshot, WorkerIndex,
    WorkerRequest,
};
use chappe_signaling_service::{Relays, Service, WorkerCommand, WorkerError, WorkerQueue, WorkerReply};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{debug, info, warn};

use super::lines::{LineReader, write_lines};
use super::silence::next_event;

/// Follows one worker for as long as the process lives: its deaths are told to the service, its
/// replacements are taken up.
pub async fn follow_worker(service: Arc<Service>, worker: WorkerIndex, path: PathBuf, mut queue: WorkerQueue) {
    let mut last: Option<Boot> = None;
    loop {
        let connected = connect(&path);
        tokio::pin!(connected);
        let connection = match last {
            None => connected.await,
            // The process may live although the connection broke. Its sessions are only given up when it
            // does not come back at once.
            Some(_) => tokio::select! {
                connection = &mut connected => connection,
                () = sleep_until(Instant::now() + LOST_AFTER) => {
                    last = None;
                    drain_commands(&mut queue.commands);
                    service.handle_worker_lost(worker);
                    connected.await
                }
            },
        };
        if last.is_some_and(|last| last != connection.hello.boot) {
            drain_commands(&mut queue.commands);
            service.handle_worker_lost(worker);
        }
        let boot = connection.hello.boot;
        let error = match exchange(&service, worker, connection, &mut queue).await {
            Ok(()) => io::Error::from(io::ErrorKind::UnexpectedEof),
            Err(error) => error,
        };
        warn!(%error, "the control connection broke");
        last = Some(boot);
    }
}

struct Connection {
    hello: Hello,
    reader: LineReader,
    writer: OwnedWriteHalf,
}

/// Tries until a worker says hello. The supervisor holds the listening socket, so a connection may wait
/// in its backlog until the next worker process is there: that is as good as an answer.
async fn connect(path: &PathBuf) -> Connection {
    let mut pause = PAUSE_MIN;
    loop {
        match timeout(HELLO_WITHIN, greet(path)).await {
            Ok(Ok(connection)) => return connection,
            Ok(Err(error)) => tracing::debug!(path = %path.display(), %error, "no worker yet"),
            Err(_) => tracing::debug!(path = %path.display(), "no hello yet"),
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

async fn greet(path: &PathBuf) -> io::Result<Connection> {
    let (reader, writer) = UnixStream::connect(path).await?.into_split();
    let mut reader = LineReader::new(reader);
    match reader.next::<Event>().await? {
        Some(Event::Hello(hello)) if hello.version == PROTOCOL_VERSION => Ok(Connection { hello, reader, writer }),
        Some(Event::Hello(hello)) => {
            warn!(theirs = hello.version, ours = PROTOCOL_VERSION, "a worker speaks another version");
            Err(io::ErrorKind::Unsupported.into())
        }
        Some(_) => Err(io::ErrorKind::InvalidData.into()),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Until the connection breaks.
async fn exchange(
    service: &Arc<Service>,
    worker: WorkerIndex,
    connection: Connection,
    queue: &mut WorkerQueue,
) -> io::Result<()> {
    let Connection { hello, mut reader, mut writer } = connection;
    let pid = hello.pid;
    info!(pid, boot = hello.boot.0, "worker connected");
    let (snapshots, missed) = timeout(SNAPSHOT_WITHIN, take_snapshot(&mut reader, &mut writer)).await??;
    service.handle_worker_agreed(worker, hello, snapshots);
    for event in missed {
        service.handle_worker_event(worker, event);
    }
    let awaited = AwaitedReplies::default();
    tokio::select! {
        result = read_events(service, worker, pid, &mut reader, &awaited) => result,
        result = write_commands(&mut writer, &mut queue.commands, &awaited) => result,
        () = queue.overflowed.notified() => Err(io::ErrorKind::StorageFull.into()),
    }
    // Whoever still waits for a reply learns that there will be none when `awaited` goes.
}

/// All sessions of the worker, and the events that came in between.
async fn take_snapshot(
    reader: &mut LineReader,
    writer: &mut OwnedWriteHalf,
) -> io::Result<(Vec<SessionSnapshot>, Vec<Event>)> {
    let request = next_request();
    write_lines(writer, &[WorkerRequest { request, command: Command::Snapshot }]).await?;
    let (mut snapshots, mut missed) = (Vec::new(), Vec::new());
    loop {
        match reader.next::<Event>().await? {
            Some(Event::Session(snapshot)) => snapshots.push(*snapshot),
            Some(Event::Done { request: done }) if done == request => return Ok((snapshots, missed)),
            Some(Event::Failed { request: failed, error }) if failed == request => return Err(io::Error::other(error)),
            Some(event) => missed.push(event),
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

type ReplySender = oneshot::Sender<Result<WorkerReply, WorkerError>>;

/// Replies that are to come on this connection.
#[derive(Default)]
struct AwaitedReplies {
    replies: Mutex<HashMap<RequestId, Expected>>,
}

/// What becomes of a reply.
enum Expected {
    Awaited(ReplySender),
    /// Nobody waits for it. A command for this session fails when its client has just left, of which the worker tells
    /// by itself.
    Noted(Option<SessionId>),
}

impl AwaitedReplies {
    fn add(&self, request: RequestId, expected: Expected) {
        self.replies.lock().unwrap_or_else(PoisonError::into_inner).insert(request, expected);
    }

    fn settle(&self, request: RequestId, result: Result<WorkerReply, WorkerError>) {
        let expected = self.replies.lock().unwrap_or_else(PoisonError::into_inner).remove(&request);
        match (expected, result) {
            (Some(Expected::Awaited(reply)), result) => drop(reply.send(result)),
            (_, Ok(_)) => {}
            (Some(Expected::Noted(Some(session))), Err(error)) if is_gone(&error) => {
                debug!(%session, "a session ended while a command for it was on its way");
            }
            (Some(Expected::Noted(Some(session))), Err(error)) => {
                warn!(%session, %error, "a command for a session failed")
            }
            (_, Err(error)) => warn!(%error, "a command failed"),
        }
    }
}

fn is_gone(error: &WorkerError) -> bool {
    matches!(error, WorkerError::Refused(refused) if refused.code == ErrorCode::NotFound)
}

async fn read_events(
    service: &Arc<Service>,
    worker: WorkerIndex,
    pid: u32,
    reader: &mut LineReader,
    awaited: &AwaitedReplies,
) -> io::Result<()> {
    while let Some(event) = next_event(reader, pid).await? {
        match event {
            Event::Done { request } => awaited.settle(request, Ok(WorkerReply::Done)),
            Event::Failed { request, error } => awaited.settle(request, Err(WorkerError::Refused(error))),
            Event::Stats { request, stats } => awaited.settle(request, Ok(WorkerReply::Stats(stats))),
            Event::Relays { request, peers, relays } => {
                awaited.settle(request, Ok(WorkerReply::Relays(Relays { peers, relays })));
            }
            Event::Alive => {}
            event => service.handle_worker_event(worker, event),
        }
    }
    Ok(())
}

async fn write_commands(
    writer: &mut OwnedWriteHalf,
    commands: &mut mpsc::Receiver<WorkerCommand>,
    awaited: &AwaitedReplies,
) -> io::Result<()> {
    let mut batch = Vec::with_capacity(BATCH_COMMANDS_MAX);
    while commands.recv_many(&mut batch, BATCH_COMMANDS_MAX).await > 0 {
        let mut requests = Vec::with_capacity(batch.len());
        for WorkerCommand { command, reply } in batch.drain(..) {
            let request = next_request();
            awaited.add(request, reply.map_or(Expected::Noted(command.session()), Expected::Awaited));
            requests.push(WorkerRequest { request, command });
        }
        // A worker that does not read for this long hangs; the next connection brings it into agreement.
        timeout(WRITE_WITHIN, write_lines(writer, &requests)).await??;
    }
    Ok(())
}

/// Commands meant for a process that is gone. Whoever waits for their replies learns it.
fn drain_commands(commands: &mut mpsc::Receiver<WorkerCommand>) {
    while commands.try_recv().is_ok() {}
}

fn next_request() -> RequestId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    RequestId(NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Between the end of a control connection and giving up the worker's sessions.
const LOST_AFTER: Duration = Duration::from_millis(200);

const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(500);
const HELLO_WITHIN: Duration = Duration::from_secs(10);
const SNAPSHOT_WITHIN: Duration = Duration::from_secs(10);
const WRITE_WITHIN: Duration = Duration::from_secs(5);

/// Commands written with one system call.
const BATCH_COMMANDS_MAX: usize = 128;
