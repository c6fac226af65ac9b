//! Owns the two byte queues of a control connection: lines coming in, lines going out, both bounded.
//! Never knows what a line says. Not the codec of tokio-util: the worker has no tokio, and lends each line out of its buffer.

/// Cuts a byte stream into lines.
#[derive(Debug, Default)]
pub(crate) struct LineReader {
    buffer: Vec<u8>,
    /// Bytes before it were given out.
    start: usize,
    /// Bytes before it hold no newline.
    searched: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LineTooLong;

impl LineReader {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.searched -= self.start;
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next complete line, without its newline.
    pub(crate) fn next_line(&mut self, bytes_max: usize) -> Result<Option<&[u8]>, LineTooLong> {
        let unsearched = self.buffer.get(self.searched..).unwrap_or_default();
        let Some(at) = unsearched.iter().position(|byte| *byte == b'\n') else {
            self.searched = self.buffer.len();
            return if self.buffer.len() - self.start > bytes_max { Err(LineTooLong) } else { Ok(None) };
        };
        let (start, end) = (self.start, self.searched + at);
        self.start = end + 1;
        self.searched = self.start;
        if end - start > bytes_max { Err(LineTooLong) } else { Ok(self.buffer.get(start..end)) }
    }
}

/// Bytes that wait for a reader.
#[derive(Debug, Default)]
pub(crate) struct OutQueue {
    bytes: Vec<u8>,
    /// Bytes before it were written.
    sent: usize,
}

impl OutQueue {
    pub(crate) fn push_line(&mut self, line: &[u8]) {
        if self.sent > 0 && self.bytes.len() + line.len() >= self.bytes.capacity() {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
        self.bytes.extend_from_slice(line);
        self.bytes.push(b'\n');
    }

    pub(crate) fn unsent(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    pub(crate) fn advance(&mut self, count: usize) {
        self.sent = (self.sent + count).min(self.bytes.len());
        if self.sent == self.bytes.len() {
            self.bytes.clear();
            self.sent = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_survive_being_cut_anywhere() {
        for piece in 1..=9 {
            let mut reader = LineReader::default();
            let mut lines = Vec::new();
            for bytes in b"one\n\ntwo three\nfour".chunks(piece) {
                reader.push(bytes);
                while let Some(line) = reader.next_line(100).expect("short") {
                    lines.push(String::from_utf8(line.to_vec()).expect("text"));
                }
            }
            assert_eq!(lines, ["one", "", "two three"], "pieces of {piece}");
        }
    }

    #[test]
    fn a_line_at_the_limit_passes_and_one_byte_more_does_not() {
        let mut reader = LineReader::default();
        reader.push(b"12345\n123456");
        assert_eq!(reader.next_line(5), Ok(Some(&b"12345"[..])));
        assert_eq!(reader.next_line(5), Err(LineTooLong), "even before its newline comes");
    }

    #[test]
    fn what_was_written_leaves_the_queue() {
        let mut queue = OutQueue::default();
        queue.push_line(b"abc");
        queue.advance(2);
        queue.push_line(b"de");
        assert_eq!(queue.unsent(), b"c\nde\n");
        queue.advance(5);
        assert!(queue.unsent().is_empty());
    }
}
