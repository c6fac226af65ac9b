//! Declares the flags and their help. Never checks how they go together: that is `settings`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use chappe_signaling::{BasePath, Host, IssuerSource, Network, TurnUrl};
use chappe_supervisor::LogFormat;
use chappe_supervisor_api::{AdminAuth, Auth};
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, Parser, Subcommand};

use crate::values::{name, number};

/// A WebRTC SFU: publish from a browser, watch in many. One program, no other needed; many machines share NATS.
#[derive(Debug, Parser)]
#[command(name = "chappe", version, after_help = EXAMPLES, max_term_width = 120)]
pub struct Cli {
    #[command(subcommand)]
    pub program: Option<Program>,
    #[command(flatten)]
    pub flags: Flags,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum Program {
    /// Signaling, the web page and one SFU worker per core on this machine (the default).
    Up,
    /// Signaling and the web page only, no workers on this machine.
    Signaling,
    /// Workers only, for a cluster.
    Sfu,
}

/// Each flag is also an environment variable and, under its own name, a key of the --config file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Flags {
    /// Where the web page and WHIP/WHEP listen; port 0 takes any free one [default: 127.0.0.1:8080]
    #[arg(long, env = "CHAPPE_HTTP", value_name = "ADDRESS:PORT", global = true, value_parser = address)]
    pub http: Option<SocketAddr>,
    /// Where the admin API and the metrics listen; beyond this machine with a certificate and keys [default: 127.0.0.1:8081]
    #[arg(long, env = "CHAPPE_ADMIN", value_name = "ADDRESS:PORT", global = true, value_parser = address)]
    pub admin: Option<SocketAddr>,
    /// Who may use --admin: open (whoever reaches it), key (over TLS, whoever shows a token that permits it; chappe token
    /// --operate) [default: open on this machine; key where others reach it]
    #[arg(long, env = "CHAPPE_ADMIN_AUTH", value_name = "open|key", global = true, hide_possible_values = true)]
    #[arg(value_parser = PossibleValuesParser::new(AdminAuth::NAMES).try_map(|name| name.parse::<AdminAuth>()))]
    pub admin_auth: Option<AdminAuth>,
    /// Other names under which --admin is called, beside localhost, its address and the name of the node
    #[arg(long, env = "CHAPPE_ADMIN_HOST", value_name = "NAME,…", global = true, value_delimiter = ',')]
    #[arg(value_parser = host)]
    pub admin_host: Option<Vec<String>>,
    /// Proxies and load balancers whose X-Forwarded-For and X-Forwarded-Prefix are believed, beside those on this
    /// machine: addresses or ranges such as 10.0.0.0/8
    #[arg(long, env = "CHAPPE_TRUSTED_PROXY", value_name = "IP[/BITS],…", global = true, value_delimiter = ',')]
    #[arg(value_parser = network)]
    pub trusted_proxy: Option<Vec<String>>,
    /// Path below which a proxy shows --http, such as /live; X-Forwarded-Prefix of a trusted proxy wins over it
    #[arg(long, env = "CHAPPE_BASE_PATH", value_name = "PATH", global = true, value_parser = base_path)]
    pub base_path: Option<String>,
    /// Pages, and sessions that are not connected yet, that one address (of IPv6 a /64) may have at a time
    /// [default: 2000; 10000 for this machine and proxies that do not name their clients]
    #[arg(long, env = "CHAPPE_PER_ADDRESS", value_name = "N", global = true)]
    #[arg(value_parser = number(1..=u32::MAX))]
    pub per_address: Option<u32>,
    /// Rooms at a time, with those in which only clients of other nodes are, 1 to 100000 [default: 20000]
    #[arg(long, env = "CHAPPE_ROOMS_MAX", value_name = "N", global = true)]
    #[arg(value_parser = number(1u32..=100_000))]
    pub rooms_max: Option<u32>,
    /// Members (pages in rooms) at a time, 1 to 100000 [default: 20000]
    #[arg(long, env = "CHAPPE_MEMBERS_MAX", value_name = "N", global = true)]
    #[arg(value_parser = number(1u32..=100_000))]
    pub members_max: Option<u32>,
    /// Members of one room on this node, 1 to 2000; WHEP players are none [default: 2000]
    #[arg(long, env = "CHAPPE_MEMBERS_PER_ROOM", value_name = "N", global = true)]
    #[arg(value_parser = number(1u32..=2_000))]
    pub members_per_room: Option<u32>,
    /// Streams that are published in one room, 1 to 2000 [default: 256]
    #[arg(long, env = "CHAPPE_STREAMS_PER_ROOM", value_name = "N", global = true)]
    #[arg(value_parser = number(1u32..=2_000))]
    pub streams_per_room: Option<u32>,
    /// Sessions of publishers and viewers on each worker at a time, 1 to 16384 [default: 4096]
    #[arg(long, env = "CHAPPE_SESSIONS_PER_WORKER", value_name = "N", global = true)]
    #[arg(value_parser = number(1u32..=16_384))]
    pub sessions_per_worker: Option<u32>,
    /// SFU workers, each a process on a core of its own: max (one per core) or 1 to 256 [default: max]
    #[arg(long, env = "CHAPPE_WORKERS", value_name = "max|N", global = true, value_parser = workers)]
    pub workers: Option<Workers>,
    /// Of more than ten that send sound each viewer hears so many, the loudest; 0 for all [default: 5]
    #[arg(long, env = "CHAPPE_LOUDEST", value_name = "N", global = true)]
    #[arg(value_parser = number(0u8..=32))]
    pub loudest: Option<u8>,
    /// UDP and TCP port of worker 0; worker i uses this plus i; 0 takes any free ones [default: 7000]
    #[arg(long, env = "CHAPPE_MEDIA_PORT", value_name = "PORT", global = true, value_parser = port)]
    pub media_port: Option<u16>,
    /// Address at which clients reach this machine behind NAT, one IPv4 and one IPv6 at most
    /// [default: the addresses of the interfaces]
    #[arg(long, env = "CHAPPE_PUBLIC_IP", value_name = "IP[,IP6]", global = true, value_delimiter = ',')]
    #[arg(value_parser = ip)]
    pub public_ip: Option<Vec<IpAddr>>,
    /// Who may publish and watch: open (no tokens, this machine only), public (no tokens, anyone who
    /// reaches --http), jwt (whoever shows a token that permits it) [default: open]
    #[arg(long, env = "CHAPPE_AUTH", value_name = "open|public|jwt", global = true, hide_possible_values = true)]
    #[arg(value_parser = PossibleValuesParser::new(Auth::NAMES).try_map(|name| name.parse::<Auth>()))]
    pub auth: Option<Auth>,
    /// Certificate of --http with its chain, in PEM form: the pages are at https:// then. Read again when it changes
    #[arg(long, env = "CHAPPE_TLS_CERT", value_name = "FILE", global = true)]
    pub tls_cert: Option<PathBuf>,
    /// Private key of --tls-cert, in PEM form
    #[arg(long, env = "CHAPPE_TLS_KEY", value_name = "FILE", global = true)]
    pub tls_key: Option<PathBuf>,
    /// dev makes a certificate for this machine and its addresses, for tries with phones in the same network; acme gets
    /// one for --acme-domain from an authority (Let's Encrypt), and another one in good time [default: off]
    #[arg(long, env = "CHAPPE_TLS", value_name = "off|dev|acme", global = true, hide_possible_values = true)]
    pub tls: Option<TlsMode>,
    /// Domains of the certificate of --tls acme; port 443 of each leads to --http
    #[arg(long, env = "CHAPPE_ACME_DOMAIN", value_name = "NAME,…", global = true, value_delimiter = ',')]
    #[arg(value_parser = domain)]
    pub acme_domain: Option<Vec<String>>,
    /// Says that you agree to the terms of the authority of --tls acme
    #[arg(long, env = "CHAPPE_ACME_TERMS", value_name = "agreed", global = true, hide_possible_values = true)]
    #[arg(value_parser = PossibleValuesParser::new(["agreed"]))]
    pub acme_terms: Option<String>,
    /// Where the authority of --tls acme writes to when something is wrong
    #[arg(long, env = "CHAPPE_ACME_EMAIL", value_name = "ADDRESS", global = true, value_parser = email)]
    pub acme_email: Option<String>,
    /// Authority of --tls acme: letsencrypt, letsencrypt-staging (for tries) or the URL of the directory of another one
    /// [default: letsencrypt]
    #[arg(long, env = "CHAPPE_ACME_SERVER", value_name = "NAME|URL", global = true, value_parser = acme_server)]
    pub acme_server: Option<String>,
    /// Folder in which --tls acme keeps accounts and certificates [default: $XDG_STATE_HOME/chappe/acme]
    #[arg(long, env = "CHAPPE_ACME_STATE", value_name = "FOLDER", global = true)]
    pub acme_state: Option<PathBuf>,
    /// Runs a TURN server here, over UDP, TCP and, with a certificate, TLS, for clients that reach media ports neither over
    /// UDP nor over TCP; it relays to the nodes' media ports only
    #[arg(long, env = "CHAPPE_TURN", value_name = "ADDRESS:PORT", global = true, value_parser = address)]
    pub turn: Option<SocketAddr>,
    /// TURN servers that clients are told, for those that reach media ports neither over UDP nor over TCP: coturn with
    /// use-auth-secret, which shares --turn-secret
    #[arg(long, env = "CHAPPE_TURN_URL", value_name = "turn:HOST:PORT,…", global = true, value_delimiter = ',')]
    #[arg(value_parser = turn_url)]
    pub turn_url: Option<Vec<String>>,
    /// Secret that the servers of --turn-url share (static-auth-secret of coturn): a line of at least 16 characters
    #[arg(long, env = "CHAPPE_TURN_SECRET", value_name = "FILE", global = true)]
    pub turn_secret: Option<PathBuf>,
    /// File of API keys that tokens are checked with, a line `id: secret` each (chappe keys add makes it); the variable
    /// CHAPPE_API_KEYS has more of them, separated by commas, and so may the store of the cluster
    #[arg(long, env = "CHAPPE_KEYS", value_name = "FILE", global = true)]
    pub keys: Option<PathBuf>,
    /// Foreign issuers of tokens (`iss`) with their public keys (JWKS), in a file or at a URL that is asked again and
    /// again: https://id.example=/etc/jwks.json, https://id.example=https://id.example/.well-known/jwks.json
    #[arg(long, env = "CHAPPE_JWKS", value_name = "ISSUER=FILE|URL,…", global = true, value_delimiter = ',')]
    #[arg(value_parser = issuer)]
    pub jwks: Option<Vec<String>>,
    /// Joins the nodes that share rooms over these NATS servers: nats://HOST:PORT,… with user:password@ or
    /// tls:// where they ask for it, and ?creds=FILE, nkey=FILE, token=…, tls_ca=FILE, replicas=3
    #[arg(long, env = "CHAPPE_CLUSTER", value_name = "nats://HOST:PORT,…", global = true)]
    pub cluster: Option<String>,
    /// Name of this node, 1 to 64 of A–Z a–z 0–9 . _ - [default: the host name]
    #[arg(long, env = "CHAPPE_NODE", value_name = "NAME", global = true, value_parser = name)]
    pub node: Option<String>,
    /// Region of this node, for placement in a cluster, named like a node
    #[arg(long, env = "CHAPPE_REGION", value_name = "NAME", global = true, value_parser = name)]
    pub region: Option<String>,
    /// Receivers that are told of what happens here (webhooks), signed with --webhook-secrets
    #[arg(long, env = "CHAPPE_WEBHOOK", value_name = "URL,…", global = true, value_delimiter = ',')]
    #[arg(value_parser = webhook)]
    pub webhook: Option<Vec<String>>,
    /// Secrets that webhooks are signed with, one or two lines of whsec_ and 24 to 64 bytes in Base64
    #[arg(long, env = "CHAPPE_WEBHOOK_SECRETS", value_name = "FILE", global = true)]
    pub webhook_secrets: Option<PathBuf>,
    /// Folder in which what receivers have not got yet outlives the node [default: $XDG_STATE_HOME/chappe/webhooks]
    #[arg(long, env = "CHAPPE_WEBHOOK_STATE", value_name = "FOLDER", global = true)]
    pub webhook_state: Option<PathBuf>,
    /// Collector that is told the steps of each join (OpenTelemetry, OTLP over HTTP), such as http://127.0.0.1:4318; the
    /// variable OTEL_EXPORTER_OTLP_ENDPOINT names one, too [default: off]
    #[arg(long, env = "CHAPPE_OTLP_ENDPOINT", value_name = "URL|off", global = true, value_parser = collector)]
    pub otlp_endpoint: Option<String>,
    /// Rooms that /metrics names, those with most in them, all others being told together: 0 (none) to 200 [default: 20]
    #[arg(long, env = "CHAPPE_ROOM_METRICS", value_name = "N", global = true)]
    #[arg(value_parser = number(0u16..=200))]
    pub room_metrics: Option<u16>,
    /// How log lines look [default: text]
    #[arg(long, env = "CHAPPE_LOG", value_name = "text|json", global = true, hide_possible_values = true)]
    pub log: Option<LogFormat>,
    /// Which log lines there are: debug, or info,chappe_signaling=debug for one part; wins over RUST_LOG [default: info]
    #[arg(long, env = "CHAPPE_LOG_FILTER", value_name = "FILTER", global = true, value_parser = log_filter)]
    pub log_filter: Option<String>,
    /// File that all log lines are written to as well, each with its node and process; opened anew at SIGHUP
    #[arg(long, env = "CHAPPE_LOG_FILE", value_name = "FILE", global = true)]
    pub log_file: Option<PathBuf>,
    /// Size at which another log file begins and that of before gets a number: 64k to 1000G [default: 64M]
    #[arg(long, env = "CHAPPE_LOG_FILE_SIZE", value_name = "BYTES", global = true, value_parser = file_size)]
    pub log_file_size: Option<u64>,
    /// Log files that are kept, the one that is written among them: 1 to 1000 [default: 8]
    #[arg(long, env = "CHAPPE_LOG_FILES", value_name = "N", global = true)]
    #[arg(value_parser = number(1u16..=1000))]
    pub log_files: Option<u16>,
    /// Keeps a JSON file with the addresses in use and the process ids, removed at the end
    #[arg(long, env = "CHAPPE_STATE_FILE", value_name = "FILE", global = true)]
    pub state_file: Option<PathBuf>,
    /// Reads settings from a TOML file; a flag or an environment variable wins over it
    #[arg(long, env = "CHAPPE_CONFIG", value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workers {
    /// One per core that this process may use.
    Max,
    Count(u16),
}

