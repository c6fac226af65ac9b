//! What the admin API says of nodes, workers, rooms and streams, as far as the tables show it.

use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
pub struct Node {
    pub node: String,
    /// Of the node that was asked only.
    pub pid: Option<u32>,
    pub state: String,
    /// Tells its signaling process from the one before.
    pub started_ms: u64,
    pub sessions: u64,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Worker {
    /// `NODE/INDEX`.
    pub id: String,
    pub node: String,
    pub index: u16,
    pub pid: Option<u32>,
    /// Names the process.
    pub boot: Option<String>,
    pub state: String,
    pub uptime_ms: Option<u64>,
    pub restarts: u64,
    pub cpu: f64,
    pub rss_bytes: u64,
    pub sessions: u32,
    pub bits_per_second_in: u64,
    pub bits_per_second_out: u64,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Room {
    pub room: String,
    pub streams: u64,
    pub members: u64,
    pub players: u64,
    pub workers: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Stream {
    pub room: String,
    pub stream: String,
    pub worker: String,
    pub since_ms: u64,
    pub viewers: u64,
    pub tracks: Vec<Track>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Track {
    pub kind: String,
    pub codec: Option<String>,
    pub active: bool,
    /// An operator muted it. A node of an older version does not say it.
    #[serde(default)]
    pub moderated: bool,
}
