mod bus;
mod property;

use std::time::Duration;

use super::*;
use crate::output::ChatNotice;
use crate::said::Gap;
use bus::{Bus, MS, SECOND, id, member, room};

fn texts(history: &History) -> Vec<&str> {
    history.said.iter().map(|said| said.text.as_str()).collect()
}

/// Each has a member, 1 and 2, and knows the other.
fn two_nodes() -> Bus {
    let mut bus = Bus::new(2);
    bus.join(0, 1);
    bus.join(1, 2);
    bus.run(SECOND);
    bus
}

#[test]
fn members_are_seen_on_other_nodes_as_they_come_and_go() {
    let mut bus = Bus::new(3);
    bus.join(0, 1);
    bus.join(1, 2);
    bus.run(SECOND);
    assert_eq!(bus.here(0), [id(1), id(2)]);
    assert_eq!(bus.here(1), [id(1), id(2)]);
    assert!(bus.here(2).is_empty(), "no member there, so it does not listen");
    assert!(bus.told(0).contains(&ChatNotice::Joined(member(2))));
    bus.leave(1, 2);
    bus.run(SECOND);
    assert_eq!(bus.here(0), [id(1)]);
    assert_eq!(bus.told(0).last(), Some(&ChatNotice::Left { member: id(2) }));
}

#[test]
fn a_message_is_shown_to_all_and_its_sender_is_set_by_the_server() {
    let mut bus = two_nodes();
    let said = bus.say(0, 1, "hello\u{7}").unwrap();
    bus.run(SECOND);
    assert_eq!((said.member, said.name.as_deref(), said.text.as_str()), (id(1), Some("m1"), "hello"));
    for node in 0..2 {
        assert_eq!(bus.told(node).iter().filter(|notice| **notice == ChatNotice::Chat(said.clone())).count(), 1);
    }
    assert_eq!(bus.say(0, 2, "I am on another node"), Err(SayError::NotHere));
    assert_eq!(bus.say(0, 1, " \n"), Err(SayError::Empty));
}

#[test]
fn a_member_says_five_at_once_and_then_one_a_second() {
    let mut bus = Bus::new(1);
    bus.join(0, 1);
    bus.join(0, 2);
    for _ in 0..5 {
        bus.say(0, 1, "x").unwrap();
    }
    assert_eq!(bus.say(0, 1, "x"), Err(SayError::TooFast { retry_after: SECOND }));
    assert!(bus.say(0, 2, "y").is_ok(), "others are not held up");
    bus.run(400 * MS);
    assert_eq!(bus.say(0, 1, "x"), Err(SayError::TooFast { retry_after: 600 * MS }));
    bus.run(600 * MS);
    assert!(bus.say(0, 1, "x").is_ok());
    assert!(bus.say(0, 1, "x").is_err());
}

#[test]
fn typing_ends_by_itself_and_is_told_once_a_second() {
    let mut bus = two_nodes();
    let before = bus.sent;
    for _ in 0..10 {
        bus.typing(0, 1, true);
        bus.run(10 * MS);
    }
    assert_eq!(bus.sent - before, 1);
    let typing = |typing| ChatNotice::Typing { member: id(1), typing };
    bus.run(4800 * MS);
    assert_eq!(bus.told(1).last(), Some(&typing(true)));
    bus.run(SECOND);
    assert_eq!(bus.told(1).last(), Some(&typing(false)));
    assert_eq!(bus.told(1).iter().filter(|notice| **notice == typing(true)).count(), 1);
}

#[test]
fn a_lost_message_is_fetched_and_shown_late() {
    let mut bus = two_nodes();
    bus.say(0, 1, "a").unwrap();
    bus.run(100 * MS);
    bus.lossy(1000);
    bus.say(0, 1, "b").unwrap();
    bus.run(100 * MS);
    bus.lossy(0);
    bus.say(0, 1, "c").unwrap();
    bus.run(200 * MS);
    assert_eq!(texts(&bus.history(1)), ["a", "c", "b"]);
    assert!(bus.history(1).gaps.is_empty());
}

