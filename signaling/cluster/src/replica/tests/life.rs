//! When a node counts as lost, and when it is back.

use super::*;

#[test]
fn a_node_silent_for_three_seconds_is_lost_with_its_streams() {
    let (mut harness, log) = Harness::with_node();
    assert_eq!(harness.pass(10_000), [(3_000, gone("s", 1)), (3_000, lost())]);
    assert_eq!((harness.replica.nodes().count(), harness.streams()), (0, vec![]));
    assert!(!harness.replica.is_reachable(Boot(11)) && harness.replica.worker_by_boot(Boot(11)).is_none());
    assert_eq!(harness.presence(1, 2, 1), [joined(), put("s", 1), want(0)], "and is back when it speaks");
    assert_eq!(harness.list(&log), []);
}

#[test]
fn silence_says_nothing_while_messages_do_not_pass() {
    let (mut harness, _) = Harness::with_node();
    harness.pass(2_900);
    assert_eq!(harness.replica.handle_engine(harness.now, false), []);
    assert_eq!(harness.pass(60_000), []);
    assert_eq!(harness.replica.handle_engine(harness.now, true), []);
    assert_eq!(harness.pass(10_000), [(3_000, gone("s", 1)), (3_000, lost())], "three seconds after they pass again");
}

#[test]
fn a_node_whose_signaling_is_silent_keeps_its_streams_as_long_as_a_link_to_it_is_up() {
    let (mut harness, _) = Harness::with_node();
    assert_eq!((harness.reachable(11), harness.reachable(12)), (vec![changed()], vec![changed()]));
    assert_eq!(harness.pass(30_000), [], "media that flows goes on");
    assert_eq!(harness.unreachable(11), [changed()], "from one of its workers");
    assert_eq!(harness.pass(30_000), []);
    harness.replica.handle_engine(harness.now, false);
    harness.pass(30_000);
    harness.replica.handle_engine(harness.now, true);
    assert_eq!(harness.pass(30_000), [], "nor does it matter that messages pass again");
    assert_eq!(harness.unreachable(12), [gone("s", 1), lost()], "silent and cut it is gone");
}

#[test]
fn the_view_is_caught_up_when_no_living_node_owes_its_list() {
    let mut harness = Harness::new();
    assert!(harness.replica.is_caught_up(), "nobody is there");
    harness.presence(1, 1, 1);
    assert!(!harness.replica.is_caught_up());
    let mut log = StreamLog::new(name("a"), 1);
    log.put(stream("s", 1)).unwrap();
    harness.list(&log);
    assert!(harness.replica.is_caught_up());
    harness.presence(2, 1, 1);
    assert!(!harness.replica.is_caught_up(), "another instance has another list");
    harness.pass(3_000);
    assert!(harness.replica.is_caught_up(), "the dead owe nothing");
}

#[test]
fn a_node_whose_links_are_all_cut_is_lost_without_waiting_for_three_seconds() {
    let (mut harness, _) = Harness::with_node();
    for boot in BOOTS {
        assert_eq!(harness.reachable(boot), [changed()]);
    }
    harness.pass(450);
    assert_eq!(harness.unreachable(11), [changed()], "one worker is not the node");
    assert!(!harness.replica.is_reachable(Boot(11)) && harness.replica.is_reachable(Boot(12)));
    assert_eq!(harness.unreachable(12), [gone("s", 1), lost()]);
}

#[test]
fn a_node_whose_links_are_cut_has_until_its_next_presence_to_show_that_it_lives() {
    let (mut harness, _) = Harness::with_node();
    assert_eq!((harness.reachable(11), harness.reachable(12)), (vec![changed()], vec![changed()]));
    harness.pass(200);
    assert_eq!((harness.unreachable(11), harness.unreachable(12)), (vec![changed()], vec![changed()]));
    harness.pass(100);
    assert_eq!(harness.presence(1, 2, 1), [changed()]);
    assert_eq!(harness.pass(2_900), [], "it speaks: its links are broken, not the node");
    harness.reachable(11);
    harness.pass(50);
    assert_eq!(harness.presence(1, 3, 1), [changed()]);
    harness.unreachable(11);
    assert_eq!(harness.pass(1_000), [(400, gone("s", 1)), (400, lost())], "but when it fell silent with them");
}

#[test]
fn a_worker_that_its_node_says_is_gone_is_no_sign_of_the_nodes_death() {
    let (mut harness, _) = Harness::with_node();
    harness.reachable(11);
    let mut state = node("a", 1, 2, &BOOTS);
    (state.workers[0].phase, state.streams_version) = (WorkerPhase::Lost, 1);
    harness.replica.handle_presence(harness.now, state);
    harness.pass(450);
    assert_eq!(harness.unreachable(11), [changed()]);
    assert_eq!(harness.pass(2_400), []);
}

#[test]
fn without_messages_only_the_silence_of_every_worker_is_a_sign() {
    let (mut harness, _) = Harness::with_node();
    harness.reachable(11);
    harness.replica.handle_engine(harness.now, false);
    assert_eq!(harness.unreachable(11), [changed()]);
    assert_eq!(harness.pass(10_000), []);
    harness.reachable(12);
    assert_eq!(harness.unreachable(12), [gone("s", 1), lost()]);
    assert_eq!(
        harness.reachable(12),
        [joined(), put("s", 1), want(0)],
        "and it is back when media from it passes again"
    );
}

#[test]
fn a_node_that_leaves_in_order_is_gone_at_once_and_its_last_words_do_not_bring_it_back() {
    let (mut harness, log) = Harness::with_node();
    assert_eq!(harness.replica.handle_goodbye(harness.now, &name("a"), 7), [], "of another instance");
    assert_eq!(harness.replica.handle_goodbye(harness.now, &name("a"), 1), [gone("s", 1), lost()]);
    assert_eq!((harness.presence(1, 9, 1), harness.list(&log), harness.reachable(11)), (vec![], vec![], vec![]));
    assert_eq!(harness.presence(2, 1, 0), [joined()], "but its next instance does");
}
