//! A page's WebSocket.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::http::PATIENCE;
use crate::offer;
use crate::server::Server;

pub struct Page {
    socket: WebSocketStream<TcpStream>,
    next: u64,
    /// Events that came while a reply was awaited.
    events: Vec<Value>,
    pub welcome: Value,
}

impl Page {
    /// Connected and not yet in a room.
    pub async fn connect(server: &Server) -> Page {
        let socket = TcpStream::connect(server.public).await.unwrap();
        let (socket, _) = client_async(format!("ws://{}/ws", server.public), socket).await.unwrap();
        Page { socket, next: 1, events: Vec::new(), welcome: Value::Null }
    }

    pub async fn join(server: &Server, room: &str) -> Page {
        let mut page = Page::connect(server).await;
        page.welcome = page.ask(json!({"type": "hello", "version": 1, "room": room, "name": "Ada"})).await;
        assert_eq!(page.welcome["type"], "welcome", "{}", page.welcome);
        page
    }

    pub async fn resume(server: &Server, room: &str, resume: &Value, sessions: &[&str]) -> Page {
        let mut page = Page::connect(server).await;
        let hello = json!({"type": "hello", "version": 1, "room": room, "resume": resume, "sessions": sessions});
        page.welcome = page.ask(hello).await;
        page
    }

    /// The code and the reason with which the server ends the connection.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Close(Some(frame)))) => return (frame.code.into(), frame.reason.to_string()),
                Some(Ok(Message::Text(_) | Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("no close frame that says why: {other:?}"),
            }
        }
    }

    /// Sends a request with a number of its own; the reply to it.
    pub async fn ask(&mut self, mut request: Value) -> Value {
        let id = self.next;
        self.next += 1;
        request["id"] = id.into();
        self.send(&request.to_string()).await;
        loop {
            let message = self.read().await;
            if message["id"] == id {
                return message;
            }
            self.events.push(message);
        }
    }

    pub async fn send(&mut self, text: &str) {
        self.socket.send(Message::text(text.to_owned())).await.unwrap();
    }

    /// The next message, of any kind.
    pub async fn read(&mut self) -> Value {
        loop {
            match self.read_frame().await {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Close(frame) => panic!("closed: {frame:?}"),
                _ => {}
            }
        }
    }

    pub async fn read_frame(&mut self) -> Message {
        let frame = tokio::time::timeout(PATIENCE, self.socket.next()).await;
        frame.expect("a message came").expect("the connection is open").unwrap()
    }

    /// Whether the server ends the connection.
    pub async fn ends(&mut self) -> bool {
        let ending = async {
            loop {
                match self.socket.next().await {
                    None | Some(Err(_) | Ok(Message::Close(_))) => return,
                    Some(Ok(_)) => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, ending).await.is_ok()
    }

    pub async fn send_frame(&mut self, frame: Message) {
        self.socket.send(frame).await.unwrap();
    }

    /// The next event of a kind; others before it are dropped.
    pub async fn event(&mut self, kind: &str) -> Value {
        while !self.events.is_empty() {
            let event = self.events.remove(0);
            if event["type"] == kind {
                return event;
            }
        }
        loop {
            let message = self.read().await;
            if message["type"] == kind {
                return message;
            }
        }
    }

    pub async fn publish(&mut self, stream: &str) -> String {
        let answer = self.ask(json!({"type": "publish", "stream": stream, "sdp": offer::publisher("vp8")})).await;
        assert_eq!(answer["type"], "answer", "{answer}");
        answer["session"].as_str().unwrap().to_owned()
    }

    /// Watches a stream's sound and picture; the answer.
    pub async fn watch(&mut self, stream: &str) -> Value {
        let slots =
            json!([{"mid": "0", "stream": stream, "track": "audio"}, {"mid": "1", "stream": stream, "track": "video"}]);
        self.ask(json!({"type": "watch", "sdp": offer::viewer("vp8"), "slots": slots})).await
    }
}
