//! Owns the figures of rooms in the metrics: of the largest rooms of this node under their names, of all others together,
//! so that users, who choose the names of rooms, do not choose how many series there are.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use chappe_sfu_api::{TrackId, WorkerIndex};
use chappe_signaling_rooms::{Room, RoomName};
use chappe_signaling_service::{Service, ServiceState, TrackBytes};
use metrics::{describe_gauge, gauge};

/// Of one room, or of several together; on this node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Figures {
    sessions: usize,
    members: usize,
    streams: usize,
    received: u64,
    sent: u64,
}

/// At most so many rooms have a name.
struct Shown {
    named: BTreeMap<RoomName, Figures>,
    others: Figures,
}

/// Nothing where no room is to be named.
pub fn record(service: &Service, rooms_max: usize) {
    if rooms_max == 0 {
        return;
    }
    let mut by_size: Vec<(Reverse<usize>, RoomName)> = {
        let state = service.state();
        let used = state.registry.rooms().filter(|(_, room)| room.is_used());
        used.map(|(name, room)| (Reverse(room.sessions.len() + room.members.len()), name.clone())).collect()
    };
    by_size.sort_unstable();
    let named = by_size.iter().take(rooms_max).map(|(_, name)| (name.clone(), Figures::default())).collect();
    let mut shown = Shown { named, others: Figures::default() };
    for some in by_size.chunks(ROOMS_PER_TURN) {
        let state = service.state();
        for (_, name) in some {
            if let Some(room) = state.registry.room(name) {
                shown.of(name).count(service, room);
            }
        }
    }
    let workers: Vec<WorkerIndex> = service.state().workers.iter().map(|view| view.index).collect();
    for worker in workers {
        add_traffic(&mut shown, service, &service.state(), worker);
    }
    shown.record();
}

pub fn describe() {
    describe_gauge!("chappe_room_sessions", "WebRTC sessions of the room on this node.");
    describe_gauge!("chappe_room_members", "Pages in the room, on this node.");
    describe_gauge!("chappe_room_streams", "Streams of the room that are published on this node.");
    describe_gauge!("chappe_room_received_bytes_per_second", "Media that publishers of the room send to this node.");
    describe_gauge!("chappe_room_sent_bytes_per_second", "Media that viewers of the room are sent by this node.");
}

fn add_traffic(shown: &mut Shown, service: &Service, state: &ServiceState, worker: WorkerIndex) {
    let Some(view) = state.worker(worker) else { return };
    let homes = view
        .track_bytes()
        .filter_map(|(track, bytes): (TrackId, TrackBytes)| state.registry.track_home(track).map(|home| (home, bytes)));
    for (track, bytes) in homes {
        let figures = shown.of(&track.room);
        // What comes over a relay was received where it is published.
        if track.home.node == *service.node() && track.home.worker == worker {
            figures.received += bytes.received;
        }
        figures.sent += bytes.sent;
    }
}

impl Shown {
    fn of(&mut self, room: &RoomName) -> &mut Figures {
        self.named.get_mut(room).unwrap_or(&mut self.others)
    }

    fn record(&self) {
        let named = self.named.iter().map(|(name, figures)| (name.as_str(), figures));
        for (room, figures) in named.chain([(OTHERS, &self.others)]) {
            let label = [("room", room.to_owned())];
            gauge!("chappe_room_sessions", &label).set(figures.sessions as f64);
            gauge!("chappe_room_members", &label).set(figures.members as f64);
            gauge!("chappe_room_streams", &label).set(figures.streams as f64);
            gauge!("chappe_room_received_bytes_per_second", &label).set(figures.received as f64);
            gauge!("chappe_room_sent_bytes_per_second", &label).set(figures.sent as f64);
        }
    }
}

impl Figures {
    fn count(&mut self, service: &Service, room: &Room) {
        self.sessions += room.sessions.len();
        self.members += room.members.len();
        self.streams += room.streams.values().filter(|stream| stream.home.node == *service.node()).count();
    }
}

/// No room is called so: a name has no parentheses.
const OTHERS: &str = "(other)";
/// Each has a few streams.
const ROOMS_PER_TURN: usize = 64;
