//! Chats on a bus in virtual time that loses and doubles messages, and pages that note what they are shown.
//! Never reads a clock, but for the origin of time.

use std::collections::BTreeMap;

use super::*;

pub const MS: Duration = Duration::from_millis(1);
pub const SECOND: Duration = Duration::from_secs(1);

pub struct Bus {
    pub now: Instant,
    start: Instant,
    nodes: Vec<Node>,
    /// When, in which order, to whom.
    queue: BTreeMap<(Instant, u64), (usize, RoomMessage)>,
    /// The last arrival from one node at another: the order of a sender is kept.
    last: BTreeMap<(usize, usize), Instant>,
    loss_permille: u64,
    double_permille: u64,
    random: u64,
    /// Messages published.
    pub sent: u64,
    queued: u64,
    /// Bytes of the longest.
    pub longest: usize,
}

struct Node {
    chat: Chat,
    instance: u64,
    listens_since: Option<Instant>,
    cut: bool,
    told: Vec<ChatNotice>,
}

pub fn room() -> RoomName {
    RoomName::parse("room").unwrap()
}

pub fn id(n: u64) -> MemberId {
    MemberId(n.into())
}

pub fn number(member: MemberId) -> u64 {
    u64::try_from(member.0).unwrap()
}

pub fn member(n: u64) -> Person {
    Person { member: id(n), name: Some(format!("m{n}")), metadata: None }
}

fn name(node: usize) -> NodeName {
    NodeName::parse(&format!("node{node}")).unwrap()
}

impl Bus {
    pub fn new(nodes: usize) -> Bus {
        let node = |node| Node {
            chat: Chat::new(name(node), 1),
            instance: 1,
            listens_since: None,
            cut: false,
            told: Vec::new(),
        };
        let now = Instant::now();
        Bus {
            now,
            start: now,
            nodes: (0..nodes).map(node).collect(),
            queue: BTreeMap::new(),
            last: BTreeMap::new(),
            loss_permille: 0,
            double_permille: 0,
            random: 1,
            sent: 0,
            queued: 0,
            longest: 0,
        }
    }

    pub fn seed(&mut self, seed: u64) {
        self.random = seed | 1;
    }

    pub fn lossy(&mut self, permille: u64) {
        self.loss_permille = permille;
    }

    pub fn doubling(&mut self, permille: u64) {
        self.double_permille = permille;
    }

    pub fn chat(&mut self, node: usize) -> &mut Chat {
        &mut self.nodes[node].chat
    }

    pub fn here(&self, node: usize) -> Vec<MemberId> {
        self.nodes[node].chat.here(&room()).into_iter().map(|person| person.member).collect()
    }

    pub fn history(&self, node: usize) -> History {
        self.nodes[node].chat.history(&room())
    }

    /// Since the node last opened the room.
    pub fn told(&self, node: usize) -> &[ChatNotice] {
        &self.nodes[node].told
    }

    pub fn listens_since(&self, node: usize) -> Option<Instant> {
        self.nodes[node].listens_since
    }

    pub fn join(&mut self, node: usize, n: u64) {
        self.enter(node, member(n));
    }

    pub fn enter(&mut self, node: usize, person: Person) {
        let out = self.nodes[node].chat.join(self.now, &room(), person).unwrap();
        self.act(node, out);
    }

    pub fn people(&self, node: usize) -> Vec<Person> {
        self.nodes[node].chat.here(&room())
    }

    pub fn leave(&mut self, node: usize, n: u64) {
        let out = self.nodes[node].chat.leave(self.now, &room(), id(n));
        self.act(node, out);
    }

    pub fn say(&mut self, node: usize, n: u64, text: &str) -> Result<Said, SayError> {
        // The clocks of nodes differ a little.
        let unix_ms = (self.now - self.start).as_millis() as u64 + node as u64 * 7;
        let (said, out) = self.nodes[node].chat.say(self.now, unix_ms, &room(), id(n), text)?;
        self.act(node, out);
        Ok(said)
    }

    pub fn typing(&mut self, node: usize, n: u64, typing: bool) {
        let out = self.nodes[node].chat.typing(self.now, &room(), id(n), typing);
        self.act(node, out);
    }