/// `--tls`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum TlsMode {
    /// None but that of --tls-cert.
    Off,
    /// A certificate that is made here.
    Dev,
    /// One that an authority gives.
    Acme,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let numeric = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    numeric.parse().map_err(|_| "wants an address and a port, for example 127.0.0.1:8080 or [::]:8080".to_owned())
}

fn workers(text: &str) -> Result<Workers, String> {
    match text.parse() {
        _ if text == "max" => Ok(Workers::Max),
        Ok(0) => Err("a node without workers is `chappe signaling`".to_owned()),
        Ok(count @ 1..=WORKERS_MAX) => Ok(Workers::Count(count)),
        Ok(_) | Err(_) => Err(format!("wants max or a number from 1 to {WORKERS_MAX}")),
    }
}

fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| "wants a port from 1 to 65535, or 0 for any free one".to_owned())
}

fn ip(text: &str) -> Result<IpAddr, String> {
    match text.trim().parse::<IpAddr>() {
        Ok(ip) if !ip.is_unspecified() && !ip.is_multicast() => Ok(ip),
        Ok(_) | Err(_) => Err("wants the address clients connect to, for example 203.0.113.7".to_owned()),
    }
}

fn host(text: &str) -> Result<String, String> {
    match Host::parse(text.trim()) {
        Some(_) => Ok(text.trim().to_owned()),
        None => Err("wants names without a port, for example ops.example.org".to_owned()),
    }
}

