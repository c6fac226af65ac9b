//! What one address may hold, and for how long: connections that say nothing, slowly say something, or never join.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::http::{PATIENCE, request};
use crate::server::Server;

/// Both ends of thousands of connections are in this process.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

/// A connection from another address of this machine.
async fn connect_from(last: u8, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, last], 0))).unwrap();
    socket.connect(to).await.unwrap()
}

/// Whether a GET is answered on this connection.
async fn is_served(mut socket: TcpStream) -> bool {
    let asked = async {
        socket.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer.starts_with("HTTP/1.1 200"))
    };
    tokio::time::timeout(PATIENCE, asked).await.is_ok_and(|served| served.unwrap_or(false))
}

#[tokio::test]
async fn connections_that_say_nothing_or_half_a_head_keep_nobody_out() {
    raise_descriptor_limit();
    let server = Server::start().await;
    for to in [server.public, server.admin] {
        let mut held = Vec::new();
        for number in 0..PLACES + 100 {
            let mut socket = connect_from(1, to).await;
            if number % 2 == 0 {
                socket.write_all(b"GET / HTTP/1.1\r\nHost: local").await.unwrap();
            }
            held.push(socket);
        }
        assert!(is_served(connect_from(2, to).await).await, "another address");
        assert!(is_served(connect_from(1, to).await).await, "the same one: its oldest connection gave way");
        assert!(is_served(held.pop().unwrap()).await, "the youngest one stands");
    }
}

type Socket = WebSocketStream<TcpStream>;

async fn open(server: &Server, client: &str) -> Result<Socket, u16> {
    use tokio_tungstenite::tungstenite::Error;
    let mut request = format!("ws://{}/ws", server.public).into_client_request().unwrap();
    request.headers_mut().insert("x-forwarded-for", client.parse().unwrap());
    let socket = TcpStream::connect(server.public).await.unwrap();
    match client_async(request, socket).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn pages_of_one_address_leave_places_for_others_behind_the_same_proxy() {
    raise_descriptor_limit();
    let server = Server::start().await;
    let mut held = Vec::new();
    let mut refused = Vec::new();
    while refused.is_empty() {
        // The second half of an IPv6 address is its subscriber's own choice. Several at a time: who says no hello is let go
        // after 10 s, and all have to be there until one is refused.
        let several = (held.len()..).take(TOGETHER).map(|number| format!("2001:db8:0:1::{number:x}"));
        let to = &server;
        for socket in join_all(several.map(|address| async move { open(to, &address).await })).await {
            match socket {
                Ok(socket) => held.push(socket),
                Err(status) => refused.push(status),
            }
        }
        assert!(held.len() < PAGES, "one address has all places");
    }
    assert!(refused.iter().all(|status| *status == 503), "{refused:?}");
    assert!(open(&server, "2001:db8:0:2::1").await.is_ok(), "another subscriber");
    assert!(open(&server, "203.0.113.7").await.is_ok());
    assert_eq!(open(&server, "198.51.100.1, 2001:db8:0:1::1").await.err(), Some(503), "it says that it is another");
    held.truncate(1);
    let again = async {
        while open(&server, "2001:db8:0:1::1").await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.expect("its places are free again");
}

/// Until the server ends the connection; what it says then.
async fn chatter(mut socket: Socket, mut next: impl FnMut(u64) -> Option<Message>) -> String {
    for number in 0.. {
        match next(number) {
            Some(message) => drop(socket.send(message).await),
            None => drop(socket.flush().await),
        }
        // Slowly enough to be no flood.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let heard = tokio::time::timeout(Duration::from_millis(100), socket.next()).await;
        match heard {
            Ok(None | Some(Err(_))) => return "nothing".to_owned(),
            Ok(Some(Ok(Message::Close(frame)))) => {
                return frame.map_or_else(String::new, |frame| frame.reason.to_string());
            }
            Ok(Some(Ok(_))) | Err(_) => {}
        }
    }
    unreachable!("the loop has no end")
}

#[tokio::test]
async fn who_does_not_say_hello_in_time_is_let_go_whatever_else_is_said() {
    let server = Server::start().await;
    let part = |number| {
        let kind = if number == 0 { Data::Text } else { Data::Continue };
        Some(Message::Frame(Frame::message("a".as_bytes().to_vec(), OpCode::Data(kind), false)))
    };
    let bad_hello = json!({"type": "hello", "id": 1, "version": 1, "room": "no name"}).to_string();
    let json_ping = json!({"type": "ping", "id": 1}).to_string();
    let open = async || open(&server, "203.0.113.7").await.unwrap();
    let all = [
        tokio::spawn(chatter(open().await, |_| None)),
        tokio::spawn(chatter(open().await, |_| Some(Message::Ping(Vec::new().into())))),
        tokio::spawn(chatter(open().await, |_| Some(Message::Pong(Vec::new().into())))),
        tokio::spawn(chatter(open().await, |_| Some(Message::text("garbage")))),
        tokio::spawn(chatter(open().await, move |_| Some(Message::text(json_ping.clone())))),
        tokio::spawn(chatter(open().await, move |_| Some(Message::text(bad_hello.clone())))),
        tokio::spawn(chatter(open().await, part)),
    ];
    let ended = tokio::time::timeout(Duration::from_secs(40), join_all(all)).await.expect("all are let go");
    for (number, reason) in ended.into_iter().enumerate() {
        let reason = reason.unwrap();
        assert!(reason.contains("hello first within 10 s"), "number {number}: {reason}");
    }
    assert_eq!(request(server.public, "GET", "/healthz", &[], "").await.status, 200);
}

/// Connections of a listener.
const PLACES: usize = 8_192;
/// WebSockets of a node.
const PAGES: usize = 20_000;
const TOGETHER: usize = 32;
