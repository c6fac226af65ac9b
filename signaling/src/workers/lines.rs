//! Owns JSON lines on a control socket: bounded reading that may be interrupted at any await, and writing. The codec of
//! tokio-util would make a String of each line, of which a snapshot has megabytes, before it is parsed.

use std::io;

use chappe_sfu_api::LINE_BYTES_MAX;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

pub struct LineReader {
    socket: OwnedReadHalf,
    buffer: Vec<u8>,
    /// Bytes at the start of `buffer` that belong to lines already given out.
    taken: usize,
    /// Bytes that were searched for a line end without success.
    searched: usize,
}

impl LineReader {
    pub fn new(socket: OwnedReadHalf) -> LineReader {
        LineReader { socket, buffer: Vec::new(), taken: 0, searched: 0 }
    }

    /// The next message; none at the end. Dropping the future loses nothing.
    pub async fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        loop {
            let from = self.taken.max(self.searched);
            if let Some(at) = self.buffer.get(from..).and_then(|rest| rest.iter().position(|byte| *byte == b'\n')) {
                let line = self.buffer.get(self.taken..from + at).unwrap_or_default();
                let message =
                    serde_json::from_slice(line).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error));
                self.taken = from + at + 1;
                self.searched = self.taken;
                return message.map(Some);
            }
            self.buffer.drain(..self.taken);
            self.taken = 0;
            self.searched = self.buffer.len();
            if self.buffer.len() > LINE_BYTES_MAX {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is too long"));
            }
            if self.socket.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }
}

/// Writes messages as one piece.
pub async fn write_lines<T: Serialize>(socket: &mut OwnedWriteHalf, messages: &[T]) -> io::Result<()> {
    let mut bytes = Vec::new();
    for message in messages {
        serde_json::to_writer(&mut bytes, message)?;
        bytes.push(b'\n');
    }
    socket.write_all(&bytes).await
}
