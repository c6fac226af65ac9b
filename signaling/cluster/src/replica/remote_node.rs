//! Owns what is known of one other node: its presence, whether it lives, and which of its workers media reaches.
//! Never decides what becomes of its streams' viewers.

use std::time::{Duration, Instant};

use chappe_sfu_api::Boot;

use super::follower::Follower;
use super::output::Output;
use crate::{NodeName, NodeState, StreamChange, StreamList, WorkerPhase, node_tag};

#[derive(Debug)]
pub(super) struct RemoteNode {
    pub state: NodeState,
    pub streams: Follower,
    /// See [`node_tag`].
    pub tag: u32,
    standing: Standing,
    /// Of its last presence.
    heard_at: Instant,
    /// Workers that a link leads to, and whether media passes.
    links: Vec<(Boot, bool)>,
    /// Since then all known links have been silent and the node has not spoken.
    cut_at: Option<Instant>,
    /// How often it was gone since its last presence.
    losses: u32,
}

/// What all nodes that hear the same of a node have in common, without a clock: its comings and goings are named by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastHeard {
    pub instance: u64,
    /// Of its last presence.
    pub sequence: u64,
    /// How often it was gone since: a link may bring it back before it speaks.
    pub losses: u32,
}

/// ```text
///    silent and without links, or all cut           goodbye
///  Alive ───────────────────────────► Lost    Alive ───────► Left
///    ▲                                 │                      │ another instance speaks
///    └── speaks, or a link is back ────┘        Alive ◄───────┘
/// ```
/// Lost and left nodes are forgotten after [`FORGET`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Alive,
    Lost(Instant),
    Left(Instant),
}

/// How the messages between nodes fare, as they are what presence is heard by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EngineState {
    Down,
    Up { since: Instant },
}

impl RemoteNode {
    /// First heard of.
    pub fn new(now: Instant, state: NodeState, outputs: &mut Vec<Output>) -> RemoteNode {
        let mut streams = Follower::new(state.node.clone());
        outputs.push(Output::NodeJoined(state.node.clone()));
        streams.start_over(now, state.streams_version, outputs);
        RemoteNode {
            tag: node_tag(&state.node),
            state,
            streams,
            standing: Standing::Alive,
            heard_at: now,
            links: Vec::new(),
            cut_at: None,
            losses: 0,
        }
    }

    pub fn name(&self) -> &NodeName {
        &self.state.node
    }

    pub fn last_heard(&self) -> LastHeard {
        LastHeard { instance: self.state.instance, sequence: self.state.sequence, losses: self.losses }
    }

    pub fn is_alive(&self) -> bool {
        self.standing == Standing::Alive
    }

    /// None: counts as reachable as long as nothing says otherwise.
    pub fn link(&self, boot: Boot) -> Option<bool> {
        self.links.iter().find(|(known, _)| *known == boot).map(|(_, is_up)| *is_up)
    }

    /// Whether the presence was news; an older one that comes late is not.
    pub fn handle_presence(&mut self, now: Instant, state: NodeState, outputs: &mut Vec<Output>) -> bool {
        let is_same_instance = state.instance == self.state.instance;
        if is_same_instance && (state.sequence <= self.state.sequence || self.has_left()) {
            return false;
        }
        let is_quiet = now.saturating_duration_since(self.heard_at) >= PREDECESSOR_QUIET;
        if !is_same_instance && state.started_ms < self.state.started_ms && self.is_alive() && !is_quiet {
            return false;
        }
        let told = state.streams_version;
        (self.state, self.heard_at, self.cut_at, self.losses) = (state, now, None, 0);
        let workers = &self.state.workers;
        self.links.retain(|(boot, _)| workers.iter().any(|worker| worker.boot == Some(*boot)));
        if !self.is_alive() {
            self.rejoin(now, told, outputs);
            return true;
        }
        outputs.push(Output::NodeChanged(self.name().clone()));
        if is_same_instance {
            self.streams.handle_told(now, told);
        } else {
            self.streams.start_over(now, told, outputs);
        }
        true
    }

    pub fn handle_delta(
        &mut self,
        now: Instant,
        instance: u64,
        version: u64,
        change: StreamChange,
        outputs: &mut Vec<Output>,
    ) {
        if self.is_alive() && instance == self.state.instance {
            self.streams.handle_delta(now, version, change, outputs);
        }
    }

    pub fn handle_list(&mut self, now: Instant, list: StreamList, outputs: &mut Vec<Output>) {
        if self.is_alive() && list.instance == self.state.instance {
            self.streams.handle_list(now, list, outputs);
        }
    }

