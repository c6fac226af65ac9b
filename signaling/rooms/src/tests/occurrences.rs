//! What the outside hears of rooms, participants, tracks and moves.

use chappe_signaling_access::{Access, Holder};

use super::*;

fn told(registry: &mut Registry) -> Vec<String> {
    let text = |occurrence| match occurrence {
        Occurrence::RoomStarted(room) => format!("{room} started"),
        Occurrence::RoomFinished(room) => format!("{room} finished"),
        Occurrence::Joined(_, who) => {
            let metadata = who.metadata.map(|text| format!(" ({text})")).unwrap_or_default();
            format!("{} {} joined{metadata}", who.kind, who.id)
        }
        Occurrence::Left(_, who) => format!("{} {} left", who.kind, who.id),
        Occurrence::Published(_, stream, track) => format!("{stream}/{} published", track.mid),
        Occurrence::Unpublished(_, stream, track) => format!("{stream}/{} unpublished", track.mid),
        Occurrence::Moved { stream, from, to, .. } => format!("{stream} moved from {} to {}", from.node, to.node),
    };
    registry.take_occurrences().into_iter().map(text).collect()
}

#[test]
fn a_page_that_joins_starts_its_room_and_its_leaving_finishes_it() {
    let mut registry = registry();
    let holder = Holder::try_from("7".to_owned()).unwrap();
    let access =
        Access { holder, issuer: "key".to_owned(), expires_ms: 1, name: None, metadata: Some("seat 4".to_owned()) };
    registry.join(ADA, room(), Some("Ada".to_owned()), Some(&access)).unwrap();
    assert_eq!(told(&mut registry), ["demo started".to_owned(), format!("page {ADA} joined (seat 4)")]);
    registry.leave(ADA);
    assert_eq!(told(&mut registry), [format!("page {ADA} left"), "demo finished".to_owned()]);
}

#[test]
fn a_plain_publisher_is_a_participant_while_its_connection_stands() {
    let mut registry = registry();
    // Its id would open the session to all who are told.
    let alias = SessionAlias::of(id(1));
    registry.open(publisher(1, "cam", None)).unwrap();
    registry.confirm(id(1)).unwrap();
    assert_eq!(told(&mut registry), ["demo started", "cam/0 published", "cam/1 published"]);
    registry.handle_state(id(1), SessionState::Connected);
    registry.handle_state(id(1), SessionState::Disconnected);
    registry.handle_state(id(1), SessionState::Connected);
    assert_eq!(told(&mut registry), [format!("whip {alias} joined")]);
    registry.handle_closed(id(1), CloseReason::ClientClosed);
    let left = format!("whip {alias} left");
    assert_eq!(told(&mut registry), ["cam/0 unpublished", "cam/1 unpublished", left.as_str(), "demo finished"]);
}

#[test]
fn an_operator_names_a_session_by_what_the_outside_is_told_of_it_too() {
    let mut registry = registry();
    registry.join(ADA, room(), None, None).unwrap();
    registry.open(publisher(1, "cam", None)).unwrap();
    registry.open(publisher(2, "screen", Some(owner(ADA)))).unwrap();
    let alias_of = |number| SessionAlias::of(id(number)).to_string().parse::<SessionId>().unwrap();
    assert_eq!(registry.named(alias_of(1)), id(1));
    assert_eq!(registry.named(id(1)), id(1));
    assert_eq!(registry.named(alias_of(2)), alias_of(2), "a page's session is told to nobody");
    registry.handle_closed(id(1), CloseReason::ClientClosed);
    assert_eq!(registry.named(alias_of(1)), alias_of(1), "it is gone");
}

#[test]
fn what_a_new_signaling_process_takes_up_was_told_by_the_one_before() {
    let mut registry = registry();
    let session = publisher(1, "cam", Some(owner(ADA)));
    registry.adopt(W0, BOOT, vec![snapshot_of(&session)]);
    assert_eq!(told(&mut registry), Vec::<String>::new());
    registry.handle_closed(id(1), CloseReason::ClientClosed);
    assert_eq!(told(&mut registry), ["cam/0 unpublished", "cam/1 unpublished"]);
}
