//! Who asks whether the port is open, and names no session.

use std::net::SocketAddr;

use chappe_sfu_core::stun::{Class, Message, StunWriter, TransactionId};
use chappe_sfu_core::{DropReason, Route};

use crate::harness::cameras::ms;
use crate::harness::*;

/// As `chappe doctor` sends it: with an attribute that makes it as long as its answer.
fn request(attribute: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 1, 0, 4 + attribute.len() as u8, 0x21, 0x12, 0xa4, 0x42];
    bytes.extend([7; 12]);
    bytes.extend([0x80, 0x22, 0, attribute.len() as u8]);
    bytes.extend(attribute);
    bytes
}

/// What is sent to the asker.
fn answers(harness: &mut Harness, asked: &[u8]) -> Vec<Vec<u8>> {
    let remote = SocketAddr::from(([203, 0, 113, 9], 4_000));
    harness.sfu.handle_datagram(harness.now, Route::Udp { remote, local: None }, &mut asked.to_vec());
    harness.exchange();
    std::mem::take(&mut harness.wire)
        .into_iter()
        .filter(|(_, to, _)| *to == remote)
        .map(|(.., answer)| answer)
        .collect()
}

#[test]
fn a_binding_request_that_names_no_session_is_refused_with_no_more_bytes_than_it_has() {
    let mut harness = Harness::new();
    let asked = request(&[b' '; 24]);
    let told = answers(&mut harness, &asked);
    let [answer] = &told[..] else { panic!("{told:?}") };
    let read = Message::parse(answer).expect("a STUN message");
    assert_eq!((read.class, read.error_code, read.transaction), (Class::Error, Some(400), TransactionId([7; 12])));
    assert!(answer.len() <= asked.len());
    assert_eq!(harness.sfu.counters().dropped(DropReason::StunMalformed), 1);
    harness.run(ms(10));
    assert!(answers(&mut harness, &request(&[b' '; 20])).is_empty(), "shorter than the answer");
}

#[test]
fn who_asks_all_the_time_is_answered_a_hundred_times_a_second_and_who_names_another_is_not() {
    let mut harness = Harness::new();
    let asked = request(&[b' '; 24]);
    let told: usize = (0..100)
        .map(|_| {
            harness.run(ms(1));
            answers(&mut harness, &asked).len() + answers(&mut harness, &asked).len()
        })
        .sum();
    assert!((24..=27).contains(&told), "{told}");
    harness.run(ms(10));
    let mut named = Vec::new();
    StunWriter::new(&mut named, Class::Request, TransactionId([8; 12]))
        .username("nobody:here")
        .integrity("guessed")
        .finish();
    assert!(answers(&mut harness, &named).is_empty());
}
