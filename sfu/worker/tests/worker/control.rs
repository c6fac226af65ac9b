//! What signaling can rely on: greeting, commands, fencing, snapshots, drain, and what becomes of nonsense.

use crate::support::client::Parameters;
use crate::support::media::{receive_video, watching};
use crate::support::process::WorkerProcess;
use chappe_sfu_api::{
    CloseReason, Command, Epoch, ErrorCode, Event, LINE_BYTES_MAX, Media, PROTOCOL_VERSION, PointedTrack,
    PointedViewer, RequestId, SessionId, SessionSpec, SessionState, TrackId, WorkerIndex,
};
use rustix::process::Signal;

fn open(spec: &SessionSpec) -> Command {
    Command::OpenSession(Box::new(spec.clone()))
}

#[test]
fn every_connection_is_greeted_with_who_the_worker_is() {
    let worker = WorkerProcess::start();
    let (first, second) = (worker.connect(), worker.connect());
    assert_eq!(first.hello, second.hello);
    let hello = first.hello;
    assert_eq!((hello.version, hello.worker, hello.pid), (PROTOCOL_VERSION, WorkerIndex(3), worker.pid()));
    assert_eq!((hello.media_port, hello.sessions_max, hello.draining), (worker.port, 100, false));
    assert_eq!(hello.fingerprint.hash, "sha-256");
    assert_ne!(WorkerProcess::start().connect().hello.boot, hello.boot);
}

#[test]
fn a_snapshot_is_what_was_set() {
    let worker = WorkerProcess::start();
    let mut control = worker.connect();
    let publisher = Parameters::new(1).spec(receive_video(7));
    let mut viewer = Parameters::new(2).spec(watching(None));
    control.call(open(&publisher)).expect("open");
    control.call(open(&viewer)).expect("open");
    control.call(open(&viewer)).expect("the same again is success");

    viewer.media = watching(Some(7));
    viewer.note = "watches".to_owned();
    viewer.epoch = Epoch(2);
    let (session, media, note) = (viewer.session, viewer.media.clone(), viewer.note.clone());
    control.call(Command::SetMedia { session, epoch: Epoch(2), media, note }).expect("set media");
    let line = &viewer.media.send[0];
    let pointed = PointedTrack { ssrc: line.ssrc, source: Some(TrackId(8)), payload_types: line.payload_types.clone() };
    let gone = PointedTrack { ssrc: 1, ..pointed.clone() };
    let tracks = vec![pointed, gone];
    let nobody = PointedViewer { session: SessionId(0, 999), epoch: Epoch(1), tracks: tracks.clone() };
    let viewers = vec![nobody, PointedViewer { session, epoch: Epoch(2), tracks: tracks.clone() }];
    control.call(Command::PointTracks { viewers: viewers.clone() }).expect("point");
    control.call(Command::PointTracks { viewers }).expect("the same again");
    viewer.media.point(tracks);
    assert_eq!(viewer.media.send[0].source, Some(TrackId(8)));
    viewer.local_ice.ufrag = "restarted".to_owned();
    viewer.note = "restarted".to_owned();
    let (local_ice, remote_ice, note) = (viewer.local_ice.clone(), viewer.remote_ice.clone(), viewer.note.clone());
    control.call(Command::RestartIce { session, epoch: Epoch(2), local_ice, remote_ice, note }).expect("restart");

    // Signaling died and came back.
    drop(control);
    let mut snapshot = worker.connect().snapshot();
    snapshot.sort_by_key(|session| session.spec.session);
    let specs: Vec<_> = snapshot.iter().map(|session| session.spec.clone()).collect();
    assert_eq!(specs, [publisher, viewer]);
    assert!(snapshot.iter().all(|session| session.state == SessionState::New && session.active.is_empty()));
}

#[test]
fn a_snapshot_larger_than_any_queue_arrives_whole() {
    let worker = WorkerProcess::start();
    let mut control = worker.connect();
    for number in 0..90 {
        let spec = SessionSpec { note: "n".repeat(64 << 10), ..Parameters::new(number).spec(Media::default()) };
        control.call(open(&spec)).expect("open");
    }
    let mut successor = worker.connect();
    assert_eq!(successor.snapshot().len(), 90);
    // It must go on as fast as it is read: a snapshot that waits for the next event of the loop takes
    // a second for each quarter of a megabyte.
    assert!(successor.loads_unread() <= 3, "{} seconds passed", successor.loads_unread());
    assert_eq!(control.snapshot().len(), 90);
}

