//! Declares what `chappe token` is told. Never makes a token.

use std::path::PathBuf;
use std::time::Duration;

use chappe_signaling_access::Pattern;
use clap::Args;

use super::results::Results;
use super::units;
use crate::values::words;

#[derive(Debug, Args)]
pub struct Token {
    #[command(flatten)]
    pub results: Results,
    /// File of the keys [default: those of the variable CHAPPE_API_KEYS, id:secret, …]
    #[arg(long, env = "CHAPPE_KEYS", value_name = "FILE")]
    pub keys: Option<PathBuf>,
    /// Id of the key to sign with [default: the first one]
    #[arg(long, value_name = "ID")]
    pub key: Option<String>,
    /// The room that it is for, or a pattern such as demo-*
    #[arg(long, value_name = "ROOM", required_unless_present_any = ["inspect", "operate"], value_parser = pattern)]
    pub room: Option<String>,
    /// Its holder may publish
    #[arg(long)]
    pub publish: bool,
    /// Its holder may watch
    #[arg(long)]
    pub watch: bool,
    /// Only these streams, by name or pattern
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = pattern)]
    pub stream: Vec<String>,
    /// Its holder may do all of it, and take over the streams of others
    #[arg(long)]
    pub admin: bool,
    /// Its holder may operate the nodes through their admin listeners, and nothing else (CHAPPE_TOKEN of chappe ls …)
    #[arg(long, conflicts_with_all = ["room", "publish", "watch", "admin"])]
    pub operate: bool,
    /// Its holder may not say anything in the chat
    #[arg(long)]
    pub no_chat: bool,
    /// Its holder is not shown to the others in the room
    #[arg(long)]
    pub hidden: bool,
    /// Only these of camera, microphone, screen_share, screen_share_audio
    #[arg(long, value_name = "SOURCE,…", value_delimiter = ',')]
    pub sources: Vec<String>,
    /// Who the holder is: tokens of one identity may renew each other, and go on with each other's sessions
    #[arg(long, value_name = "ID", value_parser = words)]
    pub identity: Option<String>,
    /// What the holder is called in the room
    #[arg(long, value_name = "NAME", value_parser = words)]
    pub name: Option<String>,
    /// How long it is good, such as 90s, 10m or 6h
    #[arg(long, value_name = "TIME", default_value = "6h", value_parser = units::parse_lifetime)]
    pub expires: Duration,
    /// Says what is in this token, and with --keys whether it is good
    #[arg(long, value_name = "TOKEN", conflicts_with_all = ["room", "publish", "watch", "admin", "operate"])]
    pub inspect: Option<String>,
}

fn pattern(text: &str) -> Result<String, String> {
    Pattern::parse(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}
