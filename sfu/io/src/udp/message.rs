//! Owns what the kernel wants of each message of a batch beside its bytes: a name and control messages.

use super::address::SocketName;
use super::control::ControlBuffer;

/// For one message of recvmmsg(2) or sendmmsg(2).
#[derive(Clone, Copy)]
pub(super) struct MessageBuffers {
    pub(super) name: SocketName,
    pub(super) control: ControlBuffer,
}

impl MessageBuffers {
    pub(super) const EMPTY: MessageBuffers = MessageBuffers { name: SocketName::EMPTY, control: ControlBuffer::EMPTY };
}
