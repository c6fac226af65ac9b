//! Camera to screen with clients that share no code with ours: the PeerConnection of the `webrtc` crate.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first surprise")]

mod addresses;
mod foreign;
mod load;
mod peer;
#[allow(dead_code, reason = "the tests of the program use the rest of it")]
#[path = "../node/running.rs"]
mod running;

use std::time::{Duration, Instant};

use chappe_load::http::{Created, Server};

use peer::Client;
use running::Running;

#[tokio::test(flavor = "multi_thread")]
async fn an_independent_implementation_publishes_and_watches() {
    let node = start();
    let server = server(&node);
    let publisher = publish(&server).await;
    let (first, _) = watch(&server).await;
    let (second, _) = watch(&server).await;
    let viewers = [&first, &second];
    send_until(&publisher.0, 0, || viewers.iter().all(|viewer| viewer.packets() >= 200)).await;
    assert_eq!(viewers.map(Client::gaps), [0, 0], "sequence numbers that do not follow each other");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_with_an_rsa_certificate_is_let_in() {
    let node = start();
    let server = server(&node);
    let (publisher, _) = publish_as(&server, Client::publisher_with_rsa().await.unwrap()).await;
    let (viewer, _) = watch(&server).await;
    send_until(&publisher, 0, || viewer.packets() >= 50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_goes_on_in_the_same_session_when_the_publisher_returns() {
    let node = start();
    let server = server(&node);
    let (publisher, session) = publish(&server).await;
    let (viewer, _) = watch(&server).await;
    send_until(&publisher, 0, || viewer.packets() >= 50).await;
    publisher.close().await.unwrap();
    blocking(&server, move |server| server.delete(&session)).await;
    let before = viewer.packets();
    let (returned, _) = publish(&server).await;
    send_until(&returned, 1000, || viewer.packets() >= before + 50).await;
    assert_eq!(viewer.gaps(), 0, "the sequence numbers must go on where they were");
}

/// What a well-behaved client does is worth no warning, also when a publisher and its viewers leave together.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_says_goodbye_and_deletes_its_session_is_not_warned_of() {
    let node = start();
    let server = server(&node);
    for _ in 0..ROUNDS {
        let (publisher, published) = publish(&server).await;
        let mut leaving = Vec::new();
        for _ in 0..VIEWERS {
            leaving.push(watch(&server).await);
        }
        send_until(&publisher, 0, || leaving.iter().all(|(viewer, _)| viewer.packets() >= 5)).await;
        leaving.push((publisher, published));
        let leave = leaving.into_iter().map(|(client, session)| {
            let server = server.clone();
            tokio::spawn(async move {
                client.close().await.unwrap();
                blocking(&server, move |server| server.delete(&session)).await;
            })
        });
        for left in leave.collect::<Vec<_>>() {
            left.await.unwrap();
        }
    }
    let left = || node.admin("/api/v1/workers")[0]["sessions"].as_u64();
    running::eventually("the end of all sessions", || (left() == Some(0)).then_some(()));
    let log = node.log();
    assert_eq!(log.matches("session opened").count(), ROUNDS * (VIEWERS + 1), "{log}");
    let warnings: Vec<&str> = log.lines().filter(|line| line.contains("WARN")).collect();
    assert_eq!(warnings, Vec::<&str>::new());
}

/// So often that the goodbyes of viewers meet what they are told of their publisher's.
const ROUNDS: usize = 5;
const VIEWERS: usize = 4;

fn start() -> Running {
    let node = Running::start(&["--workers", "1", "--public-ip", "127.0.0.1"]);
    running::eventually("readiness", || (node.http("/readyz").0 == 200).then_some(()));
    node
}

fn server(node: &Running) -> Server {
    let address = |key: &str| format!("http://{}", node.state()[key].as_str().unwrap());
    Server::new(&address("http"), &address("admin"))
}

async fn publish(server: &Server) -> (Client, Created) {
    publish_as(server, Client::publisher().await.unwrap()).await
}

async fn publish_as(server: &Server, client: Client) -> (Client, Created) {
    let offer = client.offer().await.unwrap();
    let created = blocking(server, move |server| server.whip("independent", "camera", &offer)).await;
    client.accept(created.sdp.clone()).await.unwrap();
    (client, created)
}

async fn watch(server: &Server) -> (Client, Created) {
    let client = Client::viewer().await.unwrap();
    let offer = client.offer().await.unwrap();
    let created = blocking(server, move |server| server.whep("independent", "camera", &offer)).await;
    client.accept(created.sdp.clone()).await.unwrap();
    (client, created)
}

/// Publishes frames at 200 a second until `done`.
async fn send_until(publisher: &Client, first: u16, done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut pace = tokio::time::interval(Duration::from_millis(5));
    for number in first.. {
        if done() {
            return;
        }
        assert!(Instant::now() < deadline, "frame {number} and still waiting");
        publisher.send_frame(number).await.unwrap();
        pace.tick().await;
    }
}

/// The HTTP client blocks; the connections of the test must not.
async fn blocking<T: Send + 'static>(
    server: &Server,
    call: impl FnOnce(Server) -> anyhow::Result<T> + Send + 'static,
) -> T {
    let server = server.clone();
    tokio::task::spawn_blocking(move || call(server)).await.unwrap().unwrap()
}
