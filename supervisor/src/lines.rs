//! Cuts the bytes of a child's standard error into lines of bounded length. Never interprets them. Not the codec of tokio-util,
//! which drops a line that is too long where this keeps it in pieces; and the supervisor has no tokio.

/// Collects bytes until a newline. A line longer than [`LINE_BYTES_MAX`] comes out in pieces, so that a child
/// that never ends its line cannot grow the parent.
#[derive(Debug, Default)]
pub struct LineSplitter {
    rest: Vec<u8>,
}

impl LineSplitter {
    /// Calls `line` for each line that `bytes` completes, without its newline.
    pub fn push(&mut self, bytes: &[u8], mut line: impl FnMut(&[u8])) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let (text, ends) = match piece.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (piece, false),
            };
            for part in text.chunks(LINE_BYTES_MAX) {
                if self.rest.len() + part.len() > LINE_BYTES_MAX {
                    line(&self.rest);
                    self.rest.clear();
                }
                self.rest.extend_from_slice(part);
            }
            if ends {
                line(&self.rest);
                self.rest.clear();
            }
        }
    }

    /// What the child wrote last without a newline, if anything.
    pub fn finish(&mut self, line: impl FnOnce(&[u8])) {
        if !self.rest.is_empty() {
            line(&self.rest);
            self.rest.clear();
        }
    }
}

/// Longest line passed on in one piece, in bytes. A child's own log lines are at most 4 KiB.
pub const LINE_BYTES_MAX: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn split(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut splitter = LineSplitter::default();
        let mut lines = Vec::new();
        for piece in pieces {
            splitter.push(piece, |line| lines.push(line.to_vec()));
        }
        splitter.finish(|line| lines.push(line.to_vec()));
        lines
    }

    #[test]
    fn lines_come_out_whole_however_they_were_cut() {
        let text: &[u8] = b"one\n\ntwo and more\nthree";
        let expected: Vec<Vec<u8>> = [&b"one"[..], b"", b"two and more", b"three"].map(<[u8]>::to_vec).to_vec();
        for size in 1..=text.len() {
            let pieces: Vec<&[u8]> = text.chunks(size).collect();
            assert_eq!(split(&pieces), expected, "cut every {size} bytes");
        }
    }

    #[test]
    fn a_line_without_end_is_passed_on_in_bounded_pieces_and_nothing_is_lost() {
        let endless = vec![b'x'; 3 * LINE_BYTES_MAX + 7];
        let lines = split(&[&endless[..100], &endless[100..]]);
        assert!(lines.iter().all(|line| line.len() <= LINE_BYTES_MAX));
        assert_eq!(lines.concat().len(), endless.len());
    }
}
