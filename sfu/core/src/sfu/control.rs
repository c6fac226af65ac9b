//! Owns the commands of signaling: sessions and m-lines that come, change and go. Never touches a packet.

use std::time::Instant;

use crate::clients::sender::Sender;
use crate::clients::session::{Alive, Session};
use crate::clients::source::Source;
use crate::keys::{Key, SenderKey, SessionKey, SourceKey, TrackKey};
use crate::net::Now;
use crate::sfu::Sfu;
use crate::sfu::containment::AtWork;
use crate::spec::{
    ALIVE_INTERVAL_MAX, ALIVE_INTERVAL_MIN, CloseReason, ControlError, Epoch, Event, Media, ReceiveTrack, SendTrack,
    SessionId, SessionSpec, TrackId,
};
use crate::tracks::playout::WallClock;
use crate::tracks::track::Track;
use crate::transport::ice::IceCredentials;
use crate::transport::{Transport, TransportConfig};
use crate::wire::rtp::Ssrc;

impl Sfu {
    /// A session that is there already under this id is `Exists`, whatever its specification.
    pub fn open_session(&mut self, now: Now, spec: SessionSpec) -> Result<(), ControlError> {
        self.contained_command(now.mono, |sfu| sfu.insert_session(now, spec))
    }

    fn insert_session(&mut self, now: Now, spec: SessionSpec) -> Result<(), ControlError> {
        spec.media.check()?;
        if spec.alive.is_some_and(|interval| !(ALIVE_INTERVAL_MIN..=ALIVE_INTERVAL_MAX).contains(&interval)) {
            return Err(ControlError::Invalid("the interval of signs of life is outside 50 to 1000 ms"));
        }
        if self.sessions.len() >= self.config.sessions_max {
            return Err(ControlError::Limit { what: "sessions", limit: self.config.sessions_max });
        }
        if self.by_id.contains_key(&spec.session) || self.by_ufrag.contains_key(&spec.local_ice.ufrag) {
            return Err(ControlError::Exists);
        }
        self.check_publishers(None, &spec.media)?;
        let transport = Transport::new(
            now.mono,
            TransportConfig {
                role: spec.dtls_role,
                local: spec.local_ice.clone(),
                remote: spec.remote_ice,
                fingerprints: spec.remote_fingerprints,
                certificate: self.config.certificate.clone(),
            },
        );
        self.wall.get_or_insert_with(|| WallClock::new(now));
        let feedback_ssrc = Ssrc(self.draw(spec.session, 0) as u32 | 1);
        let mut session = Session::new(now.mono, spec.session, spec.epoch, transport, feedback_ssrc);
        session.ufrags.push(spec.local_ice.ufrag.clone());
        session.alive = spec.alive.map(|interval| Alive { interval, slot: None });
        let key = self.sessions.insert(Box::new(session));
        self.containment.note(AtWork::Session(key));
        self.by_id.insert(spec.session, key);
        self.by_ufrag.insert(spec.local_ice.ufrag, key);
        self.apply_media(now.mono, key, spec.media);
        self.rearm(key);
        Ok(())
    }

    /// Replaces all m-lines; what stays keeps its state.
    pub fn set_media(&mut self, now: Now, session: SessionId, epoch: Epoch, media: Media) -> Result<(), ControlError> {
        self.contained_command(now.mono, |sfu| sfu.replace_media(now, session, epoch, media))
    }

    fn replace_media(&mut self, now: Now, session: SessionId, epoch: Epoch, media: Media) -> Result<(), ControlError> {
        let key = self.fenced(session, epoch)?;
        media.check()?;
        self.check_publishers(Some(key), &media)?;
        if let Some(session) = self.sessions.get(key)
            && session.spent.len() + 2 * session.senders.iter().flatten().count() > SPENT_MAX
        {
            return Err(ControlError::Limit { what: "SSRCs sent in one session", limit: SPENT_MAX });
        }
        self.apply_media(now.mono, key, media);
        self.rearm(key);
        Ok(())
    }

