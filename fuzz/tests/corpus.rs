//! Nothing in the corpus makes a target panic, nor does what comes of it by random changes. `make fuzz` does the same
//! for longer.

use chappe_fuzz::hunt::{corpus, hunt};
use chappe_fuzz::{TARGETS, target};

fn survives(name: &str, cases: u32) {
    let target = target(name).expect("a target");
    let corpus = corpus(&target).expect("a corpus");
    corpus.iter().for_each(|bytes| (target.run)(bytes));
    if let Err(found) = hunt(&target, &corpus, cases) {
        panic!("{found}");
    }
}

#[test]
fn every_target_has_a_corpus_and_all_of_it_is_small() {
    let corpora: Vec<_> = TARGETS.iter().map(|target| corpus(target).expect("a corpus")).collect();
    assert!(corpora.iter().all(|corpus| !corpus.is_empty()));
    assert!(corpora.iter().flatten().map(Vec::len).sum::<usize>() < 300_000);
}

#[test]
fn stun_survives() {
    survives("stun", 20_000);
}

#[test]
fn a_handshake_survives() {
    survives("handshake", 300);
}

#[test]
fn rtp_survives() {
    survives("rtp", 20_000);
}

#[test]
fn rtcp_survives() {
    survives("rtcp", 20_000);
}

#[test]
fn dependency_descriptors_survive() {
    survives("layers", 20_000);
}

#[test]
fn announced_rates_survive() {
    survives("allocation", 20_000);
}

#[test]
fn a_token_survives() {
    survives("token", 1_000);
}

#[test]
fn what_other_nodes_say_in_a_room_survives() {
    survives("chat", 3_000);
}

#[test]
fn what_other_nodes_say_survives() {
    survives("cluster", 300);
}

#[test]
fn a_live_session_survives() {
    survives("session", 100);
}

#[test]
fn a_relay_survives() {
    survives("relay", 50);
}

#[test]
fn framing_survives() {
    survives("framing", 10_000);
}

#[test]
fn a_turn_client_survives() {
    survives("turn", 3_000);
}

#[test]
fn an_offer_survives() {
    survives("sdp", 2_000);
}

#[test]
fn a_request_survives() {
    survives("doors", 500);
}

#[test]
fn a_page_message_survives() {
    survives("page", 5_000);
}

#[test]
fn a_control_line_survives() {
    survives("control", 2_000);
}

#[test]
fn a_worker_s_events_survive() {
    survives("events", 200);
}

#[test]
fn requests_to_the_supervisor_survive() {
    survives("supervisor", 3_000);
}
