//! `chappe token`: makes tokens with a key of a file, and says what is in one. Never asks a node.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chappe_signaling_access::{ApiKey, KeyId, KeyRing, Minted, TokenError, inspect, mint};
use serde_json::{Value, json};

use super::token_order::Token;
use super::{keys, units};
use crate::failure::Failure;
use crate::key_file::{self, KEYS_VARIABLE};
use crate::output;

pub fn run(order: &Token) -> Result<(), Failure> {
    let keys = match &order.keys {
        Some(file) => Some(keys::read(file)?),
        None => key_file::of_environment()?,
    };
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    match &order.inspect {
        Some(token) => output::line(format_args!("{:#}", described(token, keys, units::ms(now_ms))?)),
        None => {
            let keys = keys.unwrap_or_default();
            let (key, token) = made(order, &keys, now_ms)?;
            let expires_ms = units::ms(now_ms + order.expires);
            order.results.tell(&token, &json!({ "token": token, "key": key.as_str(), "expires_ms": expires_ms }))
        }
    }
}

/// With the id of the key that signs it.
fn made<'a>(order: &Token, keys: &'a [ApiKey], now: Duration) -> Result<(&'a KeyId, String), Failure> {
    let wanted = |key: &&ApiKey| order.key.as_deref().is_none_or(|id| key.id.as_str() == id);
    let key = keys.iter().find(wanted).ok_or_else(|| missing(order))?;
    if !order.publish && !order.watch && !order.admin && !order.operate {
        let line = "a token that permits nothing is of no use: say --publish, --watch, both, --admin, or --operate";
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
        operate: order.operate,
        hidden: order.hidden,
        sources: order.sources.clone(),
        identity: order.identity.clone(),
        name: order.name.clone(),
        metadata: None,
        expires_s: now.as_secs().saturating_add(order.expires.as_secs()),
        not_before_s: None,
    };
    let token = mint(key, minted).map_err(|error| Failure::Usage(error.to_string()))?;
    Ok((&key.id, token))
}

fn missing(order: &Token) -> Failure {
    let Some(file) = order.keys.as_deref().map(Path::display) else {
        return Failure::Usage(format!(
            "no key signs it: name a file with --keys FILE (`chappe keys add --keys FILE` makes one), or say \
             {KEYS_VARIABLE}=ID:SECRET"
        ));
    };
    Failure::Usage(match &order.key {
        Some(id) => format!("--keys {file} has no key {id}: `chappe keys list --keys {file}` shows those that it has"),
        None => format!("--keys {file} has no key: `chappe keys add --keys {file}` makes one"),
    })
}

fn described(token: &str, keys: Option<Vec<ApiKey>>, now_ms: u64) -> Result<Value, Failure> {
    let unreadable =
        |error: TokenError| Failure::Usage(format!("--inspect: {error}; `chappe token --keys FILE` makes one"));
    let mut text = inspect(token).map_err(unreadable)?;
    let Some(keys) = keys else { return Ok(text) };
    let ring = KeyRing::new(keys, Vec::new());
    let verdict = match ring.verify(token, now_ms) {
        Err(_) if ring.verify_operator(token, now_ms).is_ok() => "good for operating nodes".to_owned(),
        Ok(pass) => format!("good for {}", units::duration(pass.access.expires_ms.saturating_sub(now_ms))),
        Err(error) => error.to_string(),
    };
    text["verdict"] = json!(verdict);
    Ok(text)
}

const SOURCES: [&str; 4] = ["camera", "microphone", "screen_share", "screen_share_audio"];