/// As browsers name it; one with a star is given for other proofs than ours.
fn domain(text: &str) -> Result<String, String> {
    let name = text.trim().to_ascii_lowercase();
    let is_name = Host::parse(&name).is_some() && name.parse::<IpAddr>().is_err();
    if is_name && !name.contains(['*', '[', ':']) {
        return Ok(name);
    }
    Err("wants domains, for example live.example.org".to_owned())
}

fn email(text: &str) -> Result<String, String> {
    let is_address = text.split_once('@').is_some_and(|(who, at)| !who.is_empty() && !at.is_empty());
    if is_address && !text.contains([' ', ',', '\n']) {
        return Ok(text.to_owned());
    }
    Err("wants an address such as ops@example.org".to_owned())
}

fn acme_server(text: &str) -> Result<String, String> {
    match text {
        "letsencrypt" => Ok("https://acme-v02.api.letsencrypt.org/directory".to_owned()),
        "letsencrypt-staging" => Ok("https://acme-staging-v02.api.letsencrypt.org/directory".to_owned()),
        url if url
            .strip_prefix("https://")
            .is_some_and(|rest| !rest.starts_with('/') && !rest.contains([' ', '@'])) =>
        {
            Ok(url.to_owned())
        }
        _ => Err("wants letsencrypt, letsencrypt-staging or https://HOST/PATH of a directory".to_owned()),
    }
}