    /// The old credentials answer until a path of the new ones is nominated.
    pub fn restart_ice(
        &mut self,
        now: Now,
        session: SessionId,
        epoch: Epoch,
        local: IceCredentials,
        remote: IceCredentials,
    ) -> Result<(), ControlError> {
        self.contained_command(now.mono, |sfu| {
            let key = sfu.fenced(session, epoch)?;
            sfu.replace_ice(now.mono, key, local, remote)
        })
    }

    fn replace_ice(
        &mut self,
        now: Instant,
        key: SessionKey,
        local: IceCredentials,
        remote: IceCredentials,
    ) -> Result<(), ControlError> {
        if self.by_ufrag.get(&local.ufrag).is_some_and(|other| *other != key) {
            return Err(ControlError::Exists);
        }
        if self.sessions.get(key).is_some_and(|session| session.transport.local_ufrag() == local.ufrag) {
            return Ok(());
        }
        self.by_ufrag.insert(local.ufrag.clone(), key);
        if let Some(session) = self.sessions.get_mut(key) {
            session.ufrags.push(local.ufrag.clone());
            session.transport.restart_ice(now, local, remote);
        }
        self.drain_transport(now, key);
        Ok(())
    }

    /// Success also when the session is not there.
    pub fn close_session(
        &mut self,
        now: Now,
        session: SessionId,
        epoch: Epoch,
        reason: CloseReason,
    ) -> Result<(), ControlError> {
        let key = match self.fenced(session, epoch) {
            Ok(key) => key,
            Err(ControlError::NotFound) => return Ok(()),
            Err(error) => return Err(error),
        };
        let removed = self.contained(now.mono, |sfu| {
            sfu.containment.note(AtWork::Session(key));
            sfu.remove_session(now.mono, key, reason);
        });
        removed.ok_or(ControlError::Fault)
    }

    /// Merged with the requests of viewers.
    pub fn request_keyframe(&mut self, now: Now, track: TrackId) -> Result<(), ControlError> {
        let key = *self.by_track.get(&track).ok_or(ControlError::NotFound)?;
        if self.tracks.get(key).is_none_or(|track| track.publisher.is_none() && track.feed.is_none()) {
            return Err(ControlError::NotFound);
        }
        self.want_keyframe(key);
        self.ask_for_keyframes(now.mono);
        Ok(())
    }

    fn fenced(&mut self, session: SessionId, epoch: Epoch) -> Result<SessionKey, ControlError> {
        let key = *self.by_id.get(&session).ok_or(ControlError::NotFound)?;
        let session = self.sessions.get_mut(key).ok_or(ControlError::NotFound)?;
        if epoch < session.epoch {
            return Err(ControlError::StaleEpoch);
        }
        session.epoch = epoch;
        self.containment.note(AtWork::Session(key));
        Ok(key)
    }

    /// A track has one publisher.
    fn check_publishers(&self, own: Option<SessionKey>, media: &Media) -> Result<(), ControlError> {
        let taken = media.receive.iter().any(|line| {
            let track = self.by_track.get(&line.track).and_then(|key| self.tracks.get(*key));
            track.and_then(|track| track.publisher).is_some_and(|publisher| Some(publisher.session()) != own)
        });
        if taken { Err(ControlError::Invalid("another session publishes this track")) } else { Ok(()) }
    }

