//! Owns the target of what other nodes say in a room: messages as NATS would carry them, between what local pages do,
//! while time passes.

use std::time::{Duration, Instant};

use chappe_cluster::{MemberId, NodeName, RoomName};
use chappe_signaling_chat::{Chat, ChatOutput, Person, RoomMessage};

use crate::input::Script;

pub(crate) fn run(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let room = RoomName::parse("demo").expect("a name");
    let mut chat = Chat::new(NodeName::parse("n1").expect("a name"), 1);
    let mut now = Instant::now();
    let ours = Person { member: MemberId(1), name: Some("Ada".to_owned()), metadata: None };
    let _ = chat.handle_engine_up(now);
    chat.join(now, &room, ours.clone()).expect("an empty room");
    for _ in 0..DEEDS_MAX {
        if script.is_over() {
            break;
        }
        let deed = script.u8() % 8;
        let outputs = match deed {
            0..=4 => match serde_json::from_slice::<RoomMessage>(script.bytes()) {
                Ok(message) => chat.handle_message(now, &room, message),
                Err(_) => Vec::new(),
            },
            5 => match chat.say(now, 1_000, &room, ours.member, &String::from_utf8_lossy(script.bytes())) {
                Ok((_, outputs)) => outputs,
                Err(_) => Vec::new(),
            },
            6 => chat.handle_node_lost(now, &NodeName::parse("n2").expect("a name")),
            _ => {
                now += Duration::from_millis(u64::from(script.u16()));
                chat.handle_timeout(now)
            }
        };
        outputs.iter().for_each(check);
    }
    // Maybe under another name: a page that is on two nodes has the greater of both.
    let is_here = chat.here(&room).iter().any(|person| person.member == ours.member);
    assert!(is_here, "what others say throws nobody of ours out");
    assert!(chat.history(&room).said.len() <= HISTORY_MAX && chat.history(&room).gaps.len() <= HISTORY_MAX);
}

/// What is told to other nodes can be told.
fn check(output: &ChatOutput) {
    if let ChatOutput::Publish(_, message) = output {
        let text = serde_json::to_vec(message).expect("string keys only");
        assert!(text.len() < NATS_BYTES_MAX, "a message of {} bytes", text.len());
        let read: RoomMessage = serde_json::from_slice(&text).expect("what we wrote");
        assert_eq!(read, *message);
    }
}

const DEEDS_MAX: usize = 64;
const HISTORY_MAX: usize = 100;
const NATS_BYTES_MAX: usize = 1 << 20;
