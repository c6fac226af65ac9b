//! Owns the tests of how long credentials are good that another process, or another node, may know more of.

use std::sync::Arc;

use chappe_engine::Embedded;
use chappe_sfu_api::Boot;
use chappe_signaling_rooms::RoomName;

use super::*;
use crate::harness::{W0, caller, hello, lone_node, node, node_with_workers, obey, page_link, publish, serve};
use crate::request::{Join, Joined};

/// Whether what its allocation was made with is good after the others were asked once.
async fn goes_on(service: &Arc<Service>, client: &str) -> bool {
    service.note_relayed(client);
    service.ask_after_relayed().await;
    service.is_served(client)
}

async fn page(service: &Arc<Service>) -> Joined {
    let room = RoomName::parse("demo").unwrap();
    let join = Join { id: 1, room, name: None, resume: None, living: Vec::new(), caller: caller() };
    service.join(join, Box::new(page_link(64).0)).await.unwrap()
}

/// Two nodes that know each other. The first is a process that has told nobody anything.
fn two_nodes() -> [Arc<Service>; 2] {
    let engine = Embedded::new();
    let (theirs, mut queues) = node_with_workers("n2", 2, 1, &engine);
    obey(queues.remove(0));
    theirs.handle_worker_agreed(W0, hello(W0, Boot(2)), Vec::new());
    serve(&theirs);
    let ours = node("n1", 1, &engine);
    ours.handle_presence(theirs.own_state(&theirs.state()));
    [ours, theirs]
}

#[tokio::test(start_paused = true)]
async fn a_session_of_another_node_that_ended_before_signaling_was_replaced_is_relayed_for_until_that_node_is_asked() {
    let [ours, theirs] = two_nodes();
    tokio::task::yield_now().await;
    let session = publish(&theirs, None, None).await;
    let client = SessionAlias::of(session).to_string();
    assert!(goes_on(&ours, &client).await);
    theirs.close(session).await;
    assert!(ours.is_served(&client), "its end is not known here");
    assert!(!goes_on(&ours, &client).await);
    assert!(!ours.is_served(&client), "nor is another allocation made with them");
}

#[tokio::test(start_paused = true)]
async fn a_page_that_left_before_signaling_was_replaced_or_at_another_node_is_relayed_for_until_nobody_knows_it() {
    let [ours, theirs] = two_nodes();
    tokio::task::yield_now().await;
    let there = page(&theirs).await;
    let [client, other] = [there.owner.member, MemberId(7)].map(|member| member.to_string());
    for _ in 0..3 {
        assert!(goes_on(&ours, &client).await && goes_on(&ours, &other).await, "not all nodes are known yet");
    }
    let _ = ours.state().registry.handle_view_complete();
    for _ in 0..3 {
        assert!(goes_on(&ours, &client).await);
    }
    theirs.leave_for_good(&there).await;
    assert!(goes_on(&ours, &client).await, "it may be on its way to another one");
    assert!(!goes_on(&ours, &client).await);
    assert!(goes_on(&ours, &other).await && !goes_on(&ours, &other).await, "and of no node");
}

#[tokio::test(start_paused = true)]
async fn a_node_by_itself_knows_all_pages_that_there_are() {
    let (service, _queues) = lone_node(0);
    let client = MemberId(7).to_string();
    assert!(goes_on(&service, &client).await && !goes_on(&service, &client).await);
    let here = page(&service).await.owner.member.to_string();
    for _ in 0..3 {
        assert!(goes_on(&service, &here).await);
    }
}
