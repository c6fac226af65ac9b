//! Viewers whose lines carry so much, what is known of them, and publishers that send by the clock.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use chappe_sfu_core::{ConnectionId, LineStats, Media, Route};

use super::stream_reports::StreamReports;
use super::{Harness, NUMBER, SlowLine, Who, session};

impl Harness {
    /// A client that tells of each packet when it came, on a line that carries `kbps`.
    pub fn join_over(&mut self, kbps: u64, media: Media) -> Who {
        let who = self.open(media.clone());
        self.connect_over(kbps, who, &media);
        who
    }

    /// The same of a client that comes from the address of another one, by a socket of its own.
    pub fn join_beside(&mut self, other: Who, kbps: u64, media: Media) -> Who {
        let connection = self.clients.len() as u32;
        let address = self.clients[other].route.remote().ip();
        let remote = SocketAddr::new(address, 5_000 + connection as u16);
        let who = self.open_from(Route::Tcp { connection: ConnectionId(connection), remote }, media.clone());
        self.connect_over(kbps, who, &media);
        who
    }

    fn connect_over(&mut self, kbps: u64, who: Who, media: &Media) {
        self.connect(who);
        if media.reports_streams {
            self.clients[who].stream_reports = Some(StreamReports::new(self.now.mono));
        } else {
            self.clients[who].tells_arrivals(self.now, NUMBER);
        }
        self.slow_lines.insert(who, SlowLine::new(kbps));
    }

    pub fn slow_line(&mut self, who: Who) -> &mut SlowLine {
        self.slow_lines.get_mut(&who).expect("a slow line")
    }

    /// What the worker knows of the line to a client.
    pub fn line(&self, who: Who) -> LineStats {
        self.sfu.session_stats(session(who)).expect("open").line.expect("an estimate")
    }

    /// Longest time between two packets of an SSRC.
    pub fn longest_gap(&self, who: Who, ssrc: u32, since: Instant) -> Duration {
        let client = &self.clients[who];
        let of = client.received.iter().zip(&client.arrivals);
        let of = of.filter(|(packet, when)| packet.ssrc == ssrc && **when >= since);
        let mut arrivals: Vec<Instant> = of.map(|(_, when)| *when).collect();
        arrivals.insert(0, since);
        arrivals.push(self.now.mono);
        arrivals.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
    }
}

/// Publishers that send by the clock.
pub trait Clocked {
    fn harness(&mut self) -> &mut Harness;

    /// Sends what is due.
    fn send_due(&mut self);

    /// Lets time pass in steps of a millisecond.
    fn play(&mut self, span: Duration) {
        let until = self.harness().now.mono + span;
        while self.harness().now.mono < until {
            self.send_due();
            self.harness().exchange();
            self.harness().run(Duration::from_millis(1));
        }
    }
}
