//! A publisher whose key frames are far apart, and who may or may not send one when asked.

use super::*;

#[test]
fn a_joiner_of_a_long_group_of_pictures_begins_at_once_and_goes_over_to_a_new_key_frame() {
    let mut harness = Harness::new();
    let publisher = harness.join(publishes(vec![camera_line(CAMERA)]));
    let mut camera = Camera::new(VIDEO_SSRC);
    // 8 s of 600 packets a second.
    for at in 0..240 {
        harness.frame(publisher, &mut camera, 20, at == 0);
    }
    let before = harness.clients[publisher].plis();
    let joiner = harness.join(watcher());
    let first = harness.clients[joiner].received.first().cloned().expect("a packet with the connection");
    assert!(first.payload[..2] == [0x10, 0], "the start of the key frame");
    assert_eq!(harness.clients[publisher].plis(), before + 1, "a publisher that answers would spare it the rest");
    // It does not answer.
    let start = harness.now.mono;
    while harness.clients[joiner].received.len() < 4_800 {
        let got = harness.clients[joiner].received.len();
        harness.run(ms(1));
        assert!(harness.clients[joiner].received.len() <= got + 8, "its pace is bounded");
        assert!(harness.now.mono < start + ms(1_000), "it gets there");
    }
    assert!(is_in_order(&harness.clients[joiner].received) && harness.clients[joiner].faults == 0);
    // Or it does, while the next one is still on its way through what was before.
    let second = harness.join(watcher());
    harness.run(ms(20));
    let got = harness.clients[second].received.len();
    assert!(got < 1_000, "{got}");
    harness.frame(publisher, &mut camera, 20, true);
    harness.run(ms(20));
    let client = &harness.clients[second];
    assert!(client.received.len() < got + 33 * 8 + 20, "{} packets", client.received.len());
    assert!(is_keyframe(&client.received[client.received.len() - 20]));
    assert!(client.indices(SEEN).windows(2).all(|pair| pair[1] == pair[0] + 1) && client.faults == 0);
}
