use super::*;
use crate::harness::{W0, caller, hello, lone_node, obey};
use chappe_sfu_api::Boot;
use chappe_signaling_rooms::{RoomName, StreamName};
use chappe_signaling_sdp::Offer;
use std::time::Duration;

#[tokio::test]
async fn a_publisher_is_judged_placed_and_opened_in_one_turn_of_the_lock_and_confirmed_in_another() {
    let (service, mut queues) = lone_node(1);
    let _obeys = obey(queues.remove(0));
    service.handle_worker_agreed(W0, hello(W0, Boot(1)), Vec::new());
    let before = service.lock_holds().count();
    service.publish(request()).await.unwrap();
    assert_eq!(service.lock_holds().count() - before, 2);
}

#[tokio::test(start_paused = true)]
async fn who_comes_while_the_only_worker_is_replaced_waits_for_the_next() {
    let (service, mut queues) = lone_node(1);
    let _obeys = obey(queues.remove(0));
    service.handle_worker_agreed(W0, hello(W0, Boot(1)), Vec::new());
    service.handle_worker_lost(W0);
    let publishing = tokio::spawn({
        let service = Arc::clone(&service);
        async move { service.publish(request()).await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    service.handle_worker_agreed(W0, hello(W0, Boot(2)), Vec::new());
    publishing.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_comes_while_no_worker_returns_is_told_so_in_time() {
    let (service, _queues) = lone_node(1);
    service.handle_worker_agreed(W0, hello(W0, Boot(1)), Vec::new());
    service.handle_worker_lost(W0);
    let before = tokio::time::Instant::now();
    assert_eq!(service.publish(request()).await.err(), Some(Refusal::NoWorker));
    assert!(before.elapsed() <= Duration::from_secs(4));
}

#[tokio::test(start_paused = true)]
async fn who_asks_a_worker_that_goes_away_is_placed_anew() {
    let (service, mut queues) = lone_node(1);
    service.handle_worker_agreed(W0, hello(W0, Boot(1)), Vec::new());
    let publishing = tokio::spawn({
        let service = Arc::clone(&service);
        async move { service.publish(request()).await }
    });
    let mut queue = queues.remove(0);
    let asked = queue.commands.recv().await.unwrap();
    service.handle_worker_lost(W0);
    drop(asked);
    service.handle_worker_agreed(W0, hello(W0, Boot(2)), Vec::new());
    let told = obey(queue);
    publishing.await.unwrap().unwrap();
    assert!(told.lock().unwrap().iter().any(|command| matches!(command, Command::OpenSession(_))));
}

fn request() -> PublishRequest {
    PublishRequest {
        room: RoomName::parse("demo").unwrap(),
        stream: StreamName::parse("cam").unwrap(),
        offer: Offer::parse(include_str!("../../../../sdp/tests/data/chromium-whip.sdp")).unwrap(),
        owner: None,
        instead_of: None,
        listed: false,
        takes_over: false,
        alive_ms: None,
        caller: Some(caller()),
    }
}