    fn apply_media(&mut self, now: Instant, key: SessionKey, media: Media) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.extensions = media.extensions;
        session.tells_arrivals =
            media.receive.iter().flat_map(|line| &line.codecs).any(|codec| codec.feedback.transport_cc);
        self.apply_receive(now, key, media.receive);
        self.apply_send(now, key, media.send);
    }

    fn apply_receive(&mut self, now: Instant, key: SessionKey, lines: Vec<ReceiveTrack>) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let mut old = std::mem::take(&mut session.sources);
        let mut sources = Vec::with_capacity(lines.len());
        for line in lines {
            let source = match old.iter().position(|source| source.spec.track == line.track) {
                Some(at) => {
                    let mut source = old.swap_remove(at);
                    source.replace_spec(line);
                    source
                }
                None => {
                    let track = self.track(line.track);
                    Source::new(line, track)
                }
            };
            self.yield_to_publisher(source.track);
            if let Some(track) = self.tracks.get_mut(source.track) {
                track.publisher = Some(SourceKey::of(key, sources.len()));
            }
            sources.push(source);
        }
        for gone in old {
            if let Some(session) = self.sessions.get_mut(key) {
                session.retire_source(&gone);
            }
            self.end_source(key, &gone);
        }
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.sources = sources;
        session.reindex_sources();
        if session.report_at.is_none() && session.outlet.sealer.is_some() && !session.sources.is_empty() {
            session.report_at = Some(now + crate::clients::feedback::REPORT_INTERVAL);
        }
    }

    /// Viewers keep their m-lines and wait for whoever comes next.
    fn end_source(&mut self, session: SessionKey, source: &Source) {
        if source.active
            && let Some(session) = self.sessions.get(session)
        {
            let (session, track) = (session.id, source.spec.track);
            self.push_event(Event::TrackActive { session, track, active: false });
        }
        self.end_outlets(source.track);
        self.end_track(source.track);
        self.note_demand(source.track);
        self.drop_unused(source.track);
    }

    /// What a track sent so far is over.
    pub(crate) fn end_track(&mut self, key: TrackKey) {
        let Some(track) = self.tracks.get_mut(key) else { return };
        track.end(self.relay.next_run(), &mut self.cache);
        for subscriber in track.subscribers.iter() {
            let session = self.sessions.get_mut(subscriber.session());
            if let Some(Some(sender)) = session.and_then(|session| session.senders.get_mut(subscriber.line())) {
                sender.interrupt();
                if let Some(awaited) = &mut sender.awaited {
                    self.timers.lower(subscriber.session(), awaited.hurry());
                }
            }
        }
    }

    fn apply_send(&mut self, now: Instant, key: SessionKey, lines: Vec<SendTrack>) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let stays =
            |spec: &SendTrack| lines.iter().any(|line| (line.ssrc, line.rtx_ssrc) == (spec.ssrc, spec.rtx_ssrc));
        let gone: Vec<usize> = (0..session.senders.len())
            .filter(|at| session.senders[*at].as_ref().is_some_and(|sender| !stays(&sender.spec)))
            .collect();
        for at in gone {
            let Some(session) = self.sessions.get(key) else { return };
            let ssrc = session.senders[at].as_ref().map(|sender| sender.spec.ssrc);
            self.end_sender(now, key, at, !lines.iter().any(|line| Some(line.ssrc) == ssrc));
        }
        for line in lines {
            let Some(at) = self.place_sender(key, &line) else { return };
            self.follow(now, SenderKey::of(key, at), line);
        }
    }

    /// Finds the sender of an m-line by its SSRC, or makes one whose numbers go on where its SSRC ended.
    fn place_sender(&mut self, key: SessionKey, line: &SendTrack) -> Option<usize> {
        let random = self.draw(SessionId(0, u128::from(line.ssrc)), key.place() as u64 + 1);
        let session = self.sessions.get_mut(key)?;
        let same = |sender: &Option<Sender>| sender.as_ref().is_some_and(|sender| sender.spec.ssrc == line.ssrc);
        if let Some(at) = session.senders.iter().position(same) {
            return Some(at);
        }
        // Below 2^15, so that a receiver that misses the first packets still guesses the cycle (RFC 3711 3.3.1).
        let first = take_spent(&mut session.spent, line.ssrc).unwrap_or(random & FIRST_INDEX_MASK);
        let repair_first = line.rtx_ssrc.and_then(|ssrc| take_spent(&mut session.spent, ssrc));
        let repair_first = repair_first.unwrap_or(random >> 16 & FIRST_INDEX_MASK);
        let sender = Some(Sender::new(line.clone(), first, repair_first, (random >> 32) as u32));
        match session.senders.iter().position(Option::is_none) {
            Some(at) => {
                session.senders[at] = sender;
                Some(at)
            }
            None => {
                session.senders.push(sender);
                Some(session.senders.len() - 1)
            }
        }
    }

    /// Keeps where the numbers of an SSRC ended, and says goodbye on it (RFC 3550 section 6.6).
    fn end_sender(&mut self, now: Instant, key: SessionKey, at: usize, says_goodbye: bool) {
        self.unfollow(SenderKey::of(key, at));
        let Some(session) = self.sessions.get_mut(key) else { return };
        let Some(sender) = session.senders.get_mut(at).and_then(Option::take) else { return };
        session.spent.push((sender.spec.ssrc, sender.rewriter.next()));
        session.spent.extend(sender.spec.rtx_ssrc.map(|ssrc| (ssrc, sender.repair_next)));
        if says_goodbye && sender.traffic.packets > 0 {
            let ssrc = Ssrc(sender.spec.ssrc);
            session.outlet.send_rtcp(now, &mut self.egress, |writer| {
                writer.receiver_report(ssrc, &[])?;
                writer.cname(ssrc, &sender.spec.cname)?;
                writer.bye(&[ssrc])
            });
        }
    }

    pub(crate) fn remove_session(&mut self, now: Instant, key: SessionKey, reason: CloseReason) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        for at in 0..session.senders.len() {
            self.end_sender(now, key, at, true);
        }
        let Some(session) = self.sessions.get_mut(key) else { return };
        for source in std::mem::take(&mut session.sources) {
            self.end_source(key, &source);
        }
        if let Some(session) = self.sessions.get_mut(key) {
            session.transport.close(now);
            // What is left to send is the goodbye; the events of the transport are void from here on.
            while session.transport.poll_event().is_some() {}
        }
        self.drain_transport(now, key);
        let Some(session) = self.sessions.remove(key) else { return };
        self.timers.set(key, None);
        self.by_id.remove(&session.id);
        for ufrag in &session.ufrags {
            self.by_ufrag.remove(ufrag);
        }
        for route in &session.routes {
            self.routes.leave(*route, key);
        }
        self.push_event(Event::Closed { session: session.id, reason });
    }

    /// The key of a track, which is made if it is not known.
    pub(crate) fn track(&mut self, id: TrackId) -> TrackKey {
        *self.by_track.entry(id).or_insert_with(|| self.tracks.insert(Track::new(id, self.relay.next_run())))
    }

    pub(crate) fn drop_unused(&mut self, key: TrackKey) {
        if self.tracks.get(key).is_some_and(Track::is_unused) {
            let Some(mut track) = self.tracks.remove(key) else { return };
            track.release(&mut self.cache);
            self.by_track.remove(&track.id);
            self.waiting.retain(|waiting| *waiting != key);
            self.keyframe_wanted.retain(|wanted| *wanted != key);
            self.relay.forget_track(key);
        }
    }

    /// SplitMix64 over the seed of this process and what the number is for.
    fn draw(&self, session: SessionId, salt: u64) -> u64 {
        let mut z = self.config.seed ^ session.1 as u64 ^ (session.1 >> 64) as u64 ^ salt.rotate_left(32);
        for _ in 0..2 {
            z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^= z >> 31;
        }
        z
    }
}

fn take_spent(spent: &mut Vec<(u32, u64)>, ssrc: u32) -> Option<u64> {
    let at = spent.iter().position(|(known, _)| *known == ssrc)?;
    Some(spent.swap_remove(at).1)
}

const FIRST_INDEX_MASK: u64 = 0x7fff;
/// SSRCs of ours whose last numbers are remembered per session: 512 m-lines that came and went, in 16 kB.
const SPENT_MAX: usize = 1_024;