#[test]
fn a_stale_epoch_is_refused_also_after_the_session_is_closed() {
    let worker = WorkerProcess::start();
    let mut control = worker.connect();
    let spec = SessionSpec { epoch: Epoch(5), ..Parameters::new(1).spec(Media::default()) };
    let (session, reason) = (spec.session, CloseReason::Requested);
    control.call(open(&spec)).expect("open");
    let stale =
        |outcome: Result<(), chappe_sfu_api::CommandError>| outcome.expect_err("stale").code == ErrorCode::StaleEpoch;
    let media = Media::default();
    assert!(stale(control.call(Command::SetMedia { session, epoch: Epoch(4), media, note: String::new() })));
    assert!(stale(control.call(Command::CloseSession { session, epoch: Epoch(4), reason })));
    control.call(Command::CloseSession { session, epoch: Epoch(6), reason }).expect("close");
    control
        .wait_for(|event| matches!(event, Event::Closed { session: closed, .. } if *closed == session).then_some(()));
    assert!(stale(control.call(open(&spec))));
    control.call(Command::CloseSession { session, epoch: Epoch(6), reason }).expect("closing twice is success");
    control.call(open(&SessionSpec { epoch: Epoch(6), ..spec })).expect("its owner may open it again");
    control.forget_loads();
    let counted = control.wait_for(|event| match event {
        Event::Load(load) => load.drops.iter().find(|(reason, _)| reason == "command_stale").map(|(_, count)| *count),
        _ => None,
    });
    assert_eq!(counted, 3, "each is counted");
}

#[test]
fn commands_that_break_a_rule_are_refused_by_name() {
    let worker = WorkerProcess::start_with(2);
    let mut control = worker.connect();
    let parameters = Parameters::new(1);
    let spec = parameters.spec(receive_video(7));
    control.call(open(&spec)).expect("open");
    let mut code = |command| control.call(command).expect_err("refused").code;

    assert_eq!(code(open(&SessionSpec { note: "other".to_owned(), ..spec.clone() })), ErrorCode::Exists);
    let same_ufrag = SessionSpec { local_ice: spec.local_ice.clone(), ..Parameters::new(2).spec(Media::default()) };
    assert_eq!(code(open(&same_ufrag)), ErrorCode::Exists);
    let mut long_note = Parameters::new(2).spec(Media::default());
    long_note.note = "x".repeat(chappe_sfu_api::NOTE_BYTES_MAX + 1);
    assert_eq!(code(open(&long_note)), ErrorCode::Invalid);
    let mut two_mids = Parameters::new(2).spec(watching(None));
    two_mids.media.send.push(two_mids.media.send[0].clone());
    assert_eq!(code(open(&two_mids)), ErrorCode::Invalid);
    let mut sha1 = Parameters::new(2).spec(Media::default());
    sha1.dtls.remote_fingerprints[0].hash = "sha-1".to_owned();
    assert_eq!(code(open(&sha1)), ErrorCode::Invalid);
    let nobody = Parameters::new(9).session;
    assert_eq!(code(Command::SessionStats { session: nobody }), ErrorCode::NotFound);
    let media = Media::default();
    assert_eq!(
        code(Command::SetMedia { session: nobody, epoch: Epoch(1), media, note: String::new() }),
        ErrorCode::NotFound
    );
    assert_eq!(code(Command::RequestKeyframe { track: chappe_sfu_api::TrackId(99) }), ErrorCode::NotFound);

    control.call(open(&Parameters::new(2).spec(Media::default()))).expect("the second");
    let third = open(&Parameters::new(3).spec(Media::default()));
    assert_eq!(control.call(third).expect_err("full").code, ErrorCode::Limit);
}

