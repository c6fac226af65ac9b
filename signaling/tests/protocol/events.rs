//! A listener to the events that reads too slowly: it is told how many it missed, and gets all others in their order.

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;

use crate::http::request;
use crate::offer;
use crate::server::{Server, session_of};

/// Of each publisher: its room begins and ends, and each of its tracks comes and goes.
const TRACKS: usize = 24;
const EVENTS_OF_EACH: usize = 2 + 2 * TRACKS;
/// More events than sockets and the queue of a listener hold together.
const PUBLISHERS: usize = 800;

async fn listen(server: &Server) -> Lines<BufReader<TcpStream>> {
    let mut socket = TcpStream::connect(server.admin).await.unwrap();
    let head = format!("GET /api/v1/events HTTP/1.1\r\nhost: {}\r\n\r\n", server.admin);
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut lines = BufReader::new(socket).lines();
    while !lines.next_line().await.unwrap().unwrap().is_empty() {}
    lines
}

#[tokio::test]
async fn a_listener_that_lags_is_told_how_much_it_missed() {
    let server = Server::start().await;
    let mut lines = listen(&server).await;
    let many = offer::offer("sendonly", &[("video", "vp8"); TRACKS], 1);
    for _ in 0..PUBLISHERS {
        let session = session_of(&server.post("/whip/demo/cam", &many).await);
        let gone = request(server.public, "DELETE", &format!("/session/{session}"), &[], "").await;
        assert_eq!(gone.status, 200, "nobody waits for the listener");
    }
    let (mut next, mut missed, mut gaps) = (1, 0, 0);
    let (mut id, mut kind) = (String::new(), String::new());
    while next <= PUBLISHERS * EVENTS_OF_EACH {
        let line = lines.next_line().await.unwrap().expect("it is told to the end");
        match line.split_once(": ") {
            Some(("id", told)) => told.clone_into(&mut id),
            Some(("event", told)) => told.clone_into(&mut kind),
            Some(("data", told)) if kind == "events_dropped" => {
                let told: Value = serde_json::from_str(told).unwrap();
                missed = usize::try_from(told["data"]["dropped"].as_u64().unwrap()).unwrap();
                assert!(missed > 0);
                gaps += 1;
                next += missed;
            }
            Some(("data", _)) => {
                let number: usize = id.rsplit('-').next().unwrap().parse().unwrap();
                assert_eq!(number, next, "none is missing but those that were said to be, {missed} of them");
                next += 1;
            }
            _ => {}
        }
    }
    assert!(gaps > 0, "it lagged");
}
