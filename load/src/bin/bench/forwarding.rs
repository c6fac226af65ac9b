//! Owns what a forwarded packet costs and how long it takes: streams with viewers of their own, and rooms whose
//! members watch each other.

use std::time::{Duration, Instant};

use anyhow::Result;
use chappe_load::node::Node;
use chappe_load::offer::Kind;
use chappe_load::publisher::{Pacing, Shape};
use chappe_load::rooms::{self, Rooms};
use chappe_load::scenario::{Scenario, ScenarioClients};

use super::observe::{Flow, reading};
use super::report::{Findings, Measurement, Row};
use super::setting::{EVEN, FRAME_PERIOD, PACKET_BYTES, SHAPE};

#[derive(Clone, Copy)]
enum Load {
    Streams(Scenario),
    /// To viewers that tell of each packet when it came: with transport-wide numbers, their feedback, estimates and pacing.
    Told(Scenario),
    Rooms(rooms::RoomsPlan),
}

pub fn is_wanted(only: &str) -> bool {
    SCENARIOS.iter().any(|(name, _)| name.contains(only))
}

pub fn measure(node: &Node, only: &str, rounds: usize, duration: Duration) -> Result<Findings> {
    println!(
        "{PACKET_BYTES} B a packet, 30 frames/s per publisher; a frame is 8 packets at once; in the scenarios that are"
    );
    println!(
        "called even, 5 packets 6.7 ms apart; in rooms20x25, 2 of {SMALL_BYTES} B at once; in audio100, 100 B each 20 ms from those who speak"
    );
    println!(
        "viewers of told1x500 send transport-wide feedback, which its floor receives and opens: their lines are estimated,"
    );
    println!("probed and paced");
    println!("                    ---- ns per packet ----               --- latency, us: p50, p99 ---");
    println!(
        "scenario     load   all  user  floor  ratio   run    worker          floor           delivered  missing  broken"
    );
    let mut findings = Findings::default();
    for (name, load) in SCENARIOS {
        if name.contains(only) {
            let readings = (0..rounds).map(|_| once(node, load, duration)).collect::<Result<Vec<_>>>()?;
            let row = Row::of(&readings);
            println!("{name:12}{row}");
            if let Some(beside) = row.beside_sending() {
                println!("{name:12}{beside}");
            }
            findings.add_row(name, &row);
        }
    }
    Ok(findings)
}

fn once(node: &Node, load: Load, duration: Duration) -> Result<Measurement> {
    match load {
        Load::Streams(scenario) => {
            let mut fleet = ScenarioClients::publish(&node.server, "bench", scenario)?;
            fleet.add_viewers(scenario.viewers_each)?;
            reading(node, fleet, flow_of_streams(scenario), duration)
        }
        Load::Told(scenario) => {
            let mut fleet = ScenarioClients::publish(&node.server, "told", scenario)?;
            fleet.add_telling(scenario.viewers_each)?;
            // Until the first probes are through.
            fleet.drive(Instant::now() + PROBED_AFTER)?;
            reading(node, fleet, flow_of_told(scenario), duration)
        }
        Load::Rooms(plan) => {
            let rooms = Rooms::open(&node.server, "rooms", plan)?;
            reading(node, rooms, flow_of_rooms(plan), duration)
        }
    }
}

/// Every viewer gets a frame's packets each period.
fn flow_of_streams(scenario: Scenario) -> Flow {
    let Scenario { shape, .. } = scenario;
    Flow { peers: scenario.viewers(), packet_bytes: shape.packet_bytes, burst: shape.burst(), period: shape.step() }
}

/// The same packets with a number each.
fn flow_of_told(scenario: Scenario) -> Flow {
    let flow = flow_of_streams(scenario);
    Flow { packet_bytes: flow.packet_bytes + NUMBER_BYTES, ..flow }
}

