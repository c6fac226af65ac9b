use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

use super::*;

fn pair(address: &str) -> (TcpConnection, TcpStream) {
    let std_listener = std::net::TcpListener::bind(address).expect("bind");
    let listener = TcpListener::adopt(std_listener.into()).expect("adopt");
    assert!(listener.accept().expect("accept").is_none(), "nobody yet");
    let client = TcpStream::connect(listener.local_addr()).expect("connect");
    client.set_read_timeout(Some(Duration::from_secs(10))).expect("timeout");
    wait(listener.as_fd(), PollFlags::IN);
    (listener.accept().expect("accept").expect("waits"), client)
}

fn wait(fd: BorrowedFd<'_>, flags: PollFlags) {
    let limit = Timespec { tv_sec: 10, tv_nsec: 0 };
    assert_eq!(poll(&mut [PollFd::new(&fd, flags)], Some(&limit)).expect("poll"), 1, "ready within 10 s");
}

fn read_frames(connection: &mut TcpConnection, count: usize) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while frames.len() < count {
        wait(connection.as_fd(), PollFlags::IN);
        assert_eq!(connection.receive(), Read::Some);
        while let Some(frame) = connection.next_frame().expect("framing") {
            frames.push(frame.to_vec());
        }
    }
    frames
}

#[test]
fn frames_survive_being_cut_at_every_byte() {
    let mut stream = Vec::new();
    let frames: Vec<Vec<u8>> = vec![vec![1; 1], vec![], vec![2; 300], vec![3; FRAME_BYTES_MAX]];
    for frame in &frames {
        stream.extend_from_slice(&u16::try_from(frame.len()).expect("short").to_be_bytes());
        stream.extend_from_slice(frame);
    }
    for piece in [1, 2, 3, 7, 299, 4096] {
        let mut reader = FrameReader::new();
        let mut got = Vec::new();
        for bytes in stream.chunks(piece) {
            reader.spare()[..bytes.len()].copy_from_slice(bytes);
            reader.advance(bytes.len());
            while let Some(frame) = reader.next_frame().expect("framing") {
                got.push(frame.to_vec());
            }
        }
        let expected: Vec<_> = frames.iter().filter(|frame| !frame.is_empty()).cloned().collect();
        assert_eq!(got, expected, "pieces of {piece}");
    }
}

#[test]
fn a_frame_longer_than_any_datagram_is_an_error() {
    let mut reader = FrameReader::new();
    reader.spare()[..2].copy_from_slice(&0xffff_u16.to_be_bytes());
    reader.advance(2);
    assert_eq!(reader.next_frame(), Err(FrameTooLong { length: 0xffff }));
}

#[test]
fn a_full_queue_drops_whole_frames_and_recovers() {
    let mut writer = FrameWriter::new(100);
    assert!(writer.push(&[7; 48], FrameKind::Control));
    assert!(writer.push(&[8; 48], FrameKind::Control), "exactly full");
    assert!(!writer.push(&[9; 1], FrameKind::Control));
    writer.advance(60);
    assert!(writer.push(&[9; 50], FrameKind::Control));
    let unsent = writer.unsent().to_vec();
    assert_eq!(unsent.len(), 40 + 52);
    assert_eq!(unsent[40..42], [0, 50], "the next frame starts where the last one ended");
}

#[test]
fn a_queue_full_of_media_still_has_room_for_control() {
    let mut writer = FrameWriter::new(16 << 10);
    while writer.push(&[7; 200], FrameKind::Media) {}
    assert!(writer.push(&[1; 100], FrameKind::Control), "an answer to a consent check");
    while writer.push(&[1; 100], FrameKind::Control) {}
    assert!(writer.unsent().len() <= 16 << 10);
}

#[test]
fn connections_carry_datagrams_both_ways_over_ipv4_and_ipv6() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let (mut connection, mut client) = pair(address);
        client.write_all(&[0, 3, b'a', b'b', b'c', 0, 1]).expect("write");
        client.write_all(b"d").expect("write");
        assert_eq!(read_frames(&mut connection, 2), [b"abc".to_vec(), b"d".to_vec()]);

        assert_eq!(connection.queue(&[5; 250], 100, FrameKind::Media), 0);
        connection.flush().expect("flush");
        let mut echoed = vec![0; 250 + 3 * 2];
        client.read_exact(&mut echoed).expect("read");
        assert_eq!((&echoed[..2], &echoed[102..104], &echoed[204..206]), (&[0, 100][..], &[0, 100][..], &[0, 50][..]));
    }
}

#[test]
fn a_peer_that_does_not_read_loses_frames_and_costs_bounded_memory() {
    let (mut connection, mut client) = pair("127.0.0.1:0");
    let mut dropped = 0;
    let mut queued = 0u64;
    while dropped == 0 {
        dropped = connection.queue(&[1; 1200], 1200, FrameKind::Media);
        queued += 1 - dropped;
        connection.flush().expect("flush");
        assert!(queued < 1_000_000, "the queue must fill");
    }
    assert!(connection.wants_write());
    let mut received = 0;
    let mut reader = FrameReader::new();
    while received < queued {
        let count = client.read(reader.spare()).expect("read");
        reader.advance(count);
        while let Some(frame) = reader.next_frame().expect("the stream is still in step") {
            assert_eq!(frame.len(), 1200);
            received += 1;
        }
        connection.flush().expect("flush");
    }
    assert!(!connection.wants_write());
}

#[test]
fn a_closed_peer_is_noticed() {
    let (mut connection, client) = pair("127.0.0.1:0");
    drop(client);
    wait(connection.as_fd(), PollFlags::IN);
    assert_eq!(connection.receive(), Read::Closed);
}

#[test]
fn without_descriptors_accepting_fails_and_the_connection_stays_in_the_queue() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let std_listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let listener = TcpListener::adopt(std_listener.into()).expect("adopt");
    let _client = TcpStream::connect(listener.local_addr()).expect("connect");
    wait(listener.as_fd(), PollFlags::IN);
    let before = getrlimit(Resource::Nofile);
    // Below what is open already. Each test is a process of its own.
    setrlimit(Resource::Nofile, rustix::process::Rlimit { current: Some(3), ..before }).expect("a lower limit");
    let refused = listener.accept().map(|connection| connection.is_some());
    setrlimit(Resource::Nofile, before).expect("the limit of before");
    assert_eq!(refused.map_err(|error| error.raw_os_error()), Err(Some(Errno::MFILE.raw_os_error())));
    assert!(listener.accept().expect("accept").is_some(), "it has waited");
}

#[test]
fn only_what_the_next_call_would_meet_too_ends_accepting() {
    assert!([Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM].into_iter().all(is_shortage));
    // accept(2): errors of the network that is already there, and of a filter.
    for of_one in [Errno::CONNABORTED, Errno::PROTO, Errno::NETDOWN, Errno::HOSTUNREACH, Errno::PERM, Errno::INTR] {
        assert!(!is_shortage(of_one), "{of_one:?}");
    }
}