#[test]
fn what_nobody_can_repeat_is_shown_as_a_gap_after_a_second() {
    let mut bus = two_nodes();
    bus.lossy(1000);
    bus.say(0, 1, "a").unwrap();
    bus.say(0, 1, "b").unwrap();
    bus.run(100 * MS);
    bus.lossy(0);
    let said = bus.say(0, 1, "c").unwrap();
    bus.run(10 * MS);
    bus.lossy(1000);
    bus.run(900 * MS);
    assert!(!bus.told(1).iter().any(|notice| matches!(notice, ChatNotice::Gap(_))));
    bus.run(200 * MS);
    let gap = Gap { before: Some(said.id.clone()), lost: 2 };
    assert_eq!(bus.told(1).last(), Some(&ChatNotice::Gap(gap.clone())));
    assert_eq!(bus.history(1), History { said: vec![said], gaps: vec![gap] });
}

#[test]
fn a_message_after_which_nothing_is_said_is_missed_by_the_next_pulse() {
    let mut bus = two_nodes();
    bus.lossy(1000);
    bus.say(0, 1, "a").unwrap();
    bus.run(100 * MS);
    bus.lossy(0);
    bus.run(15 * SECOND);
    assert_eq!(texts(&bus.history(1)), ["a"]);
}

#[test]
fn a_node_that_opens_the_room_learns_the_last_100_messages_in_order() {
    let mut bus = Bus::new(3);
    bus.join(0, 1);
    bus.join(1, 2);
    for n in 0..130 {
        bus.say(n % 2, n as u64 % 2 + 1, &format!("{n} {}", "ä".repeat(1900))).unwrap();
        bus.run(600 * MS);
    }
    bus.join(2, 3);
    bus.run(SECOND);
    let history = bus.history(2);
    assert_eq!(history, bus.history(0), "over several messages of the bus");
    assert_eq!(history.said.len(), 100);
    assert!(history.said.iter().is_sorted_by_key(|said| said.at_ms));
    assert_eq!(bus.told(2).iter().filter(|notice| matches!(notice, ChatNotice::Chat(_))).count(), 0);
    assert_eq!(bus.told(2).last(), Some(&ChatNotice::History(history)));
    assert!(bus.longest < 900_000, "{} bytes", bus.longest);
}

#[test]
fn a_room_is_kept_for_a_minute_after_the_last_member_left_and_then_forgotten() {
    let mut bus = Bus::new(1);
    bus.join(0, 1);
    bus.say(0, 1, "a").unwrap();
    bus.leave(0, 1);
    bus.run(59 * SECOND);
    bus.join(0, 2);
    assert_eq!(texts(&bus.history(0)), ["a"]);
    bus.run(100 * SECOND);
    assert_eq!(texts(&bus.history(0)), ["a"], "somebody is here");
    bus.leave(0, 2);
    bus.run(61 * SECOND);
    assert_eq!(bus.listens_since(0), None);
    bus.assert_empty(0);
}

#[test]
fn the_members_of_a_lost_node_leave_and_come_back_when_it_is_heard() {
    let mut bus = two_nodes();
    bus.lose(0, 1);
    assert_eq!(bus.here(0), [id(1)]);
    assert_eq!(bus.told(0).last(), Some(&ChatNotice::Left { member: id(2) }));
    bus.run(16 * SECOND);
    assert_eq!(bus.here(0), [id(1), id(2)], "it pulses");
}

#[test]
fn a_node_that_is_silent_has_nobody_unless_nothing_can_be_heard() {
    let mut bus = Bus::new(3);
    for node in 0..3 {
        bus.join(node, node as u64 + 1);
    }
    bus.run(SECOND);
    bus.crash(2);
    bus.cut(1);
    bus.run(60 * SECOND);
    assert_eq!(bus.here(0), [id(1)]);
    assert_eq!(bus.here(1), [id(1), id(2), id(3)], "cut off");
    bus.heal(1);
    bus.run(SECOND);
    assert_eq!(bus.here(0), [id(1), id(2)]);
    bus.run(40 * SECOND);
    assert_eq!(bus.here(1), [id(1), id(2)]);
}

