//! Owns the state of the process and what clients, operators and other nodes ask of it: publishing, watching, going on,
//! leaving. Never speaks HTTP, WebSocket or NATS: who calls renders what comes back.
//!
//! All state is in one [`ServiceState`] behind one lock, whose holds are measured (`lock.rs`) and never last across an
//! await, and commands and events are queued while it is held: whatever the registry decided first also
//! reaches workers and pages first.

#![forbid(unsafe_code)]

mod callers;
mod clock;
mod cluster;
mod deliveries;
mod drain;
mod effects;
#[cfg(any(test, feature = "harness"))]
pub mod harness;
mod lock;
mod news;
mod pages;
mod refusal;
mod relays;
mod request;
mod service;
mod sessions;
mod state;
mod unlocked;
mod workers;

pub use callers::caller::Caller;
pub use callers::limits::AddressLimits;
pub use callers::refusals::{Counted, Refusals};
pub use callers::shares::{Share, Shares};
pub use clock::unix_ms;
pub use cluster::handle::{ANSWER_WITHIN, AskError, Cluster, Identity};
pub use cluster::message::{NodeNotice, NodeReply, NodeRequest, part_of};
pub use cluster::outgoing::{Outgoing, room_subject};
pub use cluster::presence::VERSION;
pub use cluster::process_order::{LogBatch, ProcessOrder, ProcessOutcome};
pub use cluster::record::record_key;
pub use drain::file::DrainFile;
pub use lock::{HoldTimes, StateTurn};
pub use pages::event::{PageEvent, PageLink, PageMessage, SharedEvent, ShownStream, ShownTrack, Welcome};
pub use refusal::{BadView, Limit, Refusal, RemoteRefusal};
pub use relays::keys::RelaySecret;
pub use request::{Answered, Join, Joined, PatchOutcome, Precondition, PublishRequest, WatchRequest, Watched};
pub use service::{Exit, Service};
pub use state::ServiceState;
pub use unlocked::assert_unlocked;
pub use workers::link::{
    Relays, Waiting, WorkerCommand, WorkerError, WorkerLink, WorkerQueue, WorkerReply, worker_link,
};
pub use workers::view::{TrackBytes, WorkerState, WorkerView};