fn network(text: &str) -> Result<String, String> {
    Network::parse(text).map(|_| text.to_owned()).map_err(|problem| problem.to_string())
}

fn base_path(text: &str) -> Result<String, String> {
    BasePath::parse(text).map(|path| path.to_string()).map_err(|problem| problem.to_string())
}

fn webhook(text: &str) -> Result<String, String> {
    let text = text.trim();
    // Not by the parser of the command line, which would repeat what may be a password: `settings` refuses it.
    if text.contains('@') {
        return Ok(text.to_owned());
    }
    chappe_signaling::check_receiver(text).map(|_| text.to_owned())
}

fn collector(text: &str) -> Result<String, String> {
    match text.trim() {
        "off" => Ok("off".to_owned()),
        text => chappe_signaling::check_collector(text),
    }
}

fn turn_url(text: &str) -> Result<String, String> {
    TurnUrl::parse(text.trim()).map(|url| url.to_string()).map_err(|problem| problem.to_string())
}

fn log_filter(text: &str) -> Result<String, String> {
    chappe_supervisor::check_log_filter(text).map(|()| text.to_owned())
}

fn file_size(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.char_indices().last() {
        Some((end, 'k' | 'K')) => (&text[..end], 10),
        Some((end, 'm' | 'M')) => (&text[..end], 20),
        Some((end, 'g' | 'G')) => (&text[..end], 30),
        _ => (text, 0),
    };
    let bytes = digits.parse::<u32>().ok().map(|count| u64::from(count) << shift);
    bytes
        .filter(|bytes| (FILE_BYTES_MIN..=FILE_BYTES_MAX).contains(bytes))
        .ok_or_else(|| "wants a size from 64k to 1000G, for example 64M".to_owned())
}

