//! Owns what a guesser of tokens costs others: joins with a good token while one address shows wrong ones, thousands a
//! second. All of them speak HTTP alone, and none has a media path.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use chappe_load::client::identity;
use chappe_load::guesser::{Guesser, Guesses};
use chappe_load::http::Server;
use chappe_load::measure::Sample;
use chappe_load::node::{Node, NodeKeys};
use chappe_load::offer;
use chappe_sfu_core::Certificate;

use super::report::Bar;

pub fn measure(chappe: &Path) -> Result<[Bar; 2]> {
    let keys = NodeKeys::make(chappe)?;
    let node = Node::with(chappe, 1, &["--auth", "jwt", "--keys", keys.file()])?;
    let token = keys.token(chappe, ROOM)?;
    let server = node.server.clone().with_token(Some(token.clone()));
    let certificate = Certificate::generate()?;
    let address = server.public().trim_start_matches("http://").parse().context("the address of the node")?;
    // The first ones find caches cold.
    joins(&server, &certificate, WARM_UPS)?;
    let quiet = joins(&server, &certificate, JOINS)?;
    let ended = AtomicBool::new(false);
    let (busy, guesses) = std::thread::scope(|scope| -> Result<(Sample, Guesses)> {
        let guessing = scope.spawn(|| Guesser::start(address, CONNECTIONS, &token)?.guess(GUESSES_PER_SECOND, &ended));
        std::thread::sleep(UNTIL_LIMITED);
        let busy = joins(&server, &certificate, JOINS);
        ended.store(true, Ordering::Relaxed);
        Ok((busy?, guessing.join().ok().context("the thread of the guesser")??))
    })?;
    println!(
        "wrong tokens: joins of others p50 {:.2} ms, p99 {:.2} ms; during guesses p50 {:.2} ms, p99 {:.2} ms ({guesses})",
        quiet.median() * 1e3,
        quiet.quantile(0.99) * 1e3,
        busy.median() * 1e3,
        busy.quantile(0.99) * 1e3,
    );
    Ok([
        Bar::new(
            "wrong tokens: joins of others p99 with them / without".to_owned(),
            busy.quantile(0.99) / quiet.quantile(0.99),
            2.0,
        ),
        Bar::new("wrong tokens: guesses that were let in".to_owned(), guesses.let_in as f64, 0.0),
    ])
}

/// Viewers who ask one after the other and leave at once. How long each waited for its answer, in seconds.
fn joins(server: &Server, certificate: &Certificate, count: usize) -> Result<Sample> {
    // Nobody has to publish for those who wait.
    let stream = "cam?wait=1";
    let mut waits = Vec::with_capacity(count);
    for _ in 0..count {
        let offer = offer::watch(&identity(certificate));
        let asked = Instant::now();
        let created = server.whep(ROOM, stream, &offer)?;
        waits.push(asked.elapsed().as_secs_f64());
        server.delete(&created)?;
    }
    ensure!(!waits.is_empty(), "no joins");
    Ok(Sample::new(waits))
}

const ROOM: &str = "guessed";
const WARM_UPS: usize = 200;
/// With those without, fewer than one token may have within a moment.
const JOINS: usize = 1_500;
const GUESSES_PER_SECOND: u32 = 10_000;
/// More than one client may have at a time (2,048): whoever is beyond is refused at once.
const CONNECTIONS: usize = 2_500;
/// All connections are there, and the first guesses have used up what an address may have at once.
const UNTIL_LIMITED: Duration = Duration::from_secs(2);
