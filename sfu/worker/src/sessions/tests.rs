use super::*;
use crate::validate::tests::spec;

#[test]
fn a_lower_epoch_is_stale_and_a_higher_one_is_remembered() {
    let mut sessions = Sessions::default();
    let spec = spec();
    let id = spec.session;
    assert_eq!(sessions.fence(id, Epoch(0)), Fence::Unknown);
    sessions.insert(Instant::now(), SessionSpec { epoch: Epoch(5), ..spec });
    assert_eq!(sessions.fence(id, Epoch(4)), Fence::Stale(Epoch(5)));
    assert_eq!(sessions.fence(id, Epoch(5)), Fence::Open);
    assert_eq!(sessions.fence(id, Epoch(7)), Fence::Open);
    assert_eq!(sessions.fence(id, Epoch(6)), Fence::Stale(Epoch(7)));
    assert_eq!(sessions.snapshot(Instant::now(), id).map(|snapshot| snapshot.spec.epoch), Some(Epoch(7)));
}

#[test]
fn a_closed_session_still_fences_its_old_owner() {
    let mut sessions = Sessions::default();
    let spec = spec();
    let id = spec.session;
    sessions.insert(Instant::now(), SessionSpec { epoch: Epoch(5), ..spec.clone() });
    sessions.remove(id);
    assert_eq!(sessions.fence(id, Epoch(4)), Fence::Stale(Epoch(5)));
    assert_eq!(sessions.fence(id, Epoch(5)), Fence::Unknown);
    for other in 0..TOMBSTONES_MAX as u128 {
        sessions.insert(Instant::now(), SessionSpec { session: SessionId(0, 1 << 64 | other), ..spec.clone() });
        sessions.remove(SessionId(0, 1 << 64 | other));
    }
    assert_eq!(sessions.fence(id, Epoch(4)), Fence::Unknown, "forgotten when others took its place");
}

#[test]
fn a_track_that_media_no_longer_names_is_not_active() {
    let mut sessions = Sessions::default();
    let spec = spec();
    let (id, track) = (spec.session, spec.media.receive[0].track);
    sessions.insert(Instant::now(), spec);
    sessions.set_active(id, track, true);
    sessions.set_active(id, track, true);
    assert_eq!(sessions.snapshot(Instant::now(), id).map(|snapshot| snapshot.active), Some(vec![track]));
    sessions.update(id, |spec| spec.media.receive.clear());
    assert_eq!(sessions.snapshot(Instant::now(), id).map(|snapshot| snapshot.active), Some(vec![]));
}
