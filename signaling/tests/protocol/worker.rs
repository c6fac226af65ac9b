//! A worker that keeps sessions as told, forwards nothing, and does what a test wants of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chappe_sfu_api::{
    Boot, CloseReason, Command, CommandError, ErrorCode, Event, Fingerprint, Hello, LoadReport, SessionId,
    SessionSnapshot, SessionSpec, SessionState, SessionStats, TrackId, WorkerIndex, WorkerRequest,
};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{broadcast, mpsc, watch};

use crate::http::PATIENCE;

#[derive(Clone)]
pub struct Worker {
    pub path: PathBuf,
    state: Arc<Mutex<State>>,
    /// Counts changes of the state.
    changed: Arc<watch::Sender<u64>>,
    events: broadcast::Sender<Event>,
}

pub struct State {
    pub boot: u64,
    pub sessions: BTreeMap<SessionId, SessionSnapshot>,
    /// Every command but `Snapshot`, in the order of arrival.
    pub log: Vec<Command>,
    /// How the next `OpenSession` is refused.
    pub refuse: Option<ErrorCode>,
    /// How the next `RestartIce` is refused.
    pub refuse_restart: Option<ErrorCode>,
    /// Keeps `OpenSession` unanswered until it is false.
    pub withholds_replies: bool,
    pub connections: usize,
    /// Control connections taken so far.
    pub accepted: u64,
    hang_ups: u64,
    index: u16,
    alive: bool,
    draining: bool,
    sessions_max: u32,
}

impl Worker {
    pub fn start(directory: &Path, index: u16, sessions_max: u32) -> Worker {
        let path = directory.join(format!("worker-{index}.sock"));
        let state = State {
            boot: 1,
            sessions: BTreeMap::new(),
            log: Vec::new(),
            refuse: None,
            refuse_restart: None,
            withholds_replies: false,
            connections: 0,
            accepted: 0,
            hang_ups: 0,
            index,
            alive: true,
            draining: false,
            sessions_max,
        };
        let worker = Worker {
            path,
            state: Arc::new(Mutex::new(state)),
            changed: Arc::new(watch::channel(0).0),
            events: broadcast::channel(1024).0,
        };
        let listener = UnixListener::bind(&worker.path).unwrap();
        tokio::spawn(worker.clone().accept(listener));
        worker
    }

