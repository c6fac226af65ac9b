//! Owns the commands of signaling about sessions: m-lines that come, change and go. Never touches a packet.

use std::time::Instant;

use crate::blame::AtWork;
use crate::clients::{Alive, SPENT_MAX, Session, Source};
use crate::keys::{Key, ReceiveLine, SendLine, SenderKey, SessionKey, SourceKey};
use crate::net::Now;
use crate::sfu::Sfu;
use crate::spec::{
    ALIVE_INTERVAL_MAX, ALIVE_INTERVAL_MIN, CloseReason, ControlError, Epoch, Media, ReceiveTrack, SendTrack,
    SessionId, SessionSpec, Shown, TrackId,
};
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
        if self.clients.len() >= self.config.sessions_max {
            return Err(ControlError::Limit { what: "sessions", limit: self.config.sessions_max });
        }
        if self.clients.is_taken(spec.session, &spec.local_ice.ufrag) {
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
        self.tracks.start_wall(now);
        let feedback_ssrc = Ssrc(self.draw(spec.session, 0) as u32 | 1);
        let mut session = Session::new(now.mono, spec.session, spec.epoch, transport, feedback_ssrc);
        session.alive = spec.alive.map(|interval| Alive { interval, tick: None });
        let key = self.clients.insert(session, spec.local_ice.ufrag);
        self.out.note(AtWork::Session(key));
        self.apply_media(now.mono, key, spec.media);
        self.clients.rearm(key);
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
        if self.clients.get(key).is_some_and(|session| !session.delivery.can_replace_all()) {
            return Err(ControlError::Limit { what: "SSRCs sent in one session", limit: SPENT_MAX });
        }
        self.apply_media(now.mono, key, media);
        self.clients.rearm(key);
        Ok(())
    }

    /// How a viewer's page shows what it is sent: what is not told is shown as usual.
    pub fn set_view<'a>(
        &mut self,
        now: Now,
        session: SessionId,
        epoch: Epoch,
        tiles: impl Iterator<Item = (&'a str, Shown)> + Clone,
    ) -> Result<(), ControlError> {
        self.contained_command(now.mono, |sfu| {
            let key = sfu.fenced(session, epoch)?;
            let Some(session) = sfu.clients.get_mut(key) else { return Ok(()) };
            for sender in session.delivery.senders.iter_mut().flatten() {
                let tile = tiles.clone().find(|(mid, _)| *mid == sender.spec.mid);
                sender.shown = tile.map_or_else(Shown::default, |(_, shown)| shown);
            }
            sfu.clients.adapting.mark(key);
            Ok(())
        })
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
            sfu.clients.restart_ice(now.mono, key, (local, remote), &mut sfu.out)
        })
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
            sfu.out.note(AtWork::Session(key));
            sfu.remove_session(now.mono, key, reason);
        });
        removed.ok_or(ControlError::Fault)
    }

    /// Merged with the requests of viewers.
    pub fn request_keyframe(&mut self, now: Now, track: TrackId) -> Result<(), ControlError> {
        let key = self.tracks.find(track).ok_or(ControlError::NotFound)?;
        if !self.tracks.is_fed(key) {
            return Err(ControlError::NotFound);
        }
        self.tracks.want_keyframes_of(key);
        self.ask_for_keyframes(now.mono);
        Ok(())
    }

    fn fenced(&mut self, session: SessionId, epoch: Epoch) -> Result<SessionKey, ControlError> {
        let key = self.clients.fenced(session, epoch)?;
        self.out.note(AtWork::Session(key));
        Ok(key)
    }

    /// A track has one publisher.
    fn check_publishers(&self, own: Option<SessionKey>, media: &Media) -> Result<(), ControlError> {
        let taken = media.receive.iter().any(|line| {
            let track = self.tracks.find(line.track).and_then(|key| self.tracks.get(key));
            track.and_then(|track| track.publisher).is_some_and(|publisher| Some(publisher.session()) != own)
        });
        if taken { Err(ControlError::Invalid("another session publishes this track")) } else { Ok(()) }
    }

    fn apply_media(&mut self, now: Instant, key: SessionKey, media: Media) {
        let Some(session) = self.clients.get_mut(key) else { return };
        session.ingest.extensions = media.extensions;
        session.delivery.set_extensions(media.extensions, media.reports_streams);
        session.ingest.tells_arrivals =
            media.receive.iter().flat_map(|line| &line.codecs).any(|codec| codec.feedback.transport_cc);
        self.apply_receive(now, key, media.receive);
        self.apply_send(now, key, media.send);
    }

    // ── What is received ────────────────────────────────────────────────────────────────────────────────

    fn apply_receive(&mut self, now: Instant, key: SessionKey, lines: Vec<ReceiveTrack>) {
        let Some(session) = self.clients.get_mut(key) else { return };
        let mut old = std::mem::take(&mut session.ingest.sources);
        let mut sources = Vec::with_capacity(lines.len());
        for line in lines {
            let source = match old.iter().position(|source| source.spec.track == line.track) {
                Some(at) => {
                    let mut source = old.swap_remove(at);
                    if source.spec.rids != line.rids
                        && let Some(session) = self.clients.get_mut(key)
                    {
                        session.ingest.forget_streams(&mut source);
                    }
                    self.tracks.open_layer(source.track, line.encodings().saturating_sub(1) as u8);
                    source.add_encodings(&self.tracks.layers_of(source.track));
                    if source.spec.muted != line.muted {
                        self.mute(now, &mut source, line.muted);
                    }
                    source.replace_spec(line);
                    source
                }
                None => {
                    let track = self.tracks.open(line.track);
                    self.tracks.open_layer(track, line.encodings().saturating_sub(1) as u8);
                    Source::new(line, track, &self.tracks.layers_of(track))
                }
            };
            let (mesh, mut scope) = self.mesh_parts(now);
            mesh.yield_to_publisher(source.track, &mut scope);
            self.tracks.set_publisher(source.track, SourceKey::of(key, ReceiveLine::new(sources.len())));
            sources.push(source);
        }
        for gone in old {
            if let Some(session) = self.clients.get_mut(key) {
                session.ingest.retire_source(&gone);
            }
            self.end_source(now, key, &gone);
        }
        let Some(session) = self.clients.get_mut(key) else { return };
        session.ingest.sources = sources;
        session.ingest.reindex_sources();
        if session.delivery.path.is_keyed() {
            session.ingest.start_reports(now);
        }
    }

    /// Viewers are shown nothing from before a track was muted. Once it is unmuted they begin at a key frame.
    fn mute(&mut self, now: Instant, source: &mut Source, muted: bool) {
        if muted {
            let was_unwatched = self.tracks.unwatched_of(source.track) != 0;
            let (mesh, scope) = self.mesh_parts(now);
            mesh.restart_children_of(source.track, &scope);
            self.tracks.end(source.track);
            if was_unwatched {
                // The choice among the encodings starts anew, so the publisher has to send all of them again.
                self.tracks.unwatched.mark(source.track);
            }
        } else {
            source.begin_anew();
            self.tracks.want_keyframes_of(source.track);
        }
    }

    // ── What is sent ────────────────────────────────────────────────────────────────────────────────────

    fn apply_send(&mut self, now: Instant, key: SessionKey, lines: Vec<SendTrack>) {
        let Some(session) = self.clients.get(key) else { return };
        let stays =
            |spec: &SendTrack| lines.iter().any(|line| (line.ssrc, line.rtx_ssrc) == (spec.ssrc, spec.rtx_ssrc));
        let gone = session.delivery.lines().filter(|(_, sender)| !stays(&sender.spec));
        let gone: Vec<(SendLine, u32)> = gone.map(|(at, sender)| (at, sender.spec.ssrc)).collect();
        for (at, ssrc) in gone {
            self.end_sender(now, key, at, !lines.iter().any(|line| line.ssrc == ssrc));
        }
        for line in lines {
            let random = self.draw(SessionId(0, u128::from(line.ssrc)), key.place() as u64 + 1);
            let Some(session) = self.clients.get_mut(key) else { return };
            let at = session.delivery.place_sender(&line, random);
            let (readers, mut parts) = self.reader_parts(now);
            readers.follow(SenderKey::of(key, at), line, &mut parts);
        }
        self.clients.start_estimate(now, key);
        self.clients.adapting.mark(key);
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
