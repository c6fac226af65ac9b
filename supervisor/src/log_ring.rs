//! Owns the newest log lines of a node, each with the process that wrote it. Bounded; the oldest go first.

use std::collections::VecDeque;

use chappe_supervisor_api::LogSource;

#[derive(Debug, Default)]
pub struct LogRing {
    lines: VecDeque<Line>,
    bytes: usize,
    /// Number of the first line that is still there.
    first: u64,
}

#[derive(Debug)]
pub struct Line {
    pub source: LogSource,
    pub text: Vec<u8>,
}

impl LogRing {
    /// Takes one line without its newline.
    pub fn push(&mut self, source: LogSource, text: &[u8]) {
        self.bytes += text.len();
        self.lines.push_back(Line { source, text: text.to_vec() });
        while self.bytes > BYTES_MAX || self.lines.len() > LINES_MAX {
            let Some(oldest) = self.lines.pop_front() else { return };
            self.bytes -= oldest.text.len();
            self.first += 1;
        }
    }

    /// The number that the next line will have.
    pub fn end(&self) -> u64 {
        self.first + self.lines.len() as u64
    }

    /// The line of this number or, where it is gone, the oldest one; with its number.
    pub fn at(&self, number: u64) -> Option<(u64, &Line)> {
        let number = number.max(self.first);
        let line = self.lines.get(usize::try_from(number - self.first).ok()?)?;
        Some((number, line))
    }

    /// From where on there are `count` lines that `wanted` takes, or as many as there are.
    pub fn start_of_last(&self, count: usize, wanted: impl Fn(LogSource) -> bool) -> u64 {
        let Some(before) = count.checked_sub(1) else { return self.end() };
        let newest = self.lines.iter().enumerate().rev();
        let matching = newest.filter(|(_, line)| wanted(line.source)).map(|(index, _)| self.first + index as u64);
        matching.take(before + 1).last().unwrap_or_else(|| self.end())
    }
}

/// Hours of a node that is well, minutes of one that is not.
const BYTES_MAX: usize = 4 << 20;
const LINES_MAX: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;
    use chappe_supervisor_api::ProcessName;

    const SIGNALING: LogSource = LogSource::Process(ProcessName::Signaling);

    #[test]
    fn the_oldest_lines_go_first_and_the_numbers_go_on() {
        let mut ring = LogRing::default();
        for number in 0..LINES_MAX + 5 {
            ring.push(SIGNALING, number.to_string().as_bytes());
        }
        assert_eq!(ring.end(), LINES_MAX as u64 + 5);
        let (number, line) = ring.at(0).unwrap();
        assert_eq!((number, line.text.as_slice()), (5, &b"5"[..]));
        assert!(ring.at(ring.end()).is_none());
        for _ in 0..9 {
            ring.push(SIGNALING, &vec![b'x'; BYTES_MAX / 4]);
        }
        assert!(ring.bytes <= BYTES_MAX && ring.lines.len() <= 4);
    }

    #[test]
    fn the_last_lines_of_one_process_are_found_among_those_of_others() {
        let mut ring = LogRing::default();
        for _ in 0..3 {
            ring.push(SIGNALING, b"signaling");
            ring.push(LogSource::Supervisor, b"supervisor");
        }
        let start = |count| ring.start_of_last(count, |source| source == SIGNALING);
        assert_eq!((start(0), start(1), start(2), start(9)), (6, 4, 2, 0));
        assert_eq!(ring.start_of_last(2, |source| source == LogSource::Process(ProcessName::Worker(0))), 6);
    }
}
