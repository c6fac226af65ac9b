//! Owns how a target reads the script that its input is. Never fails: where bytes run out there are zeros.

pub(crate) struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    pub fn new(bytes: &'a [u8]) -> Script<'a> {
        Script(bytes)
    }

    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub fn u8(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    pub fn u16(&mut self) -> u16 {
        u16::from(self.u8()) << 8 | u16::from(self.u8())
    }

    /// A length, then as many bytes.
    pub fn bytes(&mut self) -> &'a [u8] {
        let len = usize::from(self.u16() % BYTES_MAX);
        self.take(len)
    }

    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

/// Longer datagrams than any path carries.
const BYTES_MAX: u16 = 2_000;
