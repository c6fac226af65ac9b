//! Owns the way of a client's bytes through framing, the reading of requests and the protocol, for the fuzz target. Opens
//! no socket: relayed ports are made up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use turn_server_proto::api::{SocketAllocateError, TcpConnectError, TurnServerApi, TurnServerPollRet};
use turn_server_proto::server::TurnServer;
use turn_server_proto::stun::agent::Transmit;
use turn_server_proto::types::prelude::DelayedTransmitBuild as _;
use turn_server_proto::types::stun::attribute::{
    Attribute as _, AttributeStaticType as _, AttributeType, Fingerprint, MessageIntegrity, MessageIntegritySha256,
    Nonce, Realm, Username,
};
use turn_server_proto::types::stun::message::{
    IntegrityAlgorithm, LongTermKeyCredentials, Message, MessageClass, MessageWrite as _, MessageWriteExt as _,
    MessageWriteVec,
};
use turn_server_proto::types::{AddressFamily, Instant, TransportType};

use crate::framing::{MESSAGE_BYTES_MAX, read_message};
use crate::refusal::REALM;
use crate::request::Request;

/// A stream of messages, one second after the other. Each reaches the protocol as it is, and then, if it is a request,
/// with credentials that are good. What an allocation relays comes from a peer as well.
pub fn client_messages(bytes: &[u8]) {
    drop(run(bytes));
}

fn run(bytes: &[u8]) -> Run {
    let mut run = Run::new();
    let mut stream = bytes;
    while let Some(message) = next_message(&mut stream) {
        assert!(message.len() <= MESSAGE_BYTES_MAX, "a message is longer than a client's buffer");
        run.take(&message);
    }
    run.take(&bytes[..bytes.len().min(MESSAGE_BYTES_MAX)]);
    run
}

fn next_message(stream: &mut &[u8]) -> Option<Vec<u8>> {
    // What is read is there, so that it never waits.
    match pin!(read_message(stream)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(read) => read.ok().flatten(),
        Poll::Pending => None,
    }
}

struct Run {
    protocol: TurnServer,
    nonce: Option<String>,
    relay: Option<SocketAddr>,
    elapsed_s: i64,
}

impl Run {
    fn new() -> Run {
        let mut protocol = TurnServer::new(TransportType::Udp, LISTEN, REALM.to_owned());
        protocol.add_user(USER.to_owned(), PASSWORD.to_owned());
        Run { protocol, nonce: None, relay: None, elapsed_s: 0 }
    }

    fn take(&mut self, message: &[u8]) {
        let Some(request) = Request::parse(message) else { return };
        // Before it has an allocation it has nothing to send by.
        if self.relay.is_none() && request == Request::Media {
            return;
        }
        self.hear(message, CLIENT, LISTEN);
        if let Some(signed) = self.signed(message) {
            assert!(Request::parse(&signed).is_some(), "the same request, and more attributes");
            self.hear(&signed, CLIENT, LISTEN);
        }
        if let Some(relay) = self.relay {
            self.hear(message, PEER, relay);
        }
    }

    /// To whom that is passed on, or who is answered.
    fn hear(&mut self, message: &[u8], from: SocketAddr, to: SocketAddr) -> Option<SocketAddr> {
        self.elapsed_s += 1;
        let now = Instant::from_nanos(self.elapsed_s * 1_000_000_000);
        let transmit = Transmit::new(message.to_vec(), TransportType::Udp, from, to);
        let answer = self.protocol.recv(transmit, now).map(|answer| (answer.to, answer.data.build()));
        if let Some((_, answer)) = &answer {
            self.note_answer(answer);
        }
        self.settle(now);
        answer.map(|(to, _)| to)
    }

    fn note_answer(&mut self, answer: &[u8]) {
        let nonce = Message::from_bytes(answer).ok().and_then(|message| message.attribute::<Nonce>().ok());
        if let Some(nonce) = nonce {
            self.nonce = Some(nonce.nonce().to_owned());
        }
    }

    fn settle(&mut self, now: Instant) {
        let settles = (0..STEPS_MAX).any(|_| self.is_settled(now));
        assert!(settles, "the protocol wants more and more");
    }

