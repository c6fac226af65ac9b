//! Measures what a joining client costs without sockets: microseconds of both ends for ICE, DTLS and SRTP keys.
//!
//! `cargo run --release -p chappe-sfu-core --example handshake_cost -- [clients]`

#[path = "../tests/harness/mod.rs"]
mod harness;

use std::time::Instant;

use harness::*;

fn main() {
    let clients = std::env::args().nth(1).map_or(300, |text| text.parse::<usize>().expect("a number"));
    let mut harness = Harness::new();
    harness.join(publishes(vec![camera_line(CAMERA)]));
    let began = clock();
    for _ in 0..clients {
        harness.join(watches(vec![video_out(Some(CAMERA), 0x9000)]));
    }
    let each = began.elapsed().as_micros() as f64 / clients as f64;
    println!("{clients} handshakes: {each:.0} us of client and server together");
}

#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn clock() -> Instant {
    Instant::now()
}