#[test]
fn what_was_said_during_an_outage_is_shown_after_it() {
    let mut bus = Bus::new(3);
    for node in 0..3 {
        bus.join(node, node as u64 + 1);
    }
    bus.run(4 * SECOND);
    bus.cut(1);
    bus.say(0, 1, "outside").unwrap();
    bus.say(1, 2, "inside").unwrap();
    bus.run(5 * SECOND);
    bus.crash(0);
    bus.heal(1);
    bus.run(3 * SECOND);
    assert_eq!(texts(&bus.history(1)), ["inside", "outside"], "though its sender is gone, node 2 has it");
    assert_eq!(texts(&bus.history(2)), ["outside", "inside"]);
    assert_eq!(bus.told(1).iter().filter(|notice| matches!(notice, ChatNotice::Chat(_))).count(), 2);
}

#[test]
fn a_member_that_came_back_through_another_node_is_here_once() {
    let mut bus = Bus::new(3);
    for (node, n) in [(0, 1), (1, 2), (2, 9)] {
        bus.join(node, n);
    }
    bus.run(SECOND);
    bus.join(1, 9);
    bus.run(SECOND);
    assert_eq!(bus.here(0), [id(1), id(2), id(9)]);
    bus.leave(2, 9);
    bus.run(SECOND);
    for node in 0..3 {
        assert_eq!(bus.here(node), [id(1), id(2), id(9)]);
        assert!(!bus.told(node).contains(&ChatNotice::Left { member: id(9) }));
    }
}

#[test]
fn the_members_of_a_restarted_node_are_those_of_its_new_life() {
    let mut bus = Bus::new(2);
    bus.join(0, 1);
    bus.join(1, 2);
    bus.join(1, 3);
    bus.run(SECOND);
    bus.crash(1);
    bus.join(1, 3);
    bus.join(1, 4);
    bus.run(SECOND);
    assert_eq!(bus.here(0), [id(1), id(3), id(4)]);
    bus.say(1, 4, "number 0 again").unwrap();
    bus.run(SECOND);
    assert_eq!(texts(&bus.history(0)), ["number 0 again"]);
}

#[test]
fn a_node_has_at_most_2000_members_in_a_room_and_the_others_see_them_as_one_list() {
    let mut bus = Bus::new(2);
    for n in 0..2000 {
        bus.join(0, n);
    }
    bus.run(SECOND);
    let refused = bus.chat(0).join(Instant::now(), &room(), member(2000));
    assert_eq!(refused, Err(JoinError::RoomFull));
    bus.join(1, 5000);
    bus.run(SECOND);
    assert_eq!(bus.here(1).len(), 2001);
    assert!(matches!(bus.told(1).last(), Some(ChatNotice::Here { people }) if people.len() == 2001));
    assert!(bus.longest < 900_000, "{} bytes", bus.longest);
}

#[test]
fn what_applications_say_of_members_reaches_all_nodes_and_fits_into_a_message() {
    let mut bus = Bus::new(2);
    let person = |n: u64, metadata: &str| Person { metadata: Some(metadata.to_owned()), ..member(n) };
    bus.join(1, 9_000);
    bus.enter(0, person(1, "seat 4"));
    bus.run(SECOND);
    assert!(bus.people(1).contains(&person(1, "seat 4")));
    bus.enter(0, person(1, "seat 5"));
    bus.run(SECOND);
    assert!(bus.people(1).contains(&person(1, "seat 5")));
    assert_eq!(bus.told(1).last(), Some(&ChatNotice::Joined(person(1, "seat 5"))));
    bus.enter(0, person(2, &"x".repeat(1_025)));
    // All that may be there, with the longest names.
    for n in 3..=2_000 {
        bus.enter(0, Person { name: Some("😀".repeat(64)), ..person(n, &"\"".repeat(1_000)) });
    }
    bus.run(SECOND);
    bus.leave(1, 9_000);
    bus.run(61 * SECOND);
    bus.join(1, 9_001);
    bus.run(SECOND);
    let (here, there) = (bus.people(0), bus.people(1));
    assert_eq!(here, there);
    let described = here.iter().filter(|person| person.metadata.is_some()).count();
    assert_eq!((here.len(), described), (2_001, 1 + 98), "those that come first");
    assert!(bus.longest < 1_000_000, "{} bytes", bus.longest);
}

