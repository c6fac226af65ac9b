//! Owns what is sent to a client because its time has come. Never reads what the client answers.

use std::iter;
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;

use crate::blame::AtWork;
use crate::clients::alive::TICK;
use crate::clients::ingest::Ingest;
use crate::clients::ingest::feedback::Back;
use crate::clients::session::Alive;
use crate::clients::{Clients, Session};
use crate::egress::Egress;
use crate::keys::{SessionKey, SourceKey};
use crate::outputs::Outputs;
use crate::spec::Event;
use crate::tracks::{Layer, Tracks};

impl Clients {
    /// Everything of a session whose time has come, but for what its transport has to say after it.
    pub fn handle_due(&mut self, now: Instant, key: SessionKey, tracks: &Tracks, out: &mut Outputs) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.transport.handle_timeout(now);
        for track in session.ingest.note_silence(now) {
            out.push_event(Event::TrackActive { session: session.id, track, active: false });
        }
        let (id, round_trip) = (session.id, session.round_trip);
        let (ingest, mut back) = back(session, &mut out.egress);
        ingest.send_transport_feedback(now, &mut back);
        ingest.send_nacks(now, round_trip, &mut back);
        ingest.retry_keyframes(now, |layer| tracks.layer(layer).is_some_and(Layer::is_wanted), &mut back);
        ingest.send_receiver_reports(now, id, &mut back);
        if let Some(bandwidth) = session.delivery.acknowledged_mut() {
            bandwidth.handle_timeout(now);
        }
        if session.delivery.allotment_at().is_some_and(|at| at <= now) {
            self.adapting.mark(key);
        }
        session.delivery.pad(now, tracks, out);
        session.delivery.send_sender_reports(now, tracks, &mut out.egress);
    }

    /// Somebody needs a key frame of an encoding that a client publishes: it is asked, together with all who ask now and
    /// once in so long.
    pub fn request_keyframe(
        &mut self,
        now: Instant,
        (source, encoding): (SourceKey, u8),
        pause: Duration,
        egress: &mut Egress,
    ) {
        let Some(session) = self.sessions.get_mut(source.session()) else { return };
        let (ingest, mut back) = back(session, egress);
        if let Some(at) = ingest.request_keyframe(now, (source.line(), encoding), pause, &mut back) {
            self.timers.lower(source.session(), at);
        }
    }

    /// An empty receiver report to each client that asked for signs of life and was sent nothing else, so that it can
    /// tell a worker or a path that died from a publisher that fell silent. Consent checks (RFC 7675) come too seldom
    /// for that.
    pub fn send_signs_of_life(&mut self, now: Instant, out: &mut Outputs) {
        loop {
            let due = iter::from_fn(|| self.alive.pop_due(now)).take(TOGETHER);
            let due: ArrayVec<_, TOGETHER> = due.collect();
            if due.is_empty() {
                break;
            }
            // Read before anything else is done, so that the processor fetches them side by side: of thousands of idle
            // sessions none is in its caches.
            let asked = due.into_iter().filter_map(|(key, tick)| {
                let session = self.sessions.get(key)?;
                let alive = session.alive.filter(|alive| alive.tick == Some(tick))?;
                Some((key, alive.interval, session.delivery.path.sent))
            });
            let asked: ArrayVec<_, TOGETHER> = asked.collect();
            let mut silent = ArrayVec::<SessionKey, TOGETHER>::new();
            for (key, interval, sent) in asked {
                let mut next = sent.map_or(now, |sent| sent + interval);
                if next < now + TICK {
                    next = now + interval;
                    silent.push(key);
                }
                let tick = Some(self.alive.insert(now, key, next));
                if let Some(session) = self.sessions.get_mut(key) {
                    session.alive = Some(Alive { interval, tick });
                }
            }
            for key in silent {
                out.note(AtWork::Session(key));
                let Some(session) = self.sessions.get_mut(key) else { continue };
                let (path, own) = (&mut session.delivery.path, session.delivery.ssrc);
                path.send_rtcp(now, &mut out.egress, |writer| writer.receiver_report(own, &[]));
            }
        }
    }
}

fn back<'a>(session: &'a mut Session, egress: &'a mut Egress) -> (&'a mut Ingest, Back<'a>) {
    let Session { ingest, delivery, .. } = session;
    (ingest, Back { path: &mut delivery.path, ssrc: delivery.ssrc, egress })
}

/// Sessions whose signs of life are looked after at once.
const TOGETHER: usize = 16;
