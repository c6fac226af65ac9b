//! Binds the sockets of a node, before anything else runs. Never reads from one.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};

/// A node that cannot start: one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{what} {address} is in use by another program; stop that program or choose another port with {flag}")]
    InUse { what: String, address: String, flag: &'static str },
    #[error(
        "no permission to listen on {what} {address}: ports below 1024 need root or CAP_NET_BIND_SERVICE; \
         choose a port from 1024 up with {flag}"
    )]
    NoPermission { what: String, address: String, flag: &'static str },
    #[error(
        "{what} {address} is not an address of this machine; choose one of its own (or 0.0.0.0 for all) with {flag}"
    )]
    NotOurs { what: String, address: String, flag: &'static str },
    #[error("cannot listen on {what} {address}: {source}; see {flag}")]
    Listen { what: String, address: String, flag: &'static str, source: io::Error },
    #[error("cannot prepare {what}: {source}")]
    Prepare { what: String, source: io::Error },
}

impl StartError {
    pub(crate) fn prepare(what: impl Into<String>) -> impl FnOnce(io::Error) -> StartError {
        |source| StartError::Prepare { what: what.into(), source }
    }

    fn bind(what: &str, address: String, flag: &'static str, source: io::Error) -> StartError {
        let what = what.to_owned();
        match Errno::from_io_error(&source) {
            Some(Errno::ADDRINUSE) => StartError::InUse { what, address, flag },
            Some(Errno::ACCESS | Errno::PERM) => StartError::NoPermission { what, address, flag },
            Some(Errno::ADDRNOTAVAIL) => StartError::NotOurs { what, address, flag },
            _ => StartError::Listen { what, address, flag, source },
        }
    }
}

/// A listening TCP socket and its real address (the port may have been 0).
pub struct Listener {
    pub fd: OwnedFd,
    pub address: SocketAddr,
}

/// The UDP socket and the TCP listener of a worker or of the TURN server, on one port number.
pub struct MediaSockets {
    pub udp: OwnedFd,
    pub tcp: OwnedFd,
    pub port: u16,
}

/// For HTTP. `[::]` takes IPv4 too.
pub fn listen_http(what: &str, address: SocketAddr, flag: &'static str) -> Result<Listener, StartError> {
    let open = || -> io::Result<Listener> {
        let fd = bound(address, SocketType::STREAM)?;
        listen(&fd, BACKLOG)?;
        let (fd, address) = with_address(fd)?;
        Ok(Listener { fd, address })
    };
    open().map_err(|e| StartError::bind(what, address.to_string(), flag, e))
}

/// For the media of one worker, on all addresses of the machine: browsers check the ones they reach.
/// Port 0 means any number that is free for both.
pub fn bind_media(worker: u16, port: u16) -> Result<MediaSockets, StartError> {
    let what = format!("media port of worker {worker},");
    let failed = |kind: &str, port: u16, e| StartError::bind(&what, format!("{kind} {port}"), "--media-port", e);
    let mut tries = if port == 0 { ANY_PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        let udp = bound_to_all(port, SocketType::DGRAM).map_err(|e| failed("UDP", port, e))?;
        let udp = UdpSocket::from(udp);
        let number = udp.local_addr().map_err(|e| failed("UDP", port, e))?.port();
        match bound_to_all(number, SocketType::STREAM) {
            Ok(tcp) => {
                listen(&tcp, BACKLOG).map_err(|e| failed("TCP", number, e.into()))?;
                let udp = OwnedFd::from(udp);
                enlarge_buffers(&udp);
                return Ok(MediaSockets { udp, tcp, port: number });
            }
            Err(_) if tries > 0 => {}
            Err(e) => return Err(failed("TCP", number, e)),
        }
    }
}

/// For a TURN server: UDP and TCP on one address.
pub fn bind_turn(address: SocketAddr) -> Result<MediaSockets, StartError> {
    let failed = |e| StartError::bind("TURN address", address.to_string(), "--turn", e);
    let udp = UdpSocket::from(bound(address, SocketType::DGRAM).map_err(failed)?);
    let address = udp.local_addr().map_err(failed)?;
    let tcp = bound(address, SocketType::STREAM).map_err(failed)?;
    listen(&tcp, BACKLOG).map_err(|e| failed(e.into()))?;
    let udp = OwnedFd::from(udp);
    enlarge_buffers(&udp);
    Ok(MediaSockets { udp, tcp, port: address.port() })
}

/// Where signaling reaches a worker.
pub fn listen_control(path: &Path) -> Result<OwnedFd, StartError> {
    let open = || -> io::Result<OwnedFd> {
        let listener = UnixListener::bind(path)?;
        listener.set_nonblocking(true)?;
        Ok(OwnedFd::from(listener))
    };
    open().map_err(StartError::prepare(format!("the control socket {}", path.display())))
}

/// IPv6 and IPv4 on one socket; IPv4 alone where IPv6 is off.
fn bound_to_all(port: u16, kind: SocketType) -> io::Result<OwnedFd> {
    match bound(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port), kind) {
        Err(e) if matches!(Errno::from_io_error(&e), Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL)) => {
            bound(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port), kind)
        }
        result => result,
    }
}

