//! What a refused request is told (RFC 8656): a client that gets no answer asks again for half a minute.

use turn_server_proto::types::attribute::{
    ChannelNumber, Lifetime, RequestedAddressFamily, RequestedTransport, XorPeerAddress,
};
use turn_server_proto::types::message::{ALLOCATE, CHANNEL_BIND, CREATE_PERMISSION, REFRESH};
use turn_server_proto::types::stun::attribute::{AttributeWrite, ErrorCode, Nonce, Realm, Username};
use turn_server_proto::types::stun::message::{
    BINDING, IntegrityAlgorithm, LongTermKeyCredentials, Message, MessageIntegrityCredentials, MessageWrite as _,
    MessageWriteExt as _, MessageWriteVec, Method,
};

use super::*;

/// A client that says what it is told to, and reads the code of the answer.
struct Asker {
    socket: UdpSocket,
    server: SocketAddr,
    username: String,
    credentials: MessageIntegrityCredentials,
    nonce: String,
}

/// Attributes of a request, beside its peer and its signature.
type Wanted<'a> = &'a [&'a dyn AttributeWrite];

impl Asker {
    async fn start(server: &Server, told: &IceServer) -> Asker {
        let credentials =
            LongTermKeyCredentials::new(told.username.clone(), told.credential.clone(), REALM.to_owned()).into();
        let (socket, username) = (socket().await, told.username.clone());
        let mut asker = Asker { socket, server: server.address, username, credentials, nonce: String::new() };
        let mut request = Message::builder_request(ALLOCATE, MessageWriteVec::new());
        request.add_attribute(&RequestedTransport::new(RequestedTransport::UDP)).unwrap();
        let answer = asker.answer(&request.finish()).await;
        asker.nonce = Message::from_bytes(&answer).unwrap().attribute::<Nonce>().unwrap().nonce().to_owned();
        asker
    }

    async fn answer(&self, request: &[u8]) -> Vec<u8> {
        self.socket.send_to(request, self.server).await.unwrap();
        received(&self.socket).await.0
    }

    /// The code of the answer, whose signature is checked; 0 for a success.
    async fn asks(&self, method: Method, attributes: Wanted<'_>, peer: Option<SocketAddr>) -> u16 {
        let request = self.request(method, attributes, peer);
        let answer = self.answer(&request).await;
        let (request, answer) = (Message::from_bytes(&request).unwrap(), Message::from_bytes(&answer).unwrap());
        assert_eq!(answer.transaction_id(), request.transaction_id());
        answer.validate_integrity(&self.credentials).unwrap();
        answer.attribute::<ErrorCode>().map_or(0, |error| error.code())
    }

    fn request(&self, method: Method, attributes: Wanted<'_>, peer: Option<SocketAddr>) -> Vec<u8> {
        let mut request = Message::builder_request(method, MessageWriteVec::new());
        for attribute in attributes {
            request.add_attribute(*attribute).unwrap();
        }
        if let Some(peer) = peer {
            let id = request.transaction_id();
            request.add_attribute(&XorPeerAddress::new(peer, id)).unwrap();
        }
        request.add_attribute(&Username::new(&self.username).unwrap()).unwrap();
        request.add_attribute(&Realm::new(REALM).unwrap()).unwrap();
        request.add_attribute(&Nonce::new(&self.nonce).unwrap()).unwrap();
        request.add_message_integrity(&self.credentials, IntegrityAlgorithm::Sha1).unwrap();
        request.finish()
    }

    async fn allocates(&self) -> u16 {
        self.asks(ALLOCATE, &[&RequestedTransport::new(RequestedTransport::UDP)], None).await
    }

    async fn binds(&self, channel: u16, peer: SocketAddr) -> u16 {
        self.asks(CHANNEL_BIND, &[&ChannelNumber::new(channel)], Some(peer)).await
    }

    async fn permits(&self, peer: SocketAddr) -> u16 {
        self.asks(CREATE_PERMISSION, &[], Some(peer)).await
    }
}

#[tokio::test]
async fn a_peer_that_is_no_media_port_is_forbidden_and_one_of_the_other_family_a_mismatch() {
    let server = Server::start().await;
    let asker = Asker::start(&server, &server.told(0)).await;
    assert_eq!(asker.allocates().await, 0);
    let (media, other) = (server.media.local_addr().unwrap(), server.other.local_addr().unwrap());
    assert_eq!((asker.binds(0x4000, media).await, asker.binds(0x4001, other).await), (0, 403));
    let foreign = "10.0.0.1:7000".parse().unwrap();
    assert_eq!((asker.permits(media).await, asker.permits(foreign).await), (0, 403));
    let ipv6 = "[2001:db8::1]:7000".parse().unwrap();
    assert_eq!((asker.binds(0x4002, ipv6).await, asker.permits(ipv6).await), (443, 443));
    assert_eq!(server.refused("peer"), 2);
    // It goes on, and is answered to nobody who can't sign: what comes next is the answer to what was sent last.
    let stranger = LongTermKeyCredentials::new(asker.username.clone(), "guessed".to_owned(), REALM.to_owned());
    let forged = Asker { credentials: stranger.into(), ..asker };
    let request = forged.request(CHANNEL_BIND, &[&ChannelNumber::new(0x4001)], Some(other));
    forged.socket.send_to(&request, server.address).await.unwrap();
    let binding = Message::builder_request(BINDING, MessageWriteVec::new()).finish();
    let answer = forged.answer(&binding).await;
    assert_eq!(Message::from_bytes(&answer).unwrap().method(), BINDING);
}

#[tokio::test]
async fn who_has_an_allocation_gets_no_second_one_and_who_has_none_hears_so() {
    let server = Server::start().await;
    let asker = Asker::start(&server, &server.told(0)).await;
    let media = server.media.local_addr().unwrap();
    assert_eq!((asker.permits(media).await, asker.binds(0x4000, media).await), (437, 437));
    assert_eq!(asker.asks(REFRESH, &[&Lifetime::new(600)], None).await, 437);
    assert_eq!((asker.allocates().await, asker.allocates().await), (0, 437));
    let ipv6 = RequestedAddressFamily::new(AddressFamily::IPV6);
    let other = Asker::start(&server, &server.told(0)).await;
    let wanted: Wanted<'_> = &[&RequestedTransport::new(RequestedTransport::UDP), &ipv6];
    assert_eq!(other.asks(ALLOCATE, wanted, None).await, 440);
}

#[tokio::test]
async fn a_user_with_all_allocations_that_one_may_have_is_told_that() {
    let server = Server::start().await;
    let told = server.told(0);
    let mut askers = Vec::new();
    for _ in 0..24 {
        let asker = Asker::start(&server, &told).await;
        assert_eq!(asker.allocates().await, 0);
        askers.push(asker);
    }
    let last = Asker::start(&server, &told).await;
    assert_eq!(last.allocates().await, 486);
    assert_eq!(askers[0].asks(REFRESH, &[&Lifetime::new(0)], None).await, 0);
    assert_eq!(last.allocates().await, 0);
}
