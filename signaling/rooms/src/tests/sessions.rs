//! The ways to some sessions, and the counts of a room, lead where a look at all of them would.

use super::*;

const STREAMS: [&str; 3] = ["cam", "screen", "music"];

fn agree(registry: &Registry) {
    let ids = |sessions: &mut dyn Iterator<Item = SessionId>| {
        let mut ids: Vec<SessionId> = sessions.collect();
        ids.sort_unstable();
        ids
    };
    for stream in STREAMS.map(name) {
        let watches = |session: &&Session| matches!(&session.note.role, Role::Watch { slots, .. } if slots.iter().any(|slot| slot.stream == stream));
        let all = ids(&mut registry.sessions().filter(watches).map(|session| session.id));
        assert_eq!(ids(&mut registry.viewers(&room(), &stream)), all, "{stream}");
    }
    for member in (1..=4).map(MemberId) {
        let all = ids(&mut registry.sessions().filter(|it| it.member() == Some(member)).map(|session| session.id));
        assert_eq!(ids(&mut registry.sessions.of_page(member).map(|session| session.id)), all);
    }
    let all = ids(&mut registry.sessions().filter(|session| session.member().is_some()).map(|session| session.id));
    assert_eq!(ids(&mut registry.page_sessions()), all);
    let count = |worker| registry.sessions().filter(|session| session.worker == worker).count();
    let mut workers: Vec<WorkerIndex> = [W0, W1].into_iter().filter(|worker| count(*worker) > 0).collect();
    workers.sort_by_key(|worker| std::cmp::Reverse(count(*worker)));
    assert_eq!(registry.room(&room()).map(Room::workers).unwrap_or_default(), workers);
}

#[test]
fn what_is_found_without_a_look_at_all_sessions_is_what_a_look_at_all_finds() {
    let mut registry = registry();
    (1..=4).for_each(|member| join(&mut registry, MemberId(member)));
    // A linear congruence: steps that come in no order, and the same each time.
    let (mut state, mut next) = (7_u128, 100);
    for _ in 0..400 {
        state = (state * 25_214_903_917 + 11) % (1 << 48);
        let draw = state >> 16;
        let there: Vec<SessionId> = registry.sessions().map(|session| session.id).collect();
        let some = there.get(draw as usize % there.len().max(1)).copied();
        match (draw % 5, some) {
            (0..=2, _) if there.len() < 100 => {
                let page = (draw % 2 == 0).then(|| owner(MemberId(1 + draw / 8 % 4)));
                let mut viewer = viewer(next, STREAMS[draw as usize / 4 % STREAMS.len()], page);
                viewer.worker = if draw % 7 < 3 { W1 } else { W0 };
                next += 1;
                open(&mut registry, viewer);
            }
            (3, Some(id)) => {
                let mut note = registry.session(id).unwrap().note.clone();
                let Role::Watch { slots, .. } = &mut note.role else { continue };
                slots.iter_mut().for_each(|slot| slot.stream = name(STREAMS[draw as usize / 3 % STREAMS.len()]));
                let media = registry.session(id).unwrap().media.clone();
                registry.renegotiate(id, media, note, Vec::new()).unwrap();
            }
            (_, Some(id)) => drop(registry.end(id, None)),
            (_, None) => {}
        }
        agree(&registry);
    }
    let all: Vec<SessionId> = registry.sessions().map(|session| session.id).collect();
    assert!(!all.is_empty());
    all.into_iter().for_each(|id| drop(registry.end(id, None)));
    agree(&registry);
    assert_eq!(registry.sessions, super::super::sessions::Sessions::default(), "nothing is kept of what is gone");
}
