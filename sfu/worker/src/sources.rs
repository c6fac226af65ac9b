//! Owns the names of what the event loop waits for, as epoll tokens.

use chappe_sfu_core::ConnectionId;

use crate::control::ClientId;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PollSource {
    Udp,
    TcpListener,
    Tcp(ConnectionId),
    ControlListener,
    Control(ClientId),
    Termination,
    Parent,
}

impl PollSource {
    /// The kind in the upper half, the number in the lower.
    pub(crate) fn token(self) -> u64 {
        let (kind, number) = match self {
            PollSource::Udp => (0, 0),
            PollSource::TcpListener => (1, 0),
            PollSource::Tcp(ConnectionId(number)) => (2, number),
            PollSource::ControlListener => (3, 0),
            PollSource::Control(ClientId(number)) => (4, number),
            PollSource::Termination => (5, 0),
            PollSource::Parent => (6, 0),
        };
        u64::from(number) | kind << 32
    }

    pub(crate) fn of(token: u64) -> Option<PollSource> {
        let number = (token & u64::from(u32::MAX)) as u32;
        match token >> 32 {
            0 => Some(PollSource::Udp),
            1 => Some(PollSource::TcpListener),
            2 => Some(PollSource::Tcp(ConnectionId(number))),
            3 => Some(PollSource::ControlListener),
            4 => Some(PollSource::Control(ClientId(number))),
            5 => Some(PollSource::Termination),
            6 => Some(PollSource::Parent),
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
        let numbered =
            numbers.into_iter().flat_map(|n| [PollSource::Tcp(ConnectionId(n)), PollSource::Control(ClientId(n))]);
        let single = [
            PollSource::Udp,
            PollSource::TcpListener,
            PollSource::ControlListener,
            PollSource::Termination,
            PollSource::Parent,
        ];
        for source in single.into_iter().chain(numbered) {
            assert_eq!(PollSource::of(source.token()), Some(source));
        }
        assert_eq!(PollSource::of(u64::MAX), None);
    }
}