#[test]
fn a_room_more_than_there_may_be_takes_the_place_of_an_empty_one() {
    const ROOMS: usize = 20_000;
    let now = Instant::now();
    let mut chat = Chat::new(NodeName::parse("a").unwrap(), 1);
    chat.rooms_max = ROOMS;
    let name = |n: usize| RoomName::parse(&format!("r{n}")).unwrap();
    for n in 0..ROOMS {
        chat.join(now, &name(n), member(1)).unwrap();
    }
    assert_eq!(chat.join(now, &name(ROOMS), member(1)), Err(JoinError::TooManyRooms));
    chat.leave(now, &name(7), member(1).member);
    let out = chat.join(now, &name(ROOMS), member(1)).unwrap();
    assert!(out.contains(&ChatOutput::Unsubscribe(name(7))));
    assert_eq!(chat.rooms.len(), ROOMS);
    let greeted = |out: &[ChatOutput]| out.iter().filter(|output| matches!(output, ChatOutput::Publish(..))).count();
    chat.handle_timeout(now + 60 * SECOND);
    let now = now + 61 * SECOND;
    assert!(greeted(&chat.handle_engine_up(now)) < 100, "not everybody at once after an outage");
    assert!(greeted(&chat.handle_timeout(now + 2 * SECOND)) >= ROOMS - 100);
}

#[test]
fn when_memory_is_short_the_oldest_messages_of_the_most_silent_room_go() {
    let mut now = Instant::now();
    let mut chat = Chat::new(NodeName::parse("a").unwrap(), 1);
    chat.chat_bytes_max = 40_000;
    let rooms = ["a", "b", "c"].map(|name| RoomName::parse(name).unwrap());
    for name in &rooms {
        chat.join(now, name, member(1)).unwrap();
        for _ in 0..4 {
            chat.say(now, 0, name, id(1), &"x".repeat(2000)).unwrap();
        }
        now += SECOND;
    }
    assert!(chat.chat_bytes <= 40_000);
    let kept = rooms.each_ref().map(|name| chat.history(name).said.len());
    assert_eq!((kept[0], kept[1], kept[2]), (0, 4, 4));
}

#[test]
fn a_message_of_a_newer_version_is_ignored_and_one_beyond_the_limits_is_counted() {
    let mut bus = Bus::new(1);
    bus.join(0, 1);
    let header = r#""node":"n9","instance":1,"opening":1,"age_ms":0"#;
    let hear = |bus: &mut Bus, next: u64, body: &str| {
        let message = serde_json::from_str(&format!(r#"{{"from":{{{header},"next":{next}}},{body}}}"#)).unwrap();
        bus.chat(0).handle_message(Instant::now(), &room(), message);
        bus.chat(0).refused_messages()
    };
    assert_eq!(hear(&mut bus, 0, r#""kind":"dance","with":{"whom":"all"}"#), 0);
    assert_eq!(hear(&mut bus, 0, r#""kind":"bye","why":"tired""#), 0);
    assert_eq!(hear(&mut bus, 9007199254740993, r#""kind":"bye""#), 1);
    let chat = |number: u64, text: &str| {
        let line =
            format!(r#"{{"number":{number},"member":"00000000000000000000000000000001","text":"{text}","at_ms":0}}"#);
        format!(r#""kind":"chat","line":{line}"#)
    };
    assert_eq!(hear(&mut bus, 7, &chat(7, "of the future")), 2);
    assert_eq!(hear(&mut bus, 7, &chat(6, "\\u0007")), 3);
    assert_eq!(hear(&mut bus, 7, &chat(6, &"x".repeat(2001))), 4);
    assert_eq!(bus.history(0), History::default());
}

#[test]
fn the_number_of_nodes_in_a_room_is_bounded() {
    let now = Instant::now();
    let mut chat = Chat::new(NodeName::parse("a").unwrap(), 1);
    chat.join(now, &room(), member(1)).unwrap();
    for n in 0..2000_u64 {
        let header = format!(r#""node":"n{n}","instance":1,"opening":1,"age_ms":0,"next":0"#);
        let roll = format!(r#"{{"version":1,"members":[{{"member":"{n:032x}"}}]}}"#);
        let hello = serde_json::from_str(&format!(r#"{{"from":{{{header}}},"kind":"hello","roll":{roll}}}"#)).unwrap();
        chat.handle_message(now, &room(), hello);
    }
    assert_eq!(chat.refused_messages(), 2000 - 1024);
    assert_eq!(chat.remote_members, 1024);
    chat.handle_timeout(now + 36 * SECOND);
    assert_eq!(chat.here(&room()).len(), 1);
    assert_eq!(chat.remote_members, 0);
}
