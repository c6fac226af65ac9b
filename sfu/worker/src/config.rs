//! Owns what a worker is started with, and why it could not be. Opens nothing: the supervisor has bound the sockets.

use std::io;
use std::os::fd::{OwnedFd, RawFd};

use chappe_sfu_api::WorkerIndex;
use chappe_sfu_io::inherited::{self, SocketKind};

/// What a worker needs to know and to hold before it starts.
#[derive(Debug)]
pub struct WorkerConfig {
    pub index: WorkerIndex,
    /// As announced to clients; the sockets are bound to it.
    pub media_port: u16,
    /// A bound UDP socket.
    pub udp: OwnedFd,
    /// A listening TCP socket for ICE-TCP.
    pub tcp: OwnedFd,
    /// A listening Unix stream socket on which signaling connects.
    pub control: OwnedFd,
    /// Sessions this worker takes at most.
    pub sessions_max: u32,
    /// Of a crowd a viewer hears so many; 0 for all.
    pub loudest: u8,
    /// Processes that were in this place before.
    pub restarts: u64,
}

/// Why a worker could not start. Its supervisor tries again.
#[derive(Debug, thiserror::Error)]
pub enum WorkerStartError {
    #[error("cannot take the inherited socket: {0}")]
    Inherited(#[source] io::Error),
    #[error("cannot set up {what}: {error}")]
    SetUp {
        what: &'static str,
        #[source]
        error: io::Error,
    },
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] chappe_sfu_core::dtls::CertificateError),
}

impl WorkerConfig {
    /// Takes over the sockets that the supervisor handed down by number. Fails when one is not of its kind.
    pub fn from_inherited(
        index: WorkerIndex,
        media_port: u16,
        udp: RawFd,
        tcp: RawFd,
        control: RawFd,
        sessions_max: u32,
    ) -> Result<WorkerConfig, WorkerStartError> {
        Ok(WorkerConfig {
            index,
            media_port,
            udp: inherited::take(udp, SocketKind::Udp).map_err(WorkerStartError::Inherited)?,
            tcp: inherited::take(tcp, SocketKind::TcpListener).map_err(WorkerStartError::Inherited)?,
            control: inherited::take(control, SocketKind::UnixListener).map_err(WorkerStartError::Inherited)?,
            sessions_max,
            loudest: LOUDEST_DEFAULT,
            restarts: 0,
        })
    }
}

/// Sessions a worker takes unless its configuration says otherwise.
pub const SESSIONS_MAX_DEFAULT: u32 = 4096;
/// Whom of a crowd a viewer hears unless its configuration says otherwise.
pub const LOUDEST_DEFAULT: u8 = chappe_sfu_core::LOUDEST_DEFAULT as u8;