/// Every member gets the burst of one of the others, as often as they all together send.
fn flow_of_rooms(plan: rooms::RoomsPlan) -> Flow {
    let (peers, shape) = (plan.rooms * plan.members, plan.publishers[0].1);
    let per_peer = plan.packets_per_second() / peers as f64;
    let period = Duration::from_secs_f64(shape.burst() as f64 / per_peer);
    Flow { peers, packet_bytes: shape.packet_bytes, burst: shape.burst(), period }
}

const fn streams(publishers: usize, viewers_each: usize, shape: Shape) -> Load {
    Load::Streams(Scenario { publishers, viewers_each, shape })
}

const fn rooms(rooms: usize, members: usize, publishers: [(usize, Shape); 2]) -> Load {
    Load::Rooms(rooms::RoomsPlan { rooms, members, publishers, watched: WATCHED })
}

const SCENARIOS: [(&str, Load); 10] = [
    ("1x10", streams(1, 10, SHAPE)),
    ("1x100", streams(1, 100, SHAPE)),
    ("1x500", streams(1, 500, SHAPE)),
    ("told1x500", Load::Told(Scenario { publishers: 1, viewers_each: 500, shape: SHAPE })),
    ("10x10", streams(10, 10, SHAPE)),
    ("even1x50", streams(1, 50, EVEN)),
    ("even10x10", streams(10, 10, EVEN)),
    ("room10", rooms(1, 10, [(10, SHAPE), (0, SHAPE)])),
    ("rooms20x25", rooms(20, 25, [(5, SMALL), (0, SMALL)])),
    ("audio100", rooms(1, 100, [(5, SPEAKING), (95, SILENT)])),
];
/// A camera of 380 kbit/s, as a page sends it for tiles of a meeting.
const SMALL: Shape = Shape {
    kind: Kind::Video,
    packets_per_frame: 2,
    packet_bytes: SMALL_BYTES,
    frame_period: FRAME_PERIOD,
    pacing: Pacing::Burst,
};
const SMALL_BYTES: usize = 800;
const SPEAKING: Shape = voice(Duration::from_millis(20));
/// A block of extensions with one of two bytes (RFC 8285 section 4.2).
const NUMBER_BYTES: usize = 8;
/// What Opus sends of silence with DTX (RFC 7587 section 3.1.3): a frame each 400 ms.
const SILENT: Shape = voice(Duration::from_millis(400));
const VOICE_BYTES: usize = 100;
const PROBED_AFTER: Duration = Duration::from_secs(5);
/// m-lines of one session.
const WATCHED: usize = 32;

const fn voice(frame_period: Duration) -> Shape {
    Shape { kind: Kind::Audio, packets_per_frame: 1, packet_bytes: VOICE_BYTES, frame_period, pacing: Pacing::Burst }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chappe_cluster::{Cost, Load as Capacity};

    #[test]
    fn the_floor_of_rooms_sends_each_member_what_the_others_send() {
        let shape = Shape { frame_period: Duration::from_millis(40), ..SHAPE };
        let plan = rooms::RoomsPlan { rooms: 3, members: 5, publishers: [(5, shape), (0, shape)], watched: 32 };
        let flow = flow_of_rooms(plan);
        assert_eq!((flow.peers, flow.burst, flow.period), (15, 8, Duration::from_millis(10)));
    }

    #[test]
    fn each_scenario_is_within_what_placement_gives_one_worker() {
        for (name, load) in SCENARIOS {
            let flow = match load {
                Load::Streams(scenario) => flow_of_streams(scenario),
                Load::Told(scenario) => flow_of_told(scenario),
                Load::Rooms(plan) => flow_of_rooms(plan),
            };
            let (sessions, packets) = (flow.peers as f64, (flow.peers * flow.burst) as f64 / flow.period.as_secs_f64());
            let cost = Cost { sessions, packets, bits: packets * flow.packet_bytes as f64 * 8.0, ..Cost::default() };
            let empty = Capacity { used: Cost::default(), sessions_max: 2_000.0, cpu_per_packet: 3.0e-6 };
            let fraction = empty.with(&cost).fraction();
            assert!(fraction <= 1.0, "{name} takes {fraction} of a worker: {cost:?}");
        }
    }
}
