//! Owns one viewer's subscription: it joins, and when its session dies it joins again at the next server.
//! What it counts goes on over all of its sessions.

use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;

use super::joiner::Ask;
use super::plan::{CONNECT_LIMIT, JOIN_LIMIT, RETRY_PERIOD};
use super::report::ViewerReport;
use super::vigil::{Liveness, Vigil};
use crate::stage::Watcher;
use crate::tally::Tally;
use crate::viewer::Viewer;

pub struct Subscriber {
    number: usize,
    server: usize,
    stage: Stage,
    count: Count,
}

enum Stage {
    /// The next server is asked then.
    Away {
        until: Instant,
    },
    /// This POST is under way.
    Asked(Ask),
    Here {
        viewer: Box<Viewer>,
        asked: Instant,
        since: Instant,
        vigil: Vigil,
    },
}

/// What this place has seen since the counting began, without the session that it has now.
struct Count {
    began: SystemTime,
    past: Tally,
    /// Sessions after the first one.
    rejoins: u64,
    last_error: Option<String>,
    had_media: bool,
    /// From the first POST that was answered until ICE and DTLS were done, and until its first packet.
    connected_after: Option<Duration>,
    first_packet_after: Option<Duration>,
}

impl Subscriber {
    /// It asks for the first time at `begins`.
    pub fn new(number: usize, server: usize, begins: Instant) -> Subscriber {
        let count = Count {
            began: SystemTime::now() + begins.saturating_duration_since(Instant::now()),
            past: Tally::default(),
            rejoins: 0,
            last_error: None,
            had_media: false,
            connected_after: None,
            first_packet_after: None,
        };
        Subscriber { number, server, stage: Stage::Away { until: begins }, count }
    }

    /// Where it is, or where it asks next.
    pub fn server(&self) -> usize {
        self.server
    }

    /// Since the counting began.
    pub fn packets(&self) -> u64 {
        self.count.past.packets + self.tally().map_or(0, |tally| tally.packets)
    }

    pub fn has_media(&self) -> bool {
        self.count.had_media || self.tally().is_some_and(|tally| tally.packets > 0)
    }

    /// The POST that is wanted now.
    pub fn turn(&mut self, now: Instant, servers: usize) -> Option<Ask> {
        match &mut self.stage {
            Stage::Away { until } if *until <= now => {
                let ask = Ask { viewer: self.number, server: self.server, until: now + JOIN_LIMIT };
                self.stage = Stage::Asked(ask);
                Some(ask)
            }
            Stage::Asked(ask) if ask.until <= now => {
                self.give_up(now, servers, "the server did not answer in time".to_owned());
                None
            }
            Stage::Away { .. } | Stage::Asked(_) => None,
            Stage::Here { viewer, asked, since, vigil } => {
                // What waits in the socket comes first.
                let ended = viewer.turn().err().map(|error| error.to_string());
                self.count.note_progress(now, *asked, viewer);
                let late = !viewer.is_connected() && now.saturating_duration_since(*since) > CONNECT_LIMIT;
                let verdict = match viewer.is_connected() {
                    true => vigil.look(now, viewer.last_heard()),
                    false => Liveness::Fine,
                };
                if verdict == Liveness::Ask {
                    viewer.probe();
                }
                if late || verdict == Liveness::Dead || ended.is_some() {
                    let why = if late { "did not connect in time" } else { "was not heard any more" };
                    self.lose(now, servers, ended.unwrap_or_else(|| why.to_owned()));
                }
                None
            }
        }
    }

    /// What became of a POST; maybe of one that this place has given up.
    pub fn take(&mut self, now: Instant, servers: usize, ask: &Ask, viewer: Result<Viewer>) {
        let is_awaited = matches!(&self.stage, Stage::Asked(awaited) if awaited == ask);
        match viewer {
            Ok(viewer) if is_awaited => {
                let asked = ask.until.checked_sub(JOIN_LIMIT).unwrap_or(now);
                self.stage = Stage::Here { viewer: Box::new(viewer), asked, since: now, vigil: Vigil::new(now) };
            }
            Ok(mut late) => late.close(),
            Err(error) if is_awaited => self.give_up(now, servers, format!("{error:#}")),
            Err(_) => {}
        }
    }

