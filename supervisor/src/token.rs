//! What an event of the parent's loop is about, as the number that the kernel keeps for it.

use chappe_supervisor_api::ProcessName;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    Signal,
    /// Somebody asks, or can be answered further.
    Channel,
    Death(ProcessName),
    Log(ProcessName),
}

impl Token {
    pub fn encode(self) -> u64 {
        match self {
            Token::Signal => SIGNAL,
            Token::Channel => CHANNEL,
            Token::Death(name) => place(name) << 2 | DEATH,
            Token::Log(name) => place(name) << 2 | LOG,
        }
    }

    pub fn decode(value: u64) -> Token {
        let name = match u16::try_from((value >> 2).wrapping_sub(1)) {
            Ok(index) => ProcessName::Worker(index),
            Err(_) => ProcessName::Signaling,
        };
        match value & 3 {
            DEATH => Token::Death(name),
            LOG => Token::Log(name),
            CHANNEL => Token::Channel,
            _ => Token::Signal,
        }
    }
}

fn place(name: ProcessName) -> u64 {
    match name {
        ProcessName::Signaling => 0,
        ProcessName::Worker(index) => u64::from(index) + 1,
    }
}

const SIGNAL: u64 = 0;
const DEATH: u64 = 1;
const LOG: u64 = 2;
const CHANNEL: u64 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_the_way_through_the_kernel() {
        let names = [ProcessName::Signaling, ProcessName::Worker(0), ProcessName::Worker(u16::MAX)];
        let of_processes = names.into_iter().flat_map(|name| [Token::Death(name), Token::Log(name)]);
        for token in of_processes.chain([Token::Signal, Token::Channel]) {
            assert_eq!(Token::decode(token.encode()), token);
        }
    }
}
