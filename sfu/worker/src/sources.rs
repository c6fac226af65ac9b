//! Owns the names of what the event loop waits for, as epoll tokens.

use chappe_sfu_core::ConnectionId;

use crate::control::ClientId;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Udp,
    TcpListener,
    Tcp(ConnectionId),
    ControlListener,
    Control(ClientId),
    Termination,
    Parent,
}

impl Source {
    /// The kind in the upper half, the number in the lower.
    pub(crate) fn token(self) -> u64 {
        let (kind, number) = match self {
            Source::Udp => (0, 0),
            Source::TcpListener => (1, 0),
            Source::Tcp(ConnectionId(number)) => (2, number),
            Source::ControlListener => (3, 0),
            Source::Control(ClientId(number)) => (4, number),
            Source::Termination => (5, 0),
            Source::Parent => (6, 0),
        };
        u64::from(number) | kind << 32
    }

    pub(crate) fn of(token: u64) -> Option<Source> {
        let number = (token & u64::from(u32::MAX)) as u32;
        match token >> 32 {
            0 => Some(Source::Udp),
            1 => Some(Source::TcpListener),
            2 => Some(Source::Tcp(ConnectionId(number))),
            3 => Some(Source::ControlListener),
            4 => Some(Source::Control(ClientId(number))),
            5 => Some(Source::Termination),
            6 => Some(Source::Parent),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_name_their_sources() {
        let numbers = [0, 7, u32::MAX];
        let numbered = numbers.into_iter().flat_map(|n| [Source::Tcp(ConnectionId(n)), Source::Control(ClientId(n))]);
        let single = [Source::Udp, Source::TcpListener, Source::ControlListener, Source::Termination, Source::Parent];
        for source in single.into_iter().chain(numbered) {
            assert_eq!(Source::of(source.token()), Some(source));
        }
        assert_eq!(Source::of(u64::MAX), None);
    }
}