    /// Does one thing that the protocol wants done. True when there is none.
    fn is_settled(&mut self, now: Instant) -> bool {
        match self.protocol.poll(now) {
            TurnServerPollRet::WaitUntil(_) => {
                while let Some(transmit) = self.protocol.poll_transmit(now) {
                    self.note_answer(&transmit.data);
                }
                return true;
            }
            TurnServerPollRet::AllocateSocket {
                transport,
                listen_addr,
                client_addr,
                allocation_transport: wanted,
                family,
            } => {
                let is_free = wanted == TransportType::Udp && self.relay.is_none();
                let relay = if family == AddressFamily::IPV6 { RELAY_IPV6 } else { RELAY };
                let told = if is_free { Ok(relay) } else { Err(SocketAllocateError::InsufficientCapacity) };
                self.relay = self.relay.or(told.ok());
                self.protocol.allocated_socket(transport, listen_addr, client_addr, wanted, family, told, now);
            }
            TurnServerPollRet::TcpConnect { relayed_addr, peer_addr, listen_addr, client_addr } => {
                let refused = Err(TcpConnectError::Forbidden);
                self.protocol.tcp_connected(relayed_addr, peer_addr, listen_addr, client_addr, refused, now);
            }
            TurnServerPollRet::SocketClose { .. } => self.relay = None,
            TurnServerPollRet::TcpClose { .. } => {}
        }
        false
    }

    /// A request with the same attributes, and credentials that are good.
    fn signed(&self, message: &[u8]) -> Option<Vec<u8>> {
        let asked = Message::from_bytes(message).ok().filter(|asked| asked.has_class(MessageClass::Request))?;
        let mut signed = Message::builder(asked.get_type(), asked.transaction_id(), MessageWriteVec::new());
        for (_, attribute) in asked.iter_attributes() {
            if !OF_CREDENTIALS.contains(&attribute.get_type()) {
                signed.add_attribute(&attribute).ok()?;
            }
        }
        signed.add_attribute(&Nonce::new(self.nonce.as_ref()?).ok()?).ok()?;
        signed.add_attribute(&Realm::new(REALM).ok()?).ok()?;
        signed.add_attribute(&Username::new(USER).ok()?).ok()?;
        let credentials = LongTermKeyCredentials::new(USER.to_owned(), PASSWORD.to_owned(), REALM.to_owned());
        signed.add_message_integrity(&credentials.into(), IntegrityAlgorithm::Sha1).ok()?;
        let signed = signed.finish();
        (signed.len() <= MESSAGE_BYTES_MAX).then_some(signed)
    }
}

const OF_CREDENTIALS: [AttributeType; 6] =
    [Nonce::TYPE, Realm::TYPE, Username::TYPE, MessageIntegrity::TYPE, MessageIntegritySha256::TYPE, Fingerprint::TYPE];
const USER: &str = "1:m";
const PASSWORD: &str = "password";
const LISTEN: SocketAddr = address(1, 3478);
const CLIENT: SocketAddr = address(2, 5000);
/// The corpus names it.
const PEER: SocketAddr = address(3, 7000);
const RELAY: SocketAddr = address(4, 6000);
const RELAY_IPV6: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 4)), 6000);
/// What one message may make the protocol want.
const STEPS_MAX: u32 = 64;

const fn address(host: u8, port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, host)), port)
}

#[cfg(test)]
mod tests {
    use turn_server_proto::types::attribute::{Data, Lifetime, RequestedTransport, XorPeerAddress};
    use turn_server_proto::types::message::{ALLOCATE, CREATE_PERMISSION, REFRESH, SEND};
    use turn_server_proto::types::stun::attribute::AttributeWrite;
    use turn_server_proto::types::stun::message::{MessageType, Method, TransactionId};

    use super::*;

    fn message(class: MessageClass, method: Method, id: u128, attributes: &[&dyn AttributeWrite]) -> Vec<u8> {
        let kind = MessageType::from_class_method(class, method);
        let mut message = Message::builder(kind, TransactionId::from(id), MessageWriteVec::new());
        attributes.iter().for_each(|attribute| message.add_attribute(*attribute).unwrap());
        message.finish()
    }

    /// What is shown without credentials gets them, so that changes of it reach what lies behind an allocation.
    #[test]
    fn a_run_comes_as_far_as_relaying() {
        let peer = |id| XorPeerAddress::new(PEER, TransactionId::from(id));
        let allocate = |id| message(MessageClass::Request, ALLOCATE, id, &[&RequestedTransport::new(17)]);
        let permit = message(MessageClass::Request, CREATE_PERMISSION, 3, &[&peer(3)]);
        let mut run = run(&[allocate(1), allocate(2), permit].concat());
        assert_eq!(run.relay, Some(RELAY));
        let send = message(MessageClass::Indication, SEND, 4, &[&peer(4), &Data::new(b"media")]);
        assert_eq!(run.hear(&send, CLIENT, LISTEN), Some(PEER));
        assert_eq!(run.hear(b"media", PEER, RELAY), Some(CLIENT));
        run.take(&message(MessageClass::Request, REFRESH, 5, &[&Lifetime::new(0)]));
        assert_eq!(run.relay, None);
    }
}