#[test]
fn a_malformed_command_is_answered_and_a_malformed_line_ends_only_its_connection() {
    let worker = WorkerProcess::start();
    let (mut sane, mut broken) = (worker.connect(), worker.connect());
    broken.send_raw(b"{\"request\": 77, \"command\": {\"type\": \"make_coffee\"}}\n");
    let error = broken.answer(RequestId(77)).expect_err("unknown command");
    assert_eq!(error.code, ErrorCode::Invalid);
    assert!(error.message.contains("make_coffee"), "{}", error.message);
    broken.call(Command::Snapshot).expect("the connection goes on");
    broken.send_raw(b"GET / HTTP/1.1\r\n");
    assert!(broken.is_closed_by_worker());

    let mut endless = worker.connect();
    endless.send_raw(&vec![b'x'; LINE_BYTES_MAX + 2]);
    assert!(endless.is_closed_by_worker());
    sane.call(Command::Snapshot).expect("others are not disturbed");
}

#[test]
fn a_client_that_does_not_read_is_dropped_and_the_others_go_on() {
    let worker = WorkerProcess::start();
    let mut stalled = worker.connect();
    let mut control = worker.connect();
    let line = format!("{{\"request\": 1, \"command\": {{\"type\": \"{}\"}}}}\n", "x".repeat(200));
    let lines = line.repeat(200);
    let mut sent = 0;
    while sent < 2000 && stalled.try_send_raw(lines.as_bytes()) {
        sent += 1;
    }
    control.call(Command::Snapshot).expect("the worker goes on");
    assert!(sent < 2000, "the worker must hang up on it");
    assert!(stalled.is_closed_by_worker());
}

#[test]
fn load_is_reported_each_second() {
    let worker = WorkerProcess::start();
    let mut control = worker.connect();
    control.call(open(&Parameters::new(1).spec(receive_video(7)))).expect("open");
    let load = control.wait_for(|event| match event {
        Event::Load(load) if load.sessions == 1 => Some(load.clone()),
        _ => None,
    });
    assert_eq!((load.received_tracks, load.sent_tracks, load.draining), (1, 0, false));
    assert!(load.rss_bytes > 1 << 20 && load.cpu >= 0.0 && load.cpu < 1.1, "{load:?}");
}

#[test]
fn a_drained_worker_takes_nobody_and_ends_with_its_last_session() {
    let mut worker = WorkerProcess::start();
    let mut control = worker.connect();
    let spec = Parameters::new(1).spec(Media::default());
    control.call(open(&spec)).expect("open");
    control.call(Command::Drain { deadline_ms: 3_600_000 }).expect("drain");
    let refused = control.call(open(&Parameters::new(2).spec(Media::default()))).expect_err("draining");
    assert_eq!(refused.code, ErrorCode::Draining);
    assert!(worker.connect().hello.draining);
    control.call(Command::CancelDrain).expect("cancel");
    control.call(open(&Parameters::new(2).spec(Media::default()))).expect("serves again");

    control.call(Command::Drain { deadline_ms: 3_600_000 }).expect("drain");
    for session in [spec.session, Parameters::new(2).session] {
        assert!(worker.is_running());
        control
            .call(Command::CloseSession { session, epoch: Epoch(1), reason: CloseReason::Requested })
            .expect("close");
    }
    assert!(worker.wait().success());
}

#[test]
fn a_drain_ends_at_its_deadline() {
    let mut worker = WorkerProcess::start();
    let mut control = worker.connect();
    let spec = Parameters::new(1).spec(Media::default());
    control.call(open(&spec)).expect("open");
    control.call(Command::Drain { deadline_ms: 50 }).expect("drain");
    let reason = control.wait_for(|event| match event {
        Event::Closed { session, reason } if *session == spec.session => Some(*reason),
        _ => None,
    });
    assert_eq!(reason, CloseReason::Drained);
    assert!(worker.wait().success());
}

#[test]
fn sigterm_ends_in_good_order_and_sigint_is_left_to_the_parent() {
    let mut worker = WorkerProcess::start();
    let mut control = worker.connect();
    worker.signal(Signal::INT);
    control.call(Command::Snapshot).expect("still there");
    worker.signal(Signal::TERM);
    assert!(worker.wait().success());
}