    pub fn handle_link(
        &mut self,
        now: Instant,
        boot: Boot,
        is_up: bool,
        engine: EngineState,
        outputs: &mut Vec<Output>,
    ) {
        if self.has_left() {
            return;
        }
        let is_known = self.link(boot) == Some(is_up);
        self.links.retain(|(known, _)| *known != boot);
        self.links.push((boot, is_up));
        if is_up && !self.is_alive() {
            // Media from it passes again, and what it says will follow.
            self.heard_at = now;
            self.rejoin(now, self.state.streams_version, outputs);
            return;
        }
        if is_up {
            self.cut_at = None;
        } else if self.is_alive() && self.is_cut(engine) {
            self.cut_at = Some(self.cut_at.unwrap_or(now));
            self.handle_timeout(now, engine, outputs);
        }
        if self.is_alive() && !is_known {
            outputs.push(Output::NodeChanged(self.name().clone()));
        }
    }

    /// It leaves in order.
    pub fn handle_goodbye(&mut self, now: Instant, outputs: &mut Vec<Output>) {
        self.end(Standing::Left(now), outputs);
        self.streams.forget();
    }

    pub fn handle_timeout(&mut self, now: Instant, engine: EngineState, outputs: &mut Vec<Output>) {
        if !self.is_alive() {
            return;
        }
        if self.loss_deadline(engine).is_some_and(|deadline| deadline <= now) {
            self.end(Standing::Lost(now), outputs);
        } else if engine != EngineState::Down {
            self.streams.handle_timeout(now, outputs);
        }
    }

    pub fn is_forgotten(&self, now: Instant) -> bool {
        self.ended_at().is_some_and(|at| at + FORGET <= now)
    }

    /// When it stopped being one of the living.
    pub fn ended_at(&self) -> Option<Instant> {
        match self.standing {
            Standing::Alive => None,
            Standing::Lost(at) | Standing::Left(at) => Some(at),
        }
    }

    pub fn deadline(&self, engine: EngineState) -> Option<Instant> {
        if let Some(at) = self.ended_at() {
            return Some(at + FORGET);
        }
        let list = self.streams.deadline().filter(|_| engine != EngineState::Down);
        self.loss_deadline(engine).into_iter().chain(list).min()
    }
}

impl RemoteNode {
    fn has_left(&self) -> bool {
        matches!(self.standing, Standing::Left(_))
    }

    fn end(&mut self, standing: Standing, outputs: &mut Vec<Output>) {
        let was_alive = self.is_alive();
        (self.standing, self.cut_at) = (standing, None);
        if was_alive {
            self.losses = self.losses.saturating_add(1);
            self.streams.withdraw(outputs);
            outputs.push(Output::NodeLost(self.name().clone()));
        }
    }

    fn rejoin(&mut self, now: Instant, told: u64, outputs: &mut Vec<Output>) {
        self.standing = Standing::Alive;
        outputs.push(Output::NodeJoined(self.name().clone()));
        self.streams.restore(outputs);
        self.streams.start_over(now, told, outputs);
    }

    /// While presence is heard, the links that there are suffice, because a worker that died alone is told of at
    /// once. Without presence only the silence of every worker is a sign.
    fn is_cut(&self, engine: EngineState) -> bool {
        let serving = self.state.workers.iter().filter(|worker| worker.phase == WorkerPhase::Serving);
        let links: Vec<Option<bool>> = serving.filter_map(|worker| worker.boot).map(|boot| self.link(boot)).collect();
        let counts = |link: &&Option<bool>| link.is_some() || engine == EngineState::Down;
        let mut counted = links.iter().filter(counts).peekable();
        counted.peek().is_some() && counted.all(|link| *link == Some(false))
    }

    /// Media passes to one of its workers: the node lives, and what its signaling does not say just now proves
    /// nothing.
    fn is_linked(&self) -> bool {
        self.links.iter().any(|(_, is_up)| *is_up)
    }

    /// When it is lost if nothing more is heard.
    fn loss_deadline(&self, engine: EngineState) -> Option<Instant> {
        let by_links = |cut_at: Instant| match engine {
            EngineState::Down => cut_at,
            EngineState::Up { .. } => cut_at.max(self.heard_at + LINKS_CUT_QUIET),
        };
        let cut = self.cut_at.filter(|_| self.is_cut(engine)).map(by_links);
        let silent = match engine {
            EngineState::Up { since } if !self.is_linked() => Some(self.heard_at.max(since) + SILENCE_MAX),
            EngineState::Up { .. } | EngineState::Down => None,
        };
        cut.into_iter().chain(silent).min()
    }
}

/// A node that is this long silent is lost, unless a link to it is up: twelve presences, so that a stall of the messages
/// between nodes that links do not confirm takes nobody down.
const SILENCE_MAX: Duration = Duration::from_secs(3);

/// A node whose links are all silent is lost when it has also not spoken for this long; it speaks four times a second
/// and whenever one of its workers dies.
const LINKS_CUT_QUIET: Duration = Duration::from_millis(400);

/// A message of an earlier instance may be late. But a clock that was set back makes a later instance look earlier;
/// it is believed once the other has fallen silent.
const PREDECESSOR_QUIET: Duration = Duration::from_millis(1_500);

/// How long a node that is gone is known, for when it comes back with the same streams.
const FORGET: Duration = Duration::from_secs(60);
