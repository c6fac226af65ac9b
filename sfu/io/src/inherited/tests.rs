use std::os::fd::IntoRawFd;

use super::*;

#[test]
fn a_descriptor_of_the_wrong_kind_is_refused_and_stays_open() {
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").expect("bind").into_raw_fd();
    let error = take(udp, SocketKind::TcpListener).expect_err("wrong kind");
    assert!(error.to_string().contains("is not a listening TCP socket"), "{error}");
    assert!(take(udp, SocketKind::Udp).is_ok(), "still open and takeable as what it is");
}

#[test]
fn a_descriptor_is_taken_once() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind").into_raw_fd();
    let _owned = take(listener, SocketKind::TcpListener).expect("first");
    assert!(take(listener, SocketKind::TcpListener).expect_err("second").to_string().contains("taken before"));
}

#[test]
fn standard_streams_and_closed_numbers_are_refused() {
    assert!(take(2, SocketKind::Udp).is_err());
    assert!(take(1_000_000, SocketKind::Udp).expect_err("closed").to_string().contains("not open"));
}