fn bound(address: SocketAddr, kind: SocketType) -> io::Result<OwnedFd> {
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let fd = socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&fd, false)?;
    }
    if kind == SocketType::STREAM {
        // Connections of the last run linger in TIME_WAIT; without this a restart would have to wait for them.
        sockopt::set_socket_reuseaddr(&fd, true)?;
    }
    bind(&fd, &address)?;
    Ok(fd)
}

fn with_address(fd: OwnedFd) -> io::Result<(OwnedFd, SocketAddr)> {
    let listener = TcpListener::from(fd);
    let address = listener.local_addr()?;
    Ok((OwnedFd::from(listener), address))
}

/// While a dead worker is replaced nobody reads its socket: 8 MiB hold 200 ms of 10,000 packets/s. Without the
/// right to force it the system's own limit (net.core.rmem_max) is the best there is.
fn enlarge_buffers(udp: &OwnedFd) {
    if sockopt::set_socket_recv_buffer_size_force(udp, MEDIA_BUFFER_BYTES).is_err() {
        let _ = sockopt::set_socket_recv_buffer_size(udp, MEDIA_BUFFER_BYTES);
    }
    if sockopt::set_socket_send_buffer_size_force(udp, MEDIA_BUFFER_BYTES).is_err() {
        let _ = sockopt::set_socket_send_buffer_size(udp, MEDIA_BUFFER_BYTES);
    }
}

const BACKLOG: i32 = 1024;
const MEDIA_BUFFER_BYTES: usize = 8 << 20;
const ANY_PORT_TRIES: u32 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn loopback(port: u16) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
    }

    #[test]
    fn a_port_in_use_names_the_address_and_the_flag_that_changes_it() {
        let first = listen_http("HTTP address", loopback(0), "--http").unwrap();
        let error = listen_http("HTTP address", first.address, "--http").err().unwrap().to_string();
        assert!(error.contains(&first.address.to_string()) && error.contains("--http"), "{error}");
        assert!(!error.contains('\n'));
    }

    #[test]
    fn an_address_of_another_machine_is_told_apart_from_a_busy_port() {
        let address: SocketAddr = "192.0.2.1:8080".parse().unwrap();
        let error = listen_http("HTTP address", address, "--http").err().unwrap();
        assert!(matches!(error, StartError::NotOurs { .. }), "{error}");
    }

    #[test]
    fn udp_and_tcp_of_a_worker_have_one_port_number_and_take_ipv4() {
        let media = bind_media(0, 0).unwrap();
        assert_ne!(media.port, 0);
        let sender = UdpSocket::bind(loopback(0)).unwrap();
        sender.send_to(b"hello", loopback(media.port)).unwrap();
        std::net::TcpStream::connect(loopback(media.port)).unwrap();
        let udp = UdpSocket::from(media.udp);
        udp.set_nonblocking(false).unwrap();
        assert_eq!(udp.recv_from(&mut [0; 16]).unwrap().0, 5);
    }

    #[test]
    fn a_media_port_in_use_says_which_worker_and_which_flag() {
        let first = bind_media(0, 0).unwrap();
        let error = bind_media(3, first.port).err().unwrap().to_string();
        assert!(error.contains("worker 3") && error.contains("--media-port"), "{error}");
    }
}
