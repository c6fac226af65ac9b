//! Owns the WebSocket of a synthetic page: requests with their numbers, and what comes back. Never knows what they mean.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tungstenite::{Error, Message, WebSocket};

use crate::http::Server;

pub struct Socket {
    socket: WebSocket<TcpStream>,
    asked: u64,
}

impl Socket {
    /// Enters a room.
    pub fn enter(server: &Server, room: &str) -> Result<Socket> {
        let address = server.public().strip_prefix("http://").context("a server over plain HTTP")?;
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(REPLY_LIMIT))?;
        let (socket, _) =
            tungstenite::client(format!("ws://{address}/ws"), stream).context("upgrade to a WebSocket")?;
        let mut socket = Socket { socket, asked: 0 };
        socket.ask(json!({ "type": "hello", "version": 1, "room": room }))?;
        Ok(socket)
    }

    /// Sends a request and waits for its reply; events that come before it are passed over.
    pub fn ask(&mut self, request: Value) -> Result<Value> {
        let id = self.send(request)?;
        loop {
            let Message::Text(text) = self.socket.read().context("no reply over the WebSocket")? else { continue };
            let reply: Value = serde_json::from_str(&text)?;
            if reply.get("id").and_then(Value::as_u64) != Some(id) {
                continue;
            }
            if reply.get("type").and_then(Value::as_str) == Some("error") {
                bail!("refused: {reply}");
            }
            return Ok(reply);
        }
    }

    /// Sends a request whose reply is read with [`Socket::next`]; returns its number.
    pub fn send(&mut self, mut request: Value) -> Result<u64> {
        self.asked += 1;
        request["id"] = json!(self.asked);
        self.socket.send(Message::text(request.to_string())).context("a request of a page")?;
        Ok(self.asked)
    }

    /// From now on nothing is waited for.
    pub fn wait_no_more(&self) -> Result<()> {
        Ok(self.socket.get_ref().set_nonblocking(true)?)
    }

    /// What has come, if anything has.
    pub fn receive(&mut self) -> Result<Option<Value>> {
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => return Ok(Some(serde_json::from_str(&text)?)),
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error).context("the WebSocket of a page"),
            }
        }
    }

    /// Says that the page does not come back, which ends its sessions.
    pub fn close(&mut self) {
        // A server that is gone has ended them already.
        let _ = self.socket.close(None).and_then(|()| self.socket.flush());
    }
}

const REPLY_LIMIT: Duration = Duration::from_secs(10);
