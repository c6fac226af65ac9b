//! Runs synthetic clients against one server or several, and tells how they fared as lines of JSON.
//! Commands come on standard input: `begin` (count anew), `report`, `stop`.

use std::io::{BufRead as _, Write as _};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

use anyhow::Result;
use chappe_load::POLL_TICK;
use chappe_load::clients::{Clients, ClientsPlan};
use chappe_load::offer::Kind;
use chappe_load::publisher::{Pacing, Shape};
use clap::Parser;

/// One publisher and many viewers, who come back by a new POST to the next server when their session dies.
#[derive(Debug, Parser)]
#[command(name = "chappe-clients")]
struct Flags {
    /// Servers to publish at, the first one first; without it, somebody else publishes
    #[arg(long, value_name = "http://HOST:PORT,…", value_delimiter = ',')]
    whip: Vec<String>,
    /// Servers to watch at, each by its share of the viewers
    #[arg(long, value_name = "http://HOST:PORT,…", value_delimiter = ',', required = true)]
    whep: Vec<String>,
    #[arg(long, default_value = "clients")]
    room: String,
    #[arg(long, default_value = "cam")]
    stream: String,
    #[arg(long, default_value_t = 10)]
    viewers: usize,
    /// Ends by itself after this time
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Where to write the last report
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[arg(long, default_value_t = 3)]
    packets_per_frame: usize,
    /// Header and payload
    #[arg(long, default_value_t = 1100)]
    packet_bytes: usize,
    #[arg(long, default_value_t = 30)]
    frames_per_second: u32,
    /// Shown with each request
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
}

fn main() -> Result<()> {
    let flags = Flags::parse();
    let plan = ClientsPlan {
        whip: flags.whip.clone(),
        whep: flags.whep.clone(),
        room: flags.room.clone(),
        stream: flags.stream.clone(),
        viewers: flags.viewers,
        shape: Shape {
            kind: Kind::Video,
            packets_per_frame: flags.packets_per_frame.max(1),
            packet_bytes: flags.packet_bytes.clamp(64, 1_200),
            frame_period: Duration::from_secs(1) / flags.frames_per_second.max(1),
            pacing: Pacing::Burst,
        },
        ramp: Duration::ZERO,
        token: flags.token.clone(),
        tls: None,
    };
    let deadline = Instant::now() + Duration::from_secs(flags.seconds);
    let commands = commands();
    let mut clients = Clients::start(&plan)?;
    clients.gather()?;
    clients.forget();
    say(&serde_json::json!({ "event": "ready" }))?;
    obey(&mut clients, &commands, deadline)?;
    if let Some(file) = flags.report {
        std::fs::write(file, clients.report().json().to_string())?;
    }
    clients.leave();
    Ok(())
}

fn obey(clients: &mut Clients, commands: &Receiver<String>, deadline: Instant) -> Result<()> {
    // Who starts it without a terminal or a pipe wants it to run its time.
    let mut listens = true;
    while Instant::now() < deadline {
        clients.drive(Instant::now() + POLL_TICK);
        match commands.try_recv() {
            Ok(command) => match command.trim() {
                "begin" => clients.forget(),
                "report" => say(&clients.report().json())?,
                "stop" => return Ok(()),
                other => anyhow::bail!("unknown command {other:?}: begin, report or stop"),
            },
            Err(TryRecvError::Disconnected) if listens => listens = false,
            Err(_) => {}
        }
    }
    Ok(())
}

fn commands() -> Receiver<String> {
    let (said, commands) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if said.send(line).is_err() {
                return;
            }
        }
    });
    commands
}

fn say(value: &serde_json::Value) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{value}")?;
    Ok(out.flush()?)
}
