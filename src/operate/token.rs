//! `chappe token`: makes tokens with a key of a file, and says what is in one. Never asks a node.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chappe_signaling_access::{ApiKey, KeyRing, Minted, inspect, mint};
use clap::Args;
use serde_json::{Value, json};

use super::{keys, units};
use crate::failure::Failure;

#[derive(Debug, Args)]
pub struct Token {
    /// File of the keys
    #[arg(long, env = "CHAPPE_KEYS", value_name = "FILE", required_unless_present = "inspect")]
    keys: Option<PathBuf>,
    /// Id of the key to sign with [default: the first one of the file]
    #[arg(long, value_name = "ID")]
    key: Option<String>,
    /// The room that it is for, or a pattern such as demo-*
    #[arg(long, value_name = "ROOM", required_unless_present = "inspect")]
    room: Option<String>,
    /// Its holder may publish
    #[arg(long)]
    publish: bool,
    /// Its holder may watch
    #[arg(long)]
    watch: bool,
    /// Only these streams, by name or pattern
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    stream: Vec<String>,
    /// Its holder may do all of it, and take over the streams of others
    #[arg(long)]
    admin: bool,
    /// Its holder may not say anything in the chat
    #[arg(long)]
    no_chat: bool,
    /// Its holder is not shown to the others in the room
    #[arg(long)]
    hidden: bool,
    /// Only these of camera, microphone, screen_share, screen_share_audio
    #[arg(long, value_name = "SOURCE,…", value_delimiter = ',')]
    sources: Vec<String>,
    /// Who the holder is: tokens of one identity may renew each other, and go on with each other's sessions
    #[arg(long, value_name = "ID")]
    identity: Option<String>,
    /// What the holder is called in the room
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// How long it is good, such as 90s, 10m or 6h
    #[arg(long, value_name = "TIME", default_value = "6h", value_parser = units::parse_duration)]
    expires: Duration,
    /// Says what is in this token, and with --keys whether it is good
    #[arg(long, value_name = "TOKEN", conflicts_with_all = ["room", "publish", "watch", "admin"])]
    inspect: Option<String>,
}

pub fn run(order: &Token) -> Result<(), Failure> {
    let keys = order.keys.as_deref().map(keys::read).transpose()?;
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    match &order.inspect {
        Some(token) => {
            println!("{:#}", described(token, keys, units::ms(now_ms))?);
            Ok(())
        }
        None => {
            println!("{}", made(order, &keys.unwrap_or_default(), now_ms)?);
            Ok(())
        }
    }
}

fn made(order: &Token, keys: &[ApiKey], now: Duration) -> Result<String, Failure> {
    let wanted = |key: &&ApiKey| order.key.as_deref().is_none_or(|id| key.id.as_str() == id);
    let missing = || Failure::Usage("the file has no such key: `chappe keys list` shows those that it has".to_owned());
    let key = keys.iter().find(wanted).ok_or_else(missing)?;
    if !order.publish && !order.watch && !order.admin {
        let line = "a token that permits nothing is of no use: say --publish, --watch, both, or --admin";
        return Err(Failure::Usage(line.to_owned()));
    }
    if let Some(unknown) = order.sources.iter().find(|source| !SOURCES.contains(&source.as_str())) {
        return Err(Failure::Usage(format!("--sources {unknown}: there are {}", SOURCES.join(", "))));
    }
    let minted = Minted {
        room: order.room.clone().unwrap_or_default(),
        streams: order.stream.clone(),
        publish: order.publish || order.admin,
        subscribe: order.watch || order.admin,
        data: !order.no_chat,
        admin: order.admin,
        hidden: order.hidden,
        sources: order.sources.clone(),
        identity: order.identity.clone(),
        name: order.name.clone(),
        metadata: None,
        expires_s: now.as_secs().saturating_add(order.expires.as_secs().max(1)),
        not_before_s: None,
    };
    mint(key, minted).map_err(|error| Failure::Usage(error.to_string()))
}

fn described(token: &str, keys: Option<Vec<ApiKey>>, now_ms: u64) -> Result<Value, Failure> {
    let mut text = inspect(token).map_err(|error| Failure::Refused(error.to_string()))?;
    let Some(keys) = keys else { return Ok(text) };
    let verdict = match KeyRing::new(keys, Vec::new()).verify(token, now_ms) {
        Ok(pass) => format!("good for {}", units::duration(pass.access.expires_ms.saturating_sub(now_ms))),
        Err(error) => error.to_string(),
    };
    text["verdict"] = json!(verdict);
    Ok(text)
}

const SOURCES: [&str; 4] = ["camera", "microphone", "screen_share", "screen_share_audio"];
