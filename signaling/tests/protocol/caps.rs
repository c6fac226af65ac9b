//! What an operator bounds, at the doors: who comes beyond a cap is told which one it is, and it is counted by its name.

use chappe_sfu_api::{Event, LoadReport};
use chappe_signaling::Caps;
use serde_json::{Value, json};

use crate::offer;
use crate::page::Page;
use crate::server::Server;

async fn hello(server: &Server, room: &str) -> (Page, Value) {
    let mut page = Page::connect(server).await;
    let told = page.ask(json!({"type": "hello", "version": 1, "room": room})).await;
    (page, told)
}

async fn counted(server: &Server, setting: &str) -> u64 {
    let metrics = server.admin("/metrics").await;
    let line = format!("chappe_cap_refusals_total{{setting=\"{setting}\"}} ");
    let count = metrics.text().lines().find_map(|told| told.strip_prefix(&line));
    count.map_or(0, |count| count.parse().unwrap())
}

#[tokio::test]
async fn who_comes_beyond_a_cap_is_told_which_one_and_it_is_counted() {
    let caps = |config: &mut chappe_signaling::Config| {
        config.caps = Caps { rooms: 2, members: 3, members_per_room: 2, streams_per_room: 1 };
    };
    let server = Server::configured(caps).await;
    let mut pages = Vec::new();
    for (room, refused) in [
        ("demo", None),
        ("demo", None),
        ("demo", Some("members-per-room")),
        ("second", None),
        ("second", Some("members-max")),
    ] {
        let (page, told) = hello(&server, room).await;
        match refused {
            None => {
                assert_eq!(told["type"], "welcome", "{told}");
                pages.push(page);
            }
            Some(setting) => {
                assert_eq!(told["error"], "too_many", "{told}");
                assert!(told["message"].as_str().unwrap().contains(&format!("can raise {setting}")), "{told}");
                assert_eq!(counted(&server, setting).await, 1);
                drop(page);
            }
        }
    }
    server.publish("demo/cam").await;
    for (path, setting) in [("demo/screen", "streams-per-room"), ("third/cam", "rooms-max")] {
        let refused = server.post(&format!("/whip/{path}"), &offer::publisher("vp8")).await;
        assert_eq!((refused.status, refused.error().as_str()), (503, "too_many"), "{path}");
        assert!(refused.text().contains(&format!("can raise {setting}")), "{}", refused.text());
        assert_eq!(counted(&server, setting).await, 1);
    }
    let refused = server.post("/whep/third/cam?wait=1", &offer::viewer("vp8")).await;
    assert_eq!((refused.status, counted(&server, "rooms-max").await), (503, 2));
    assert_eq!(server.post("/whep/demo/cam", &offer::viewer("vp8")).await.status, 201, "a room that is there goes on");
}

#[tokio::test]
async fn a_node_whose_workers_are_full_says_what_its_operator_can_do() {
    let server = Server::with_workers(1, 1).await;
    server.publish("demo/cam").await;
    server.worker().emit(Event::Load(LoadReport { sessions: 1, ..LoadReport::default() }));
    while server.admin("/api/v1/workers").await.json()[0]["sessions"] != 1 {}
    let refused = server.post("/whep/demo/cam", &offer::viewer("vp8")).await;
    assert_eq!((refused.status, refused.error().as_str()), (503, "unavailable"));
    assert!(!refused.header("retry-after").is_empty());
    assert!(refused.text().contains("(1; the operator can raise sessions-per-worker"), "{}", refused.text());
    assert_eq!(counted(&server, "sessions-per-worker").await, 1);
}