    pub fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        let result = f(&mut self.state.lock().unwrap());
        self.changed.send_modify(|changes| *changes += 1);
        result
    }

    /// Waits until the state is as wanted.
    pub async fn until(&self, what: &str, wanted: impl Fn(&State) -> bool) {
        let mut changes = self.changed.subscribe();
        let reached = async {
            while !wanted(&self.state.lock().unwrap()) {
                changes.changed().await.unwrap();
            }
        };
        if tokio::time::timeout(PATIENCE, reached).await.is_err() {
            panic!("never happened: {what}");
        }
    }

    pub fn session(&self, id: &str) -> SessionSnapshot {
        let id: SessionId = id.parse().unwrap();
        self.with(|state| state.sessions.get(&id).cloned()).expect("the worker has the session")
    }

    pub fn sessions(&self) -> usize {
        self.with(|state| state.sessions.len())
    }

    /// The session connects, and media flows on its received tracks.
    pub fn connect(&self, id: SessionId) {
        let tracks: Vec<TrackId> = self.with(|state| {
            let session = state.sessions.get_mut(&id).unwrap();
            session.state = SessionState::Connected;
            session.active = session.spec.media.receive.iter().map(|track| track.track).collect();
            session.active.clone()
        });
        self.emit(Event::StateChanged { session: id, state: SessionState::Connected });
        for track in tracks {
            self.emit(Event::TrackActive { session: id, track, active: true });
        }
    }

    /// The client is gone.
    pub fn expire(&self, id: SessionId) {
        self.with(|state| state.sessions.remove(&id));
        self.emit(Event::Closed { session: id, reason: CloseReason::ConsentExpired });
    }

    pub fn emit(&self, event: Event) {
        // Nobody listening is fine: that is how signaling's death looks from here.
        let _ = self.events.send(event);
    }

    /// As by kill -9. The listening socket stays, because the supervisor holds it.
    pub fn die(&self) {
        self.with(|state| {
            state.alive = false;
            state.sessions.clear();
            state.boot += 1;
        });
    }

    /// It lives, and lets signaling wait until it is revived.
    pub fn be_late(&self) {
        self.with(|state| state.alive = false);
    }

    /// Ends the control connections and lives on.
    pub fn hang_up(&self) {
        self.with(|state| state.hang_ups += 1);
    }

    /// The supervisor's replacement is up.
    pub fn revive(&self) {
        self.with(|state| state.alive = true);
    }

    pub fn drain(&self) {
        self.with(|state| state.draining = true);
        self.emit(Event::Load(LoadReport { draining: true, ..LoadReport::default() }));
    }

    async fn accept(self, listener: UnixListener) {
        loop {
            self.until("alive again", |state| state.alive).await;
            let (socket, _) = listener.accept().await.unwrap();
            if self.with(|state| state.alive) {
                tokio::spawn(self.clone().handle_connection(socket));
            }
        }
    }

    async fn handle_connection(self, socket: UnixStream) {
        let life = self.with(|state| {
            state.connections += 1;
            state.accepted += 1;
            (state.boot, state.hang_ups)
        });
        let (reader, mut writer) = socket.into_split();
        let (replies, mut outgoing) = mpsc::unbounded_channel();
        let mut events = self.events.subscribe();
        let mut lines = BufReader::new(reader).lines();
        let mut changes = self.changed.subscribe();
        replies.send(Event::Hello(self.hello())).unwrap();
        // One command after the other, as the real one does.
        let (commands, mut incoming) = mpsc::unbounded_channel::<WorkerRequest>();
        let handler = self.clone();
        tokio::spawn(async move {
            while let Some(request) = incoming.recv().await {
                handler.handle(request, &replies).await;
            }
        });
        let mut alive = tokio::time::interval(Duration::from_millis(100));
        loop {
            let event = tokio::select! {
                biased;
                Some(reply) = outgoing.recv() => reply,
                line = lines.next_line() => match line {
                    Ok(Some(line)) => {
                        commands.send(serde_json::from_str(&line).unwrap()).unwrap();
                        continue;
                    }
                    _ => break,
                },
                Ok(event) = events.recv() => event,
                _ = alive.tick() => Event::Alive,
                _ = changes.changed() => {
                    let state = self.state.lock().unwrap();
                    if (state.boot, state.hang_ups) == life {
                        continue;
                    }
                    break;
                }
            };
            let mut line = serde_json::to_vec(&event).unwrap();
            line.push(b'\n');
            if writer.write_all(&line).await.is_err() {
                break;
            }
        }
        self.with(|state| state.connections -= 1);
    }

    fn hello(&self) -> Hello {
        self.with(|state| Hello {
            version: chappe_sfu_api::PROTOCOL_VERSION,
            worker: WorkerIndex(state.index),
            boot: Boot(state.boot),
            pid: 4000 + u32::from(state.index),
            media_port: 7000 + state.index,
            fingerprint: Fingerprint { hash: "sha-256".into(), value: "AB:CD".into() },
            draining: state.draining,
            sessions_max: state.sessions_max,
            restarts: state.boot - 1,
            started_ms: 0,
        })
    }

    async fn handle(&self, request: WorkerRequest, replies: &mpsc::UnboundedSender<Event>) {
        let WorkerRequest { request, command } = request;
        if matches!(command, Command::OpenSession(_)) && self.with(|state| state.withholds_replies) {
            self.until("released", |state| !state.withholds_replies).await;
        }
        let reply = |result: Result<(), ErrorCode>| match result {
            Ok(()) => Event::Done { request },
            Err(code) => Event::Failed { request, error: CommandError { code, message: "as the test wants".into() } },
        };
        let outcome = self.with(|state| {
            if !matches!(command, Command::Snapshot) {
                state.log.push(command.clone());
            }
            match command {
                Command::Snapshot => {
                    for session in state.sessions.values() {
                        let _ = replies.send(Event::Session(Box::new(session.clone())));
                    }
                    Ok(())
                }
                Command::OpenSession(spec) => state.open(*spec),
                Command::SetMedia { session, media, note, .. } => state.change(session, |spec| {
                    (spec.media, spec.note) = (media, note);
                }),
                Command::PointTracks { viewers } => {
                    for viewer in viewers {
                        let _ = state.change(viewer.session, |spec| spec.media.point(viewer.tracks));
                    }
                    Ok(())
                }
                Command::RestartIce { session, local_ice, remote_ice, note, .. } => match state.refuse_restart.take() {
                    Some(code) => Err(code),
                    None => state.change(session, |spec| {
                        (spec.local_ice, spec.remote_ice, spec.note) = (local_ice, remote_ice, note);
                    }),
                },
                Command::CloseSession { session, reason, .. } => {
                    if state.sessions.remove(&session).is_some() {
                        let _ = self.events.send(Event::Closed { session, reason });
                    }
                    Ok(())
                }
                Command::SetView { session, .. } => {
                    state.sessions.contains_key(&session).then_some(()).ok_or(ErrorCode::NotFound)
                }
                Command::SessionStats { session } => match state.sessions.get(&session) {
                    Some(known) => {
                        let _ = replies.send(Event::Stats { request, stats: stats(known) });
                        Ok(())
                    }
                    None => Err(ErrorCode::NotFound),
                },
                Command::Relays => {
                    let _ = replies.send(Event::Relays { request, peers: Vec::new(), relays: Vec::new() });
                    Ok(())
                }
                Command::RequestKeyframe { .. }
                | Command::Drain { .. }
                | Command::CancelDrain
                | Command::SetPeer(_)
                | Command::RemovePeer { .. }
                | Command::SetOrigin(_)
                | Command::RemoveOrigin { .. }
                | Command::ReleaseRelays => Ok(()),
            }
        });
        // The asker may be gone.
        let _ = replies.send(reply(outcome));
    }
}

impl State {
    fn open(&mut self, spec: SessionSpec) -> Result<(), ErrorCode> {
        if let Some(code) = self.refuse.take() {
            return Err(code);
        }
        let snapshot = SessionSnapshot { state: SessionState::New, active: Vec::new(), age_ms: 0, spec };
        self.sessions.insert(snapshot.spec.session, snapshot);
        Ok(())
    }

    fn change(&mut self, id: SessionId, change: impl FnOnce(&mut SessionSpec)) -> Result<(), ErrorCode> {
        let session = self.sessions.get_mut(&id).ok_or(ErrorCode::NotFound)?;
        change(&mut session.spec);
        Ok(())
    }
}

fn stats(session: &SessionSnapshot) -> SessionStats {
    SessionStats {
        session: session.spec.session,
        state: session.state,
        remote: Some("udp 127.0.0.1:5000".into()),
        round_trip_ms: Some(1.5),
        received: Vec::new(),
        sent: Vec::new(),
        line: None,
    }
}
