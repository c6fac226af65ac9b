//! Owns a synthetic page that watches one stream, and moves its session when it is asked to. Never has a peer connection.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::http::Server;
use crate::offer::{self, Identity};
use crate::socket::Socket;

pub struct Page {
    socket: Socket,
    identity: Identity,
    stream: String,
    /// The session that the one asked for takes the place of.
    leaves: Option<String>,
    /// Moves that were done.
    pub moves: u64,
}

impl Page {
    /// Enters a room and watches one stream of it.
    pub fn join(server: &Server, identity: Identity, room: &str, stream: &str) -> Result<Page> {
        let mut socket = Socket::enter(server, room)?;
        let answer = socket.ask(watch(&identity, stream, None))?;
        answer.get("session").and_then(Value::as_str).context("an answer without a session")?;
        socket.wait_no_more()?;
        Ok(Page { socket, identity, stream: stream.to_owned(), leaves: None, moves: 0 })
    }

    /// Reads all that waits and does what it asks for.
    pub fn turn(&mut self) -> Result<()> {
        while let Some(message) = self.socket.receive()? {
            self.handle(&message)?;
        }
        Ok(())
    }

    fn handle(&mut self, message: &Value) -> Result<()> {
        let field = |name: &str| message.get(name).and_then(Value::as_str);
        match field("type") {
            Some("answer") => {
                if let Some(old) = self.leaves.take() {
                    self.moves += 1;
                    self.socket.send(json!({ "type": "unwatch", "session": old }))?;
                }
            }
            Some("move") if self.leaves.is_none() => {
                self.leaves = field("session").map(str::to_owned);
                self.socket.send(watch(&self.identity, &self.stream, self.leaves.as_deref()))?;
            }
            // Its new place had no room: it is asked to move again.
            Some("error") if self.leaves.take().is_some() => {}
            Some("error") => bail!("a page was told {message}"),
            _ => {}
        }
        Ok(())
    }
}

fn watch(identity: &Identity, stream: &str, instead_of: Option<&str>) -> Value {
    let slots = json!([{ "mid": "0", "stream": stream, "track": "video" }]);
    json!({ "type": "watch", "sdp": offer::watch(identity), "slots": slots, "instead_of": instead_of })
}
