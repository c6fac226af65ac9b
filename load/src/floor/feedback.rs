//! Owns the feedback in a floor: what its peers tell, sealed as a client seals it, and what a server has to do with each
//! datagram of it whatever that says: take it from the socket and open it. Never reads it.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use chappe_sfu_core::srtp::{Opener, Profile, Sealer};
use chappe_sfu_io::epoll::{Epoll, Events, Interest};
use chappe_sfu_io::udp::BatchReceiver;

/// What each peer tells of what it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedbackPlan {
    /// Bytes of one RTCP packet before sealing.
    pub bytes: usize,
    /// From one to the next of the same peer.
    pub interval: Duration,
}

/// The peers, on the side of the receivers.
pub(super) struct Tellers {
    to: SocketAddr,
    interval: Duration,
    /// Each with the moment at which it is to tell.
    peers: Vec<(Sealer, Instant)>,
    packet: Vec<u8>,
    sealed: Vec<u8>,
}

/// The sender, who hears them.
pub(super) struct Hearing {
    epoll: Epoll,
    events: Events,
    receiver: BatchReceiver,
    openers: Vec<Opener>,
    /// Datagrams that opened.
    opened: u64,
    refused: u64,
}

impl Tellers {
    /// They tell one after the other, from `now` on.
    pub fn new(plan: FeedbackPlan, count: usize, to: SocketAddr, now: Instant) -> Result<Tellers> {
        let FeedbackPlan { bytes, interval } = plan;
        let teller = |peer: usize| {
            let first = now + interval.mul_f64(peer as f64 / count as f64);
            Ok((Sealer::new(PROFILE, &key(peer), &SALT)?, first))
        };
        let peers = (0..count).map(teller).collect::<Result<Vec<_>>>()?;
        let words = (bytes / 4).max(CLEAR_BYTES / 4);
        let mut packet = vec![0xa5; words * 4];
        packet[..2].copy_from_slice(&TRANSPORT_FEEDBACK);
        packet[2..4].copy_from_slice(&(words as u16 - 1).to_be_bytes());
        let sealed = vec![0; packet.len() + PROFILE.rtcp_overhead()];
        Ok(Tellers { to, interval, peers, packet, sealed })
    }

    /// What this peer is to tell by now, over its socket; what that does not take is lost.
    pub fn tell(&mut self, peer: usize, socket: &UdpSocket, now: Instant) {
        let Some((sealer, due)) = self.peers.get_mut(peer).filter(|(_, due)| *due <= now) else { return };
        *due += self.interval;
        if *due <= now {
            // What could not be told in time is not made up for.
            *due = now + self.interval;
        }
        // By this the sender finds its keys, without looking for an address.
        self.packet[4..CLEAR_BYTES].copy_from_slice(&(peer as u32).to_be_bytes());
        if let Some(length) = sealer.seal_rtcp(&self.packet, &mut self.sealed) {
            let _ = socket.send_to(&self.sealed[..length], self.to);
        }
    }
}

impl Hearing {
    pub fn new(socket: &chappe_sfu_io::udp::UdpSocket, peers: usize) -> Result<Hearing> {
        let epoll = Epoll::new()?;
        epoll.add(socket, 0, Interest::Read)?;
        let opener = |peer| Ok(Opener::new(PROFILE, &key(peer), &SALT)?);
        Ok(Hearing {
            epoll,
            events: Events::new(),
            receiver: BatchReceiver::new(),
            openers: (0..peers).map(opener).collect::<Result<_>>()?,
            opened: 0,
            refused: 0,
        })
    }

    /// Opens what comes until then, when it comes.
    pub fn hear_until(&mut self, socket: &chappe_sfu_io::udp::UdpSocket, until: Instant) -> Result<()> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            if self.epoll.wait(&mut self.events, Some(left))?.next().is_some() {
                self.hear(socket);
            }
        }
    }

    /// Opens what has come.
    fn hear(&mut self, socket: &chappe_sfu_io::udp::UdpSocket) {
        loop {
            let trains = self.receiver.receive(socket);
            for mut train in self.receiver.trains(socket) {
                for datagram in train.datagrams() {
                    let opener = peer_of(datagram).and_then(|peer| self.openers.get_mut(peer));
                    let is_open = opener.is_some_and(|opener| opener.open_rtcp(datagram).is_ok());
                    self.opened += u64::from(is_open);
                    self.refused += u64::from(!is_open);
                }
            }
            if trains < BatchReceiver::MESSAGES_MAX {
                return;
            }
        }
    }

    /// How many opened, which all have to.
    pub fn opened(&self) -> Result<u64> {
        ensure!(self.refused == 0, "{} datagrams of feedback to the floor did not open", self.refused);
        Ok(self.opened)
    }
}

fn peer_of(datagram: &[u8]) -> Option<usize> {
    let ssrc = datagram.get(4..CLEAR_BYTES)?.first_chunk()?;
    usize::try_from(u32::from_be_bytes(*ssrc)).ok()
}

fn key(peer: usize) -> [u8; 16] {
    let mut key = [5; 16];
    key[..8].copy_from_slice(&(peer as u64).to_be_bytes());
    key
}

const PROFILE: Profile = Profile::AeadAes128Gcm;
const SALT: [u8; 12] = [3; 12];
/// Version 2, format 15, type 205.
const TRANSPORT_FEEDBACK: [u8; 2] = [0x8f, 205];
/// The fixed header and the sender's SSRC.
const CLEAR_BYTES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_peers_tell_when_it_is_due_is_opened() {
        let bind = || UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let sender = bind();
        let to = sender.local_addr().expect("bound");
        let sender = chappe_sfu_io::udp::UdpSocket::adopt(sender.into()).expect("a socket");
        let (plan, now) = (FeedbackPlan { bytes: 58, interval: Duration::from_millis(50) }, Instant::now());
        let mut tellers = Tellers::new(plan, 2, to, now).expect("keys");
        let mut hearing = Hearing::new(&sender, 2).expect("epoll");
        let sockets = [bind(), bind()];
        // The second tells from half an interval on; a third that nobody knows tells nothing.
        for millis in [0, 24, 25, 50, 75] {
            let now = now + Duration::from_millis(millis);
            sockets.iter().chain(&[bind()]).enumerate().for_each(|(peer, socket)| tellers.tell(peer, socket, now));
        }
        let turn = Duration::from_millis(10);
        while hearing.opened().expect("all open") < 4 {
            hearing.hear_until(&sender, Instant::now() + turn).expect("epoll");
        }
        sockets[0].send_to(&[0x8f; 60], to).expect("sent");
        while let Ok(opened) = hearing.opened() {
            assert_eq!(opened, 4);
            hearing.hear_until(&sender, Instant::now() + turn).expect("epoll");
        }
    }
}
