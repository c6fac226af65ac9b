//! What an operator bounds: who comes beyond it is told so, and what goes on stays.

use super::*;

fn capped(caps: Caps) -> Registry {
    Registry::new(node("here"), caps)
}

fn other(text: &str) -> RoomName {
    RoomName::parse(text).unwrap()
}

#[test]
fn who_comes_beyond_a_cap_is_told_which_one_it_is() {
    let mut registry = capped(Caps { rooms: 2, members: 3, members_per_room: 2, streams_per_room: 1 });
    let refused = |limit: RoomLimit| Err(RoomError::TooMany(limit));
    for number in 1..=2 {
        registry.join(MemberId(number), room(), None, None).unwrap();
    }
    let third = registry.join(MemberId(3), room(), None, None);
    assert_eq!(third, refused(RoomLimit::Members(2)));
    assert!(third.unwrap_err().to_string().contains("(2; the operator can raise members-per-room)"));
    let at_the_top = RoomLimit::Members(Caps::default().members_per_room).to_string();
    assert!(at_the_top.contains("(2000; no node can have more"), "{at_the_top}");
    registry.join(MemberId(3), other("second"), None, None).unwrap();
    assert_eq!(registry.join(MemberId(4), other("third"), None, None), refused(RoomLimit::AllMembers(3)));
    registry.leave(MemberId(1));
    let third = registry.join(MemberId(4), other("third"), None, None);
    assert_eq!(third, refused(RoomLimit::Rooms(2)));
    assert_eq!(third.unwrap_err().to_string(), "too many rooms on this server (2; its operator can raise rooms-max)");
    let publishes = |registry: &Registry, room: &RoomName, stream: &str| {
        registry.check_publish(room, &name(stream), &Proof::default()).map_err(|error| error.to_string())
    };
    assert!(publishes(&registry, &other("third"), "cam").unwrap_err().contains("rooms-max"));
    open(&mut registry, publisher(1, "cam", None));
    assert!(publishes(&registry, &room(), "screen").unwrap_err().contains("streams-per-room"));
    registry.join(MemberId(4), room(), None, None).unwrap();
}

#[test]
fn what_was_let_in_under_higher_caps_is_taken_up() {
    let mut before = registry();
    let sessions: Vec<Session> = vec![publisher(1, "cam", None), publisher(2, "screen", None), viewer(3, "cam", None)];
    sessions.into_iter().for_each(|session| drop(open(&mut before, session)));
    let snapshots = before.sessions().map(snapshot_of).collect();
    let mut registry = capped(Caps { rooms: 1, members: 1, members_per_room: 1, streams_per_room: 1 });
    registry.join(ADA, other("another"), None, None).unwrap();
    let _ = registry.adopt(W0, BOOT, snapshots);
    assert_eq!((registry.sessions.len(), registry.rooms.len()), (3, 2));
    let refused = registry.check_publish(&room(), &name("more"), &Proof::default());
    assert_eq!(refused, Err(RoomError::TooMany(RoomLimit::Streams(1))));
}
