//! Owns RFC 4571 framing: a 16-bit big-endian length before each datagram. Never touches a socket.

/// Collects a byte stream and gives it back frame by frame.
#[derive(Debug)]
pub struct FrameReader {
    buffer: Box<[u8]>,
    /// Bytes before it were given out.
    start: usize,
    /// Bytes from it on are free.
    end: usize,
}

/// A frame announced a length that no datagram of ours has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameTooLong {
    pub length: usize,
}

impl FrameReader {
    pub fn new() -> FrameReader {
        FrameReader { buffer: vec![0; READ_BUFFER_BYTES].into_boxed_slice(), start: 0, end: 0 }
    }

    /// Where to read into; never empty once all complete frames have been taken.
    pub fn spare(&mut self) -> &mut [u8] {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        &mut self.buffer[self.end..]
    }

    /// `count` bytes were read into [`FrameReader::spare`].
    pub fn advance(&mut self, count: usize) {
        self.end = (self.end + count).min(self.buffer.len());
    }

    /// The next complete frame. Empty frames are skipped: RFC 4571 allows them, and they mean nothing.
    pub fn next_frame(&mut self) -> Result<Option<&mut [u8]>, FrameTooLong> {
        loop {
            let waiting = &self.buffer[self.start..self.end];
            let Some((prefix, rest)) = waiting.split_first_chunk::<PREFIX_BYTES>() else {
                return Ok(None);
            };
            let length = usize::from(u16::from_be_bytes(*prefix));
            if length > FRAME_BYTES_MAX {
                return Err(FrameTooLong { length });
            }
            if rest.len() < length {
                return Ok(None);
            }
            let first = self.start + PREFIX_BYTES;
            self.start = first + length;
            if length > 0 {
                return Ok(Some(&mut self.buffer[first..first + length]));
            }
        }
    }
}

impl Default for FrameReader {
    fn default() -> Self {
        FrameReader::new()
    }
}

/// What a frame is, for a queue that has no room for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// Media is worth nothing late.
    Media,
    /// STUN, DTLS and RTCP, without which the peer takes the path for dead: the last part of the queue is
    /// kept for them.
    Control,
}

/// A bounded queue of frames that wait to be written.
#[derive(Debug)]
pub struct FrameWriter {
    queue: Vec<u8>,
    /// Bytes before it were written.
    sent: usize,
    bytes_max: usize,
}

impl FrameWriter {
    pub fn new(bytes_max: usize) -> FrameWriter {
        FrameWriter { queue: Vec::new(), sent: 0, bytes_max }
    }

    /// Queues a frame, or says no when it would not fit whole: half a frame would break the stream.
    pub fn push(&mut self, frame: &[u8], kind: FrameKind) -> bool {
        let Some(length) = u16::try_from(frame.len()).ok().filter(|length| *length > 0) else {
            return false;
        };
        let limit = match kind {
            FrameKind::Media => self.bytes_max - self.bytes_max / CONTROL_SHARE,
            FrameKind::Control => self.bytes_max,
        };
        if self.unsent().len() + PREFIX_BYTES + frame.len() > limit {
            return false;
        }
        if self.queue.len() + PREFIX_BYTES + frame.len() > self.bytes_max {
            self.queue.drain(..self.sent);
            self.sent = 0;
        }
        self.queue.extend_from_slice(&length.to_be_bytes());
        self.queue.extend_from_slice(frame);
        true
    }

    pub fn unsent(&self) -> &[u8] {
        &self.queue[self.sent..]
    }

    /// `count` bytes of [`FrameWriter::unsent`] were written.
    pub fn advance(&mut self, count: usize) {
        self.sent = (self.sent + count).min(self.queue.len());
        if self.sent == self.queue.len() {
            self.queue.clear();
            self.sent = 0;
        }
    }
}

/// Longest frame accepted. Datagrams of ICE, DTLS and RTP stay below a path's MTU of 1,500 or so.
pub const FRAME_BYTES_MAX: usize = 4096;
const PREFIX_BYTES: usize = 2;
/// One part in this many of a write queue is for control alone: 16 KiB of 256.
const CONTROL_SHARE: usize = 16;
/// Two of the longest frames: there is always room to complete one.
const READ_BUFFER_BYTES: usize = 2 * (FRAME_BYTES_MAX + PREFIX_BYTES);