fn issuer(text: &str) -> Result<String, String> {
    IssuerSource::parse(text.trim()).map(|_| text.trim().to_owned())
}

pub const WORKERS_MAX: u16 = 256;
const FILE_BYTES_MIN: u64 = 64 << 10;
const FILE_BYTES_MAX: u64 = 1000 << 30;

const EXAMPLES: &str = "\
Examples:
  chappe                                        try it: open http://localhost:8080 on this machine
  chappe --http 0.0.0.0:8080 --auth public      let the local network publish and watch
  chappe --http 0.0.0.0:8080 --auth jwt --keys /etc/chappe.keys
                                                who shows a token may (chappe keys add, chappe token)
  chappe --http 0.0.0.0:8080 --auth public --public-ip 203.0.113.7
                                                on a server behind 1:1 NAT (EC2, GCE)
  chappe --http 0.0.0.0:8080 --auth public --cluster nats://10.0.0.9:4222 --region eu
                                                one node of a cluster: the same on each machine
  chappe --http 0.0.0.0:443 --auth public --tls-cert fullchain.pem --tls-key privkey.pem
                                                https:// without a proxy
  chappe --http 0.0.0.0:443 --auth public --tls acme --acme-domain live.example.org --acme-terms agreed
                                                https:// with a certificate from Let's Encrypt
  chappe --http 0.0.0.0:8443 --auth public --tls dev
                                                publish from a phone in this network
  chappe sfu --cluster nats://10.0.0.9:4222     a node that only carries media
  chappe --workers 2 --media-port 20000         two workers, on UDP and TCP ports 20000 and 20001
  chappe --config /etc/chappe.toml              settings from a file; its keys are the flags without --, and
                                                kill -HUP takes up what has changed there
  chappe --log-filter debug --log json          more log, one JSON object per line

Operate nodes that run (each has --help): chappe ls, top, rooms, streams, session, mute, kick, doctor,
logs, scale, reload, restart, drain, load, keys, token, config, completions.

Browsers give a page the camera on http://localhost and on https:// only: on a network, name a certificate
(--tls-cert, --tls acme, --tls dev) or put a TLS proxy in front. Open in a firewall: the port of --http (TCP) and the media ports (UDP and TCP).";
