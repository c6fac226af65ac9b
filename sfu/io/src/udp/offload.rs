//! Owns the question whether the kernel takes and gives many datagrams as one. Never sends any.

use std::io;
use std::os::fd::AsFd as _;

use rustix::net::{AddressFamily, SocketType, socket};

use super::set_option;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offload {
    /// UDP_SEGMENT: a run goes out with one call.
    pub gso: bool,
    /// UDP_GRO: a train comes in with one.
    pub gro: bool,
}

impl Offload {
    /// As a socket is told that asks for them.
    pub fn of_system() -> io::Result<Offload> {
        let socket = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
        let takes = |option, value| set_option(socket.as_fd(), libc::SOL_UDP, option, value).is_ok();
        Ok(Offload { gso: takes(libc::UDP_SEGMENT, SEGMENT_BYTES), gro: takes(libc::UDP_GRO, 1) })
    }
}

/// As of media.
const SEGMENT_BYTES: libc::c_int = 1_200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_of_the_tests_has_both() {
        assert_eq!(Offload::of_system().unwrap(), Offload { gso: true, gro: true });
    }
}
