//! Declares the operator's commands and their help. Never asks a node.

use std::path::PathBuf;
use std::time::Duration;

use chappe_signaling_access::KeyId;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::results::Results;
use super::token_order::Token;
use super::units;
use crate::values::{name, number};

/// Operates a running node, and with it the cluster it belongs to.
#[derive(Debug, Parser)]
#[command(name = "chappe", version, max_term_width = 120, disable_help_subcommand = true)]
pub struct CommandLine {
    #[command(subcommand)]
    pub order: Order,
}

#[derive(Debug, Subcommand)]
pub enum Order {
    /// Lists the workers of all nodes, with what they carry and what they cost.
    #[command(after_help = "Example:\n  chappe ls --json | jq -r '.[] | select(.state != \"serving\") | .id'")]
    Ls(Listing),
    /// Shows workers, rooms, streams and sessions live; keys sort them and look into one.
    #[command(
        after_help = "Examples:\n  chappe top --interval 5s\n  chappe top --json | jq '[.workers[].bits_per_second_out] | add'\n\nKeys: 1 to 4 or Tab choose what is shown, arrows a row, Enter looks into it, Esc goes back, s sorts by the next column, r reverses, q quits."
    )]
    Top(Top),
    /// Lists the rooms in which someone or something is.
    #[command(after_help = "Example:\n  chappe rooms --admin http://10.0.0.7:8081")]
    Rooms(Listing),
    /// Lists the streams that are published.
    #[command(after_help = "Example:\n  chappe streams --json | jq -r '.[] | [.id, .viewers] | @tsv'")]
    Streams(Listing),
    /// Shows one session with its counters, or lists those of the node that is asked.
    #[command(
        after_help = "Examples:\n  chappe session --list\n  chappe session 3f2c… --json | jq .stats.round_trip_ms"
    )]
    Session(Look),
    /// Mutes what a session publishes, of whichever node: nobody gets it, whatever the client sends, until it is undone.
    #[command(after_help = "Examples:\n  chappe mute 3f2c… --audio\n  chappe mute 3f2c… --audio --undo")]
    Mute(Mute),
    /// Ends a session, of whichever node; its client may come back.
    #[command(after_help = "Example:\n  chappe kick 3f2c…")]
    Kick(OfSession),
    /// Looks for what keeps a node from being reached or from carrying load, each with the remedy.
    #[command(after_help = "Example:\n  chappe doctor --json | jq '.[] | select(.verdict == \"fail\")'")]
    Doctor(Listing),
    /// Prints the newest log lines of a node and its workers, and follows them.
    #[command(
        after_help = "Examples:\n  chappe logs --worker 1 -f\n  chappe logs --worker supervisor --lines 1000\n  chappe logs --node node-b -f"
    )]
    Logs(Logs),
    /// Adds or removes workers while the node runs; those that go are emptied first.
    #[command(after_help = "Examples:\n  chappe scale 4\n  chappe scale 4 --node node-b")]
    Scale(Scale),
    /// Replaces all processes of a node one after the other, by another program where one is given.
    #[command(after_help = "Examples:\n  chappe reload --binary /opt/chappe-1.1/chappe\n  chappe reload --all")]
    Reload(Reload),
    /// Empties a node and ends it: page sessions move to other nodes, plain clients are waited for.
    #[command(after_help = "Examples:\n  chappe drain --deadline 10m\n  chappe drain node-b --cancel")]
    Drain(Drain),
    /// Replaces the process of a worker: its page sessions move first, plain clients are waited for.
    #[command(after_help = "Example:\n  chappe restart --worker 1 --deadline 30s")]
    Restart(Restart),
    /// Makes, lists and revokes API keys, in a file or in the store of a running cluster.
    #[command(
        arg_required_else_help = false,
        after_help = "Examples:\n  chappe keys add --keys /etc/chappe.keys\n  chappe keys revoke key-0123456789ab --keys /etc/chappe.keys"
    )]
    Keys(Keys),
    /// Prints a token that lets its holder publish or watch, or says what is in one.
    #[command(
        after_help = "Examples:\n  chappe token --keys /etc/chappe.keys --room demo --publish --stream cam --expires 6h\n  chappe token --keys /etc/chappe.keys --inspect eyJ…"
    )]
    Token(Box<Token>),
    /// Loads servers with synthetic publishers and viewers, and tells what these saw.
    #[command(
        after_help = "Examples:\n  chappe load http://127.0.0.1:8080 --viewers 200 --ramp 10s\n  chappe load http://a:8080 http://b:8080 --rooms 5 --publishers 2 --profile audio --json\n  chappe load --whip 'http://m:1985/rtc/v1/whip/?app={room}&stream={stream}' --whep 'http://m:1985/rtc/v1/whep/?app={room}&stream={stream}'"
    )]
    Load(Box<Load>),
    /// Prints a script that completes commands and flags.
    #[command(
        after_help = "Example:\n  chappe completions bash > /etc/bash_completion.d/chappe\n\nThe script is for the shell: there is no --json."
    )]
    Completions {
        /// The shell it is for: bash, elvish, fish, powershell or zsh
        #[arg(value_name = "SHELL", hide_possible_values = true)]
        shell: Shell,
    },
    /// Prints every setting of a node as a chappe.toml, with default, unit, range and variable.
    #[command(after_help = "Example:\n  chappe config > /etc/chappe.toml")]
    Config {
        /// Prints an array of objects
        #[arg(long)]
        json: bool,
    },
}

