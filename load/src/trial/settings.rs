//! Owns what a load test is to do, and who of its clients goes where. Never connects.

use std::time::Duration;

use ureq::tls::TlsConfig;

use crate::clients::ClientsPlan;
use crate::publisher::Shape;

/// What is asked of the servers.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to publish and where to watch: `http://host:port` (or `https://`), or a URL with `{room}` and `{stream}` in it. Publishers
    /// and viewers begin at one after the other.
    pub whip: Vec<String>,
    pub whep: Vec<String>,
    /// What the names of the rooms begin with.
    pub room: String,
    pub rooms: usize,
    /// In each room.
    pub publishers: usize,
    /// Of each publisher.
    pub viewers: usize,
    pub shape: Shape,
    /// Over which the viewers come.
    pub ramp: Duration,
    /// From the first viewer on.
    pub duration: Duration,
    pub token: Option<String>,
    /// Whom to trust at `https://`.
    pub tls: Option<TlsConfig>,
}

impl Settings {
    /// One for each publisher and its viewers.
    pub(super) fn plans(&self) -> impl Iterator<Item = ClientsPlan> + '_ {
        let pairs = (0..self.rooms).flat_map(|room| (0..self.publishers).map(move |stream| (room, stream)));
        pairs.enumerate().map(|(number, (room, stream))| {
            let from = |servers: &[String]| {
                let mut servers = servers.to_vec();
                let first = number % servers.len().max(1);
                servers.rotate_left(first);
                servers
            };
            ClientsPlan {
                whip: from(&self.whip),
                whep: from(&self.whep),
                room: format!("{}-{room}", self.room),
                stream: format!("s{stream}"),
                viewers: self.viewers,
                shape: self.shape,
                ramp: self.ramp,
                token: self.token.clone(),
                tls: self.tls.clone(),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offer::Kind;
    use crate::publisher::Pacing;

    #[test]
    fn rooms_and_streams_have_names_of_their_own_and_servers_take_turns() {
        let shape = Shape {
            kind: Kind::Audio,
            packets_per_frame: 1,
            packet_bytes: 100,
            frame_period: Duration::from_millis(20),
            pacing: Pacing::Burst,
        };
        let settings = Settings {
            whip: vec!["a".to_owned(), "b".to_owned()],
            whep: vec!["a".to_owned(), "b".to_owned()],
            room: "load".to_owned(),
            rooms: 2,
            publishers: 2,
            viewers: 3,
            shape,
            ramp: Duration::ZERO,
            duration: Duration::from_secs(1),
            token: None,
            tls: None,
        };
        let plans: Vec<ClientsPlan> = settings.plans().collect();
        let names: Vec<_> =
            plans.iter().map(|plan| format!("{}/{} {}", plan.room, plan.stream, plan.whip[0])).collect();
        assert_eq!(names, ["load-0/s0 a", "load-0/s1 b", "load-1/s0 a", "load-1/s1 b"]);
    }
}