    /// `node` is told that it lost another one.
    pub fn lose(&mut self, node: usize, lost: usize) {
        let out = self.nodes[node].chat.handle_node_lost(self.now, &name(lost));
        self.act(node, out);
    }

    pub fn cut(&mut self, node: usize) {
        self.nodes[node].cut = true;
        self.nodes[node].chat.handle_engine_down();
    }

    pub fn heal(&mut self, node: usize) {
        self.nodes[node].cut = false;
        let out = self.nodes[node].chat.handle_engine_up(self.now);
        self.act(node, out);
    }

    /// The process ends without a word; a new one is there.
    pub fn crash(&mut self, node: usize) {
        let instance = self.nodes[node].instance + 1;
        let chat = Chat::new(name(node), instance);
        self.nodes[node] = Node { chat, instance, listens_since: None, cut: false, told: Vec::new() };
    }

    pub fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.next().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            for node in 0..self.nodes.len() {
                let out = self.nodes[node].chat.handle_timeout(self.now);
                self.act(node, out);
                let next = self.nodes[node].chat.poll_timeout();
                assert!(next.is_none_or(|next| next > self.now), "what was due was done");
            }
            while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let (node, message) = entry.remove();
                self.deliver(node, message);
            }
        }
        self.now = until;
    }

    /// Nothing is left of what there was.
    pub fn assert_empty(&self, node: usize) {
        let chat = &self.nodes[node].chat;
        assert_eq!((chat.rooms.len(), chat.timers.len(), chat.spoken.len()), (0, 0, 0));
        assert_eq!((chat.chat_bytes, chat.remote_members), (0, 0));
    }

    fn next(&self) -> Option<Instant> {
        let timeouts = self.nodes.iter().filter_map(|node| node.chat.poll_timeout());
        timeouts.chain(self.queue.keys().next().map(|(at, _)| *at)).min()
    }

    fn deliver(&mut self, node: usize, message: RoomMessage) {
        if self.nodes[node].cut || self.nodes[node].listens_since.is_none() {
            return;
        }
        let out = self.nodes[node].chat.handle_message(self.now, &room(), message);
        assert_eq!(self.nodes[node].chat.refused_messages(), 0, "nodes keep each other's limits");
        self.act(node, out);
    }

    fn act(&mut self, node: usize, outputs: Vec<ChatOutput>) {
        for output in outputs {
            match output {
                ChatOutput::Subscribe(_) => {
                    assert!(self.nodes[node].listens_since.replace(self.now).is_none());
                    self.nodes[node].told.clear();
                }
                ChatOutput::Unsubscribe(_) => assert!(self.nodes[node].listens_since.take().is_some()),
                ChatOutput::Publish(_, message) => self.publish(node, &message),
                ChatOutput::Tell(_, notice) => self.nodes[node].told.push(notice),
            }
        }
    }

    /// The publisher hears itself too, as on a real bus.
    fn publish(&mut self, from: usize, message: &RoomMessage) {
        let json = serde_json::to_string(message).unwrap();
        self.longest = self.longest.max(json.len());
        self.sent += 1;
        if self.nodes[from].cut {
            return;
        }
        for to in 0..self.nodes.len() {
            if self.dice(1000) < self.loss_permille {
                continue;
            }
            let read: RoomMessage = serde_json::from_str(&json).unwrap();
            assert_eq!(read, *message);
            let soon = self.now + MS * (1 + self.dice(20) as u32);
            let at = self.last.get(&(from, to)).map_or(soon, |last| soon.max(*last));
            self.last.insert((from, to), at);
            self.enqueue(at, to, read.clone());
            if self.dice(1000) < self.double_permille {
                let later = MS * self.dice(2000) as u32;
                self.enqueue(at + later, to, read);
            }
        }
    }

    fn enqueue(&mut self, at: Instant, to: usize, message: RoomMessage) {
        self.queued += 1;
        self.queue.insert((at, self.queued), (to, message));
    }

    /// xorshift64.
    fn dice(&mut self, sides: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) % sides
    }
}