/// Which node is asked.
#[derive(Debug, Clone, Default, Args)]
pub struct Target {
    /// Admin listener of any node of the cluster, such as http://127.0.0.1:8081 [default: the node that runs on this
    /// machine]
    #[arg(long, env = "CHAPPE_ADMIN", value_name = "URL", global = true)]
    pub admin: Option<String>,
    /// Token that permits operating the node, where it asks for one: chappe token --operate makes it
    #[arg(long, env = "CHAPPE_TOKEN", value_name = "TOKEN", hide_env_values = true, global = true)]
    pub token: Option<String>,
    /// Certificate of the authority that signed the admin listener's, in PEM form [default: those that this machine trusts]
    #[arg(long, env = "CHAPPE_ADMIN_CA", value_name = "FILE", global = true)]
    pub admin_ca: Option<PathBuf>,
    /// State file of a node on this machine, which names its admin listener
    #[arg(long, env = "CHAPPE_STATE_FILE", value_name = "FILE", global = true)]
    pub state_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Listing {
    #[command(flatten)]
    pub target: Target,
    /// Prints the array of the admin API instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Top {
    #[command(flatten)]
    pub target: Target,
    /// How often the node is asked, such as 500ms or 5s
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = units::parse_pause)]
    pub interval: Duration,
    /// Prints the workers as an object on a line, each time, until it is ended
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Look {
    #[command(flatten)]
    pub target: Target,
    /// Of the session, as `chappe session --list` and the admin API call it
    #[arg(
        value_name = "ID",
        required_unless_present = "list",
        conflicts_with = "list",
        default_value = "",
        hide_default_value = true
    )]
    pub id: String,
    /// Lists the sessions of the node that is asked
    #[arg(long)]
    pub list: bool,
    /// Prints what the admin API answers instead of a table
    #[arg(long)]
    pub json: bool,
}

/// One session of any node, for a command that does something to it.
#[derive(Debug, Args)]
pub struct OfSession {
    #[command(flatten)]
    pub target: Target,
    #[command(flatten)]
    pub results: Results,
    /// Of the session, as `chappe session --list` and the admin API call it
    #[arg(value_name = "ID")]
    pub id: String,
}

#[derive(Debug, Args)]
pub struct Mute {
    #[command(flatten)]
    pub of: OfSession,
    /// Its sound alone
    #[arg(long, conflicts_with = "video")]
    pub audio: bool,
    /// Its pictures alone
    #[arg(long)]
    pub video: bool,
    /// Takes it back
    #[arg(long)]
    pub undo: bool,
}

#[derive(Debug, Args)]
pub struct Logs {
    #[command(flatten)]
    pub target: Target,
    /// Name of the node [default: the one that is asked]
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub node: Option<String>,
    /// Of one process only: the number of a worker, signaling, or supervisor
    #[arg(long, value_name = "W")]
    pub worker: Option<String>,
    /// How many lines that were written already are printed
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100, value_parser = number(0..=usize::MAX))]
    pub lines: usize,
    /// Lines of the last so long only, such as 90s, 10m or 2h
    #[arg(long, value_name = "TIME", value_parser = units::parse_duration)]
    pub since: Option<Duration>,
    /// Goes on with the lines that come
    #[arg(long, short = 'f')]
    pub follow: bool,
    /// Prints an object on each line, with its node and process
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Load {
    /// Servers: clients begin at one after the other, and go to the next when their session dies
    #[arg(value_name = "http[s]://HOST:PORT", required_unless_present_all = ["whip", "whep"])]
    pub urls: Vec<String>,
    /// Where to publish instead; for other servers a URL with {room} and {stream} in it
    #[arg(long, value_name = "URL,…", value_delimiter = ',')]
    pub whip: Vec<String>,
    /// Where to watch instead
    #[arg(long, value_name = "URL,…", value_delimiter = ',')]
    pub whep: Vec<String>,
    /// What the names of the rooms begin with
    #[arg(long, value_name = "NAME", default_value = "load", value_parser = name)]
    pub room: String,
    /// How many rooms
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = number(1u16..=1000))]
    pub rooms: u16,
    /// Publishers in each room
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = number(1u16..=1000))]
    pub publishers: u16,
    /// Viewers of each publisher
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = number(0u16..=20_000))]
    pub viewers: u16,
    /// What each publisher sends: Opus at 32 kbit/s, VP8 at 0.6 Mbit/s or VP8 at 2.3 Mbit/s
    #[arg(long, value_enum, default_value_t = Profile::P720)]
    pub profile: Profile,
    /// The viewers come over this time, such as 10s
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = units::parse_duration)]
    pub ramp: Duration,
    /// How long, from the first viewer on
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = units::parse_pause)]
    pub duration: Duration,
    /// Shown with each request
    #[arg(long, env = "CHAPPE_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Certificate of the authority that signed those of the servers, in PEM form [default: those that this machine trusts]
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Prints JSON instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    Audio,
    #[value(name = "360p")]
    P360,
    #[value(name = "720p")]
    P720,
}

