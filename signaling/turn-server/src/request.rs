//! Owns reading what a client asks for, before the protocol gets to see it. Never judges it.

use std::net::{IpAddr, SocketAddr};

use turn_server_proto::types::attribute::XorPeerAddress;
use turn_server_proto::types::message::{ALLOCATE, CHANNEL_BIND, CREATE_PERMISSION, REFRESH, SEND};
use turn_server_proto::types::stun::attribute::{
    Attribute as _, AttributeFromRaw as _, AttributeStaticType as _, Username,
};
use turn_server_proto::types::stun::message::{BINDING, Message};

/// What the protocol serves, by what it keeps for it.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// Channel data or an indication: nothing is kept or answered.
    Media,
    Asked(Asked, Option<String>),
}

/// Of whoever has this username, where one is named.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    /// Is kept for each of these.
    Permissions(Vec<IpAddr>),
    Channel(SocketAddr),
    /// Allocate, Refresh or Binding.
    Other,
}

impl Request {
    /// None: it is neither channel data nor a request or indication of STUN that clients over UDP, TCP or TLS have.
    pub fn parse(message: &[u8]) -> Option<Request> {
        // RFC 8656 section 12: the channel numbers.
        if matches!(message.first(), Some(0x40..=0x7f)) {
            return Some(Request::Media);
        }
        let stun = Message::from_bytes(message).ok()?;
        let asked = match stun.method() {
            SEND => return Some(Request::Media),
            CREATE_PERMISSION => Asked::Permissions(peers(&stun)?.iter().map(SocketAddr::ip).collect()),
            CHANNEL_BIND => Asked::Channel(peers(&stun)?.last().copied()?),
            ALLOCATE | REFRESH | BINDING => Asked::Other,
            _ => return None,
        };
        let username = stun.attribute::<Username>().ok().map(|username| username.username().to_owned());
        Some(Request::Asked(asked, username))
    }
}

fn peers(message: &Message<'_>) -> Option<Vec<SocketAddr>> {
    let named = message.iter_attributes().filter(|(_, attribute)| attribute.get_type() == XorPeerAddress::TYPE);
    let address = |peer: XorPeerAddress| peer.addr(message.transaction_id());
    named.map(|(_, attribute)| XorPeerAddress::from_raw(attribute).ok().map(address)).collect()
}

#[cfg(test)]
mod tests {
    use turn_server_proto::types::message::CONNECT;
    use turn_server_proto::types::stun::message::{MessageWrite as _, MessageWriteExt as _, MessageWriteVec, Method};

    use super::*;

    fn message(method: Method, peers: &[&str], username: Option<&str>) -> Vec<u8> {
        let mut message = Message::builder_request(method, MessageWriteVec::new());
        for peer in peers {
            let id = message.transaction_id();
            message.add_attribute(&XorPeerAddress::new(peer.parse().unwrap(), id)).unwrap();
        }
        if let Some(username) = username {
            message.add_attribute(&Username::new(username).unwrap()).unwrap();
        }
        message.finish()
    }

    #[test]
    fn what_the_protocol_would_keep_is_read_whole() {
        let peers = ["10.0.0.1:7000", "[2001:db8::1]:9"];
        let ips = vec!["10.0.0.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        let asked = |asked, username: Option<&str>| Some(Request::Asked(asked, username.map(str::to_owned)));
        let permissions = Request::parse(&message(CREATE_PERMISSION, &peers, Some("m")));
        assert_eq!(permissions, asked(Asked::Permissions(ips), Some("m")));
        let last = peers[1].parse().unwrap();
        assert_eq!(Request::parse(&message(CHANNEL_BIND, &peers, None)), asked(Asked::Channel(last), None));
        assert_eq!(Request::parse(&message(CHANNEL_BIND, &[], None)), None);
        assert_eq!(Request::parse(&message(ALLOCATE, &[], Some("1:m"))), asked(Asked::Other, Some("1:m")));
        assert_eq!(Request::parse(&message(BINDING, &[], None)), asked(Asked::Other, None));
        assert_eq!(Request::parse(&[0x40, 0, 0, 1, 7]), Some(Request::Media));
    }

    #[test]
    fn what_is_none_of_ours_is_not_taken() {
        let half = &message(ALLOCATE, &[], Some("1:m"))[..24];
        for other in [&message(CONNECT, &["10.0.0.1:22"], None)[..], half, b"", &[0xff; 30], b"\x16\x03\x01"] {
            assert_eq!(Request::parse(other), None, "{other:?}");
        }
    }
}