    pub fn forget(&mut self) {
        self.count.had_media = self.has_media();
        self.count.past = Tally::default();
        self.count.began = SystemTime::now();
        self.count.rejoins = 0;
        self.count.last_error = None;
        if let Stage::Here { viewer, .. } = &mut self.stage {
            viewer.forget();
        }
    }

    pub fn leave(&mut self) {
        if let Stage::Here { viewer, .. } = &mut self.stage {
            viewer.close();
        }
    }

    pub fn report(&self, server: &str) -> ViewerReport {
        let mut whole = self.count.past.clone();
        if let Some(tally) = self.tally() {
            whole.append(tally, self.count.began);
        }
        let last_at = whole.last_at.unwrap_or(self.count.began);
        let silence = SystemTime::now().duration_since(last_at).unwrap_or_default();
        whole.longest_gap = whole.longest_gap.max(silence);
        let error = self.count.last_error.clone();
        let overflowed = match &self.stage {
            Stage::Here { viewer, .. } => viewer.overflowed(),
            Stage::Away { .. } | Stage::Asked(_) => 0,
        };
        let mut report = ViewerReport::new(self.number, server, whole, self.count.rejoins, error);
        report.overflowed = overflowed;
        (report.connected_after, report.first_packet_after) =
            (self.count.connected_after, self.count.first_packet_after);
        report
    }

    fn tally(&self) -> Option<&Tally> {
        match &self.stage {
            Stage::Here { viewer, .. } => Some(viewer.tally()),
            Stage::Away { .. } | Stage::Asked(_) => None,
        }
    }

    fn give_up(&mut self, now: Instant, servers: usize, why: String) {
        self.count.last_error = Some(why);
        self.turn_to_next(servers);
        self.stage = Stage::Away { until: now + RETRY_PERIOD };
    }

    fn lose(&mut self, now: Instant, servers: usize, why: String) {
        self.count.had_media = self.has_media();
        let away = Stage::Away { until: now };
        if let Stage::Here { mut viewer, .. } = std::mem::replace(&mut self.stage, away) {
            // A worker that lives after all must not take the next session at this port for this one.
            viewer.close();
            self.count.past.append(viewer.tally(), self.count.began);
        }
        self.count.rejoins += 1;
        self.count.last_error = Some(why);
        self.turn_to_next(servers);
    }

    fn turn_to_next(&mut self, servers: usize) {
        self.server = (self.server + 1) % servers.max(1);
    }
}

impl Count {
    fn note_progress(&mut self, now: Instant, asked: Instant, viewer: &Viewer) {
        if self.connected_after.is_none() && viewer.is_connected() {
            self.connected_after = Some(now.saturating_duration_since(asked));
        }
        if self.first_packet_after.is_none()
            && let Some(first) = viewer.tally().first_packet
        {
            self.first_packet_after = Some(first.saturating_duration_since(asked));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_never_answers_is_given_up_for_the_next() {
        let mut subscriber = Subscriber::new(7, 0, Instant::now());
        let now = Instant::now();
        let first = subscriber.turn(now, 2).unwrap();
        assert_eq!((first.viewer, first.server), (7, 0));
        assert_eq!(subscriber.turn(now + JOIN_LIMIT / 2, 2), None);
        let late = now + JOIN_LIMIT;
        assert_eq!(subscriber.turn(late, 2), None);
        let second = subscriber.turn(late + RETRY_PERIOD, 2).unwrap();
        assert_eq!(second.server, 1);
        // The first POST fails in the end, too.
        subscriber.take(late + RETRY_PERIOD, 2, &first, Err(anyhow::anyhow!("nothing came")));
        assert_eq!(subscriber.turn(late + 2 * RETRY_PERIOD, 2), None, "the second is still awaited");
    }
}