#[derive(Debug, Args)]
pub struct Scale {
    #[command(flatten)]
    pub target: Target,
    #[command(flatten)]
    pub results: Results,
    /// How many workers the node is to have, 1 to 256
    #[arg(value_name = "N", value_parser = number(1u16..=256), allow_negative_numbers = true)]
    pub workers: u16,
    /// Name of the node [default: the one that is asked]
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub node: Option<String>,
    /// How long clients that can't be moved are waited for, such as 90s, 10m or 2h
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = units::parse_duration)]
    pub deadline: Duration,
    /// Returns at once instead of waiting until the node has as many
    #[arg(long)]
    pub no_wait: bool,
}

#[derive(Debug, Args)]
pub struct Reload {
    #[command(flatten)]
    pub target: Target,
    #[command(flatten)]
    pub results: Results,
    /// Name of the node [default: the one that is asked]
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub node: Option<String>,
    /// All nodes of the cluster, one after the other, the one that is asked last
    #[arg(long, conflicts_with_all = ["node", "binary"])]
    pub all: bool,
    /// The program that processes are started from, from now on [default: the one that runs]
    #[arg(long, value_name = "PATH")]
    pub binary: Option<PathBuf>,
    /// How long clients that can't be moved are waited for, at each worker
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = units::parse_duration)]
    pub deadline: Duration,
}

#[derive(Debug, Args)]
pub struct Drain {
    #[command(flatten)]
    pub target: Target,
    #[command(flatten)]
    pub results: Results,
    /// Name of the node [default: the one that is asked]
    #[arg(value_name = "NODE", value_parser = name)]
    pub node: Option<String>,
    /// How long clients that can't be moved are waited for, such as 90s, 10m or 2h
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = units::parse_duration)]
    pub deadline: Duration,
    /// Takes a drain back: the node takes sessions again
    #[arg(long, conflicts_with_all = ["deadline", "no_wait"])]
    pub cancel: bool,
    /// Returns at once instead of waiting until the node has ended
    #[arg(long)]
    pub no_wait: bool,
}

#[derive(Debug, Args)]
pub struct Restart {
    #[command(flatten)]
    pub target: Target,
    #[command(flatten)]
    pub results: Results,
    /// The worker: its number on the node that is asked, or NODE/NUMBER
    #[arg(long, value_name = "W")]
    pub worker: String,
    /// How long clients that can't be moved are waited for, such as 90s, 10m or 2h
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = units::parse_duration)]
    pub deadline: Duration,
    /// Returns at once instead of waiting until the next process serves
    #[arg(long)]
    pub no_wait: bool,
}

#[derive(Debug, Args)]
pub struct Keys {
    #[command(subcommand)]
    pub order: KeysOrder,
    /// File of the keys, as chappe --keys names it [default: the store of the cluster that the node belongs to]
    #[arg(long, env = "CHAPPE_KEYS", value_name = "FILE", global = true)]
    pub keys: Option<PathBuf>,
    #[command(flatten)]
    pub target: Target,
    /// Prints JSON
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum KeysOrder {
    /// Makes a key and prints its id and secret; a file that is not there is made, for its owner alone
    Add,
    /// Prints the ids of the keys
    List,
    /// Makes a key void: nodes refuse its tokens within a second and end what was begun with them
    Revoke {
        #[arg(value_name = "ID", value_parser = key_id)]
        id: KeyId,
    },
}

fn key_id(text: &str) -> Result<KeyId, String> {
    KeyId::parse(text).map_err(|error| error.to_string())
}
