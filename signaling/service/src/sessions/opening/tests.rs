use super::*;
use crate::harness::{W0, hello, lone_node, obey, publish, publish_request, watch_request};
use crate::workers::link::{WorkerCommand, WorkerError, WorkerQueue, WorkerReply};
use chappe_sfu_api::{Boot, CommandError, ErrorCode, Event, LoadReport, MediaKind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::timeout;

/// How a publisher and a viewer ask for their sessions.
const ASKS: [fn(&Arc<Service>) -> Asking; 2] = [
    |service| {
        let service = Arc::clone(service);
        Box::pin(async move { service.publish(publish_request()).await })
    },
    |service| {
        let service = Arc::clone(service);
        Box::pin(async move { service.watch(watch_request()).await })
    },
];

type Asking = Pin<Box<dyn Future<Output = Result<Answered, Refusal>> + Send>>;

#[tokio::test]
async fn a_client_is_judged_placed_and_opened_in_one_turn_of_the_lock_and_confirmed_in_another() {
    for ask in ASKS {
        let (service, mut queues) = lone_node(1);
        let _obeys = obey(queues.remove(0));
        service.handle_worker_agreed(W0, hello(W0, Boot(1)), Vec::new());
        let before = service.lock_holds().count();
        ask(&service).await.unwrap();
        assert_eq!(service.lock_holds().count() - before, 2);
    }
}

#[tokio::test]
async fn a_viewer_is_told_what_is_published_when_it_is_entered() {
    let (service, mut queues) = lone_node(1);
    let told = obey(queues.remove(0));
    service.handle_worker_agreed(W0, hello(W0, Boot(1)), Vec::new());
    let publisher = publish(&service, None, None).await;
    let viewer = service.watch(watch_request()).await.unwrap();
    let media = |session| service.state().registry.session(session).unwrap().media.clone();
    let published: Vec<_> = media(publisher).receive.iter().map(|line| Some(line.track)).collect();
    let sent: Vec<_> = media(viewer.session).send.iter().map(|line| line.source).collect();
    assert_eq!((sent.len(), &sent), (2, &published));
    let told = told.lock().unwrap();
    let Some(Command::OpenSession(spec)) = told.last() else { panic!("the last is not the viewer: {told:?}") };
    assert_eq!(spec.media, media(viewer.session), "nothing is left to be told afterwards");
    for line in &spec.media.send {
        let kind = if line.kind == MediaKind::Audio { "m=audio" } else { "m=video" };
        let codecs = viewer.sdp.lines().find(|text| text.starts_with(kind)).unwrap();
        let sent = line.payload_types.first().unwrap().to.0;
        assert!(codecs.contains(&format!("SAVPF {sent} ")), "{sent} is not the first of {codecs}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_while_the_only_worker_is_replaced_waits_for_the_next() {
    for ask in ASKS {
        let (service, mut queues) = lone_node(1);
        let _obeys = obey(queues.remove(0));
        service.handle_worker_agreed(W0, hello(W0, Boot(1)), Vec::new());
        service.handle_worker_lost(W0);
        let asking = tokio::spawn(ask(&service));
        tokio::time::sleep(Duration::from_secs(1)).await;
        service.handle_worker_agreed(W0, hello(W0, Boot(2)), Vec::new());
        asking.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_while_no_worker_returns_is_told_so_in_time() {
    for ask in ASKS {
        let (service, _queues) = lone_node(1);
        service.handle_worker_agreed(W0, hello(W0, Boot(1)), Vec::new());
        service.handle_worker_lost(W0);
        let before = tokio::time::Instant::now();
        assert_eq!(ask(&service).await.err(), Some(Refusal::NoWorker));
        assert!(before.elapsed() <= Duration::from_secs(4));
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_a_worker_that_goes_away_is_placed_anew() {
    for ask in ASKS {
        let (service, mut queues) = lone_node(1);
        let mut queue = queues.remove(0);
        let asking = tokio::spawn(ask(&service));
        go_away_when_asked(&service, &mut queue, Boot(1)).await;
        service.handle_worker_agreed(W0, hello(W0, Boot(2)), Vec::new());
        let told = obey(queue);
        asking.await.unwrap().unwrap();
        assert!(told.lock().unwrap().iter().any(|command| matches!(command, Command::OpenSession(_))));
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_workers_that_all_go_away_is_told_that() {
    for ask in ASKS {
        let (service, mut queues) = lone_node(1);
        let mut queue = queues.remove(0);
        let asking = tokio::spawn(ask(&service));
        for boot in 1..=PLACES_TRIED_MAX {
            go_away_when_asked(&service, &mut queue, Boot(boot as u64)).await;
        }
        assert_eq!(asking.await.unwrap().err(), Some(Refusal::WorkerGone));
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_a_worker_that_has_filled_up_is_placed_on_another() {
    for ask in ASKS {
        let (service, queues) = lone_node(2);
        let was_refused = Arc::new(AtomicBool::new(false));
        queues.into_iter().for_each(|queue| refuse_the_first(queue, Arc::clone(&was_refused)));
        for worker in [W0, WorkerIndex(1)] {
            service.handle_worker_agreed(worker, hello(worker, Boot(1)), Vec::new());
        }
        ask(&service).await.unwrap();
        assert!(was_refused.load(Ordering::SeqCst));
        assert_eq!(service.state().registry.session_count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_while_reports_show_the_joins_of_others_waits_for_one_that_does_not() {
    for ask in ASKS {
        let (service, mut queues) = lone_node(1);
        let _obeys = obey(queues.remove(0));
        service.handle_worker_agreed(W0, hello(W0, Boot(1)), Vec::new());
        let report = |cpu| service.handle_worker_event(W0, Event::Load(LoadReport { cpu, ..LoadReport::default() }));
        service.watch(watch_request()).await.unwrap();
        report(1.0);
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        let asking = tokio::spawn(ask(&service));
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(!asking.is_finished(), "{:?}", asking.await.unwrap().map(|_| ()));
        report(0.3);
        asking.await.unwrap().unwrap();
    }
}

/// A worker's process that ends when it is asked to open a session.
async fn go_away_when_asked(service: &Arc<Service>, queue: &mut WorkerQueue, boot: Boot) {
    service.handle_worker_agreed(W0, hello(W0, boot), Vec::new());
    loop {
        let asked = timeout(Duration::from_secs(60), queue.commands.recv()).await.expect("it is asked").unwrap();
        if matches!(asked.command, Command::OpenSession(_)) {
            service.handle_worker_lost(W0);
            return;
        }
    }
}

/// A worker that is full if none was before it.
fn refuse_the_first(mut queue: WorkerQueue, was_refused: Arc<AtomicBool>) {
    tokio::spawn(async move {
        while let Some(WorkerCommand { command, reply }) = queue.commands.recv().await {
            let refuses = matches!(command, Command::OpenSession(_)) && !was_refused.swap(true, Ordering::SeqCst);
            let full = || CommandError { code: ErrorCode::Limit, message: "full".into() };
            let answer = if refuses { Err(WorkerError::Refused(full())) } else { Ok(WorkerReply::Done) };
            reply.into_iter().for_each(|reply| drop(reply.send(answer.clone())));
        }
    });
}
