//! Owns a connection over TCP that is waited for until a moment. Never knows what is said on it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A connection that waits until a moment, however slowly the other side speaks.
#[derive(Debug)]
pub struct Patient {
    stream: TcpStream,
    until: Instant,
}

impl Patient {
    pub fn connect(to: SocketAddr, patience: Duration) -> io::Result<Patient> {
        let until = Instant::now() + patience;
        Ok(Patient { stream: TcpStream::connect_timeout(&to, patience)?, until })
    }

    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

impl Read for Patient {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(buffer)
    }
}

impl Write for Patient {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Both ways of a connection.
pub trait Conversation: Read + Write {}

impl<T: Read + Write> Conversation for T {}
