//! Owns a synthetic page: its WebSocket, the session with which it watches, and moving that when it is asked to. Never
//! has a peer connection.

use std::io::ErrorKind;
use std::net::TcpStream;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tungstenite::{Error, Message, WebSocket};

use crate::http::Server;
use crate::offer::{self, Identity};

pub struct Page {
    socket: WebSocket<TcpStream>,
    identity: Identity,
    stream: String,
    asked: u64,
    session: Option<String>,
    /// The session that the one asked for takes the place of.
    leaves: Option<String>,
    /// Moves that were done.
    pub moves: u64,
}

impl Page {
    /// Enters a room and watches one stream of it.
    pub fn join(server: &Server, identity: Identity, room: &str, stream: &str) -> Result<Page> {
        let address = server.public().strip_prefix("http://").context("a server over plain HTTP")?;
        let socket = TcpStream::connect(address)?;
        let (socket, _) =
            tungstenite::client(format!("ws://{address}/ws"), socket).context("upgrade to a WebSocket")?;
        let (stream, asked) = (stream.to_owned(), 0);
        let mut page = Page { socket, identity, stream, asked, session: None, leaves: None, moves: 0 };
        page.ask(json!({ "type": "hello", "version": 1, "room": room }))?;
        page.watch(None)?;
        while page.session.is_none() {
            let message = page.socket.read()?;
            page.handle(&message)?;
        }
        page.socket.get_ref().set_nonblocking(true)?;
        Ok(page)
    }

    /// Reads all that waits and does what it asks for.
    pub fn turn(&mut self) -> Result<()> {
        loop {
            match self.socket.read() {
                Ok(message) => self.handle(&message)?,
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("the WebSocket of a page"),
            }
        }
    }

    fn handle(&mut self, message: &Message) -> Result<()> {
        let Message::Text(text) = message else { return Ok(()) };
        let message: Value = serde_json::from_str(text)?;
        let field = |name: &str| message.get(name).and_then(Value::as_str);
        match field("type") {
            Some("answer") => {
                self.session = field("session").map(str::to_owned);
                if let Some(old) = self.leaves.take() {
                    self.moves += 1;
                    self.ask(json!({ "type": "unwatch", "session": old }))?;
                }
            }
            Some("move") if self.leaves.is_none() => self.watch(field("session").map(str::to_owned))?,
            // Its new place had no room: it is asked to move again.
            Some("error") if self.leaves.take().is_some() => {}
            Some("error") => bail!("a page was told {text}"),
            _ => {}
        }
        Ok(())
    }

    fn watch(&mut self, instead_of: Option<String>) -> Result<()> {
        let slots = json!([{ "mid": "0", "stream": self.stream, "track": "video" }]);
        let mut request = json!({ "type": "watch", "sdp": offer::watch(&self.identity), "slots": slots });
        if let Some(old) = &instead_of {
            request["instead_of"] = json!(old);
        }
        self.leaves = instead_of;
        self.ask(request)
    }

    fn ask(&mut self, mut request: Value) -> Result<()> {
        self.asked += 1;
        request["id"] = json!(self.asked);
        self.socket.send(Message::text(request.to_string())).context("a request of a page")
    }
}
