//! Owns what a publisher is told and asked for: arrivals, losses, key frames, reception. Never reads what it answers.

use std::time::{Duration, Instant};

use arrayvec::ArrayVec;

use crate::clients::delivery::Path;
use crate::clients::ingest::Ingest;
use crate::clients::ingest::nack::Lost;
use crate::clients::ingest::source::{SILENT_AFTER, Source, StreamRole};
use crate::clients::ingest::twcc::ArrivalLog;
use crate::egress::Egress;
use crate::keys::{LayerKey, ReceiveLine};
use crate::spec::{SessionId, TRACKS_PER_SESSION_MAX, TrackId};
use crate::wire::rtcp::{ReportBlock, RtcpWriter};
use crate::wire::rtp::Ssrc;

/// The way back to the publisher.
pub(crate) struct Back<'a> {
    pub path: &'a mut Path,
    /// Under which we report.
    pub ssrc: Ssrc,
    pub egress: &'a mut Egress,
}

impl Back<'_> {
    fn send(&mut self, now: Instant, write: impl FnOnce(&mut RtcpWriter<'_>) -> Option<()>) {
        self.path.send_rtcp(now, self.egress, write);
    }
}

impl Ingest {
    /// The tracks on which media fell silent.
    pub fn note_silence(&mut self, now: Instant) -> ArrayVec<TrackId, { TRACKS_PER_SESSION_MAX }> {
        let mut silent = ArrayVec::new();
        for source in &mut self.sources {
            if source.active && source.heard.is_none_or(|heard| now >= heard + SILENT_AFTER) {
                source.active = false;
                silent.push(source.spec.track);
            }
        }
        silent
    }

    /// Transport-wide feedback; without it Chromium stays at its smallest picture.
    pub fn send_transport_feedback(&mut self, now: Instant, back: &mut Back<'_>) {
        let media = self.sources.iter().find_map(|source| Some(source.selected(0)?.ssrc));
        let own = back.ssrc;
        let media = media.unwrap_or(own);
        for _ in 0..FEEDBACKS_PER_TURN_MAX {
            if self.arrivals.poll_timeout().is_none_or(|at| at > now) {
                return;
            }
            let (arrivals, mut is_written) = (&mut self.arrivals, false);
            back.send(now, |writer| {
                writer.receiver_report(own, &[])?;
                is_written = arrivals.poll_feedback(now, own, media, writer);
                is_written.then_some(())
            });
            if !is_written {
                // Nobody can be told just now (the path is gone): a deadline that stays would never let us rest.
                self.arrivals = ArrivalLog::new(now);
            }
        }
    }

    pub fn send_nacks(&mut self, now: Instant, round_trip: Option<Duration>, back: &mut Back<'_>) {
        let own = back.ssrc;
        for source in &mut self.sources {
            for stream in &mut source.streams {
                let mut lost = Lost::new();
                if let Some(round_trip) = round_trip {
                    // A quarter more, or every second repeat would be overtaken by the next request.
                    stream.nack.set_round_trip(round_trip + round_trip / 4);
                }
                stream.nack.poll_lost(now, &mut lost);
                if lost.is_empty() {
                    continue;
                }
                source.nacked += lost.len() as u64;
                let media = stream.ssrc;
                back.send(now, |writer| {
                    writer.receiver_report(own, &[])?;
                    writer.nack(own, media, &lost)
                });
            }
        }
    }

    /// A key frame that did not come is asked for again while there are viewers.
    pub fn retry_keyframes(&mut self, now: Instant, is_wanted: impl Fn(LayerKey) -> bool, back: &mut Back<'_>) {
        for source in &mut self.sources {
            for at in 0..source.encodings.len() as u8 {
                if let Some(encoding) = source.encodings.get_mut(usize::from(at))
                    && !is_wanted(encoding.layer)
                {
                    encoding.keyframes.satisfy();
                }
                send_keyframe_request(now, source, at, back);
            }
        }
    }

    /// Somebody needs a key frame of an encoding of this m-line, which is not asked for while it is muted: nobody would get
    /// it. Returns when to ask again.
    pub fn request_keyframe(
        &mut self,
        now: Instant,
        (line, encoding): (ReceiveLine, u8),
        pause: Duration,
        back: &mut Back<'_>,
    ) -> Option<Instant> {
        let source = self.source_mut(line).filter(|source| !source.spec.muted)?;
        source.encodings.get_mut(usize::from(encoding))?.keyframes.want(pause);
        send_keyframe_request(now, source, encoding, back);
        source.encodings.get(usize::from(encoding))?.keyframes.poll_timeout()
    }

    /// What arrived of a publisher's streams, each second (RFC 3550 section 6.4.2) while anything does, and REMB for
    /// clients that know nothing better.
    pub fn send_receiver_reports(&mut self, now: Instant, id: SessionId, back: &mut Back<'_>) {
        if self.report_at.is_none_or(|at| at > now) {
            return;
        }
        self.report_at = (!self.sources.is_empty()).then_some(now + REPORT_INTERVAL);
        let mut blocks: ArrayVec<ReportBlock, BLOCKS_MAX> = ArrayVec::new();
        let mut wants_remb: ArrayVec<Ssrc, BLOCKS_MAX> = ArrayVec::new();
        for source in &mut self.sources {
            source.traffic.measure(now);
            let feedback = source.feedback();
            for stream in &mut source.streams {
                let is_recent = now.saturating_duration_since(stream.heard) < REPORT_STREAM_FOR;
                if !is_recent || blocks.is_full() {
                    continue;
                }
                blocks.push(stream.reception.report(stream.ssrc, stream.report.as_ref(), now));
                if feedback.remb && !feedback.transport_cc && stream.role == StreamRole::Media {
                    wants_remb.push(stream.ssrc);
                }
            }
        }
        if blocks.is_empty() {
            return;
        }
        let own = back.ssrc;
        back.send(now, |writer| {
            writer.receiver_report(own, &blocks)?;
            let mut name = arrayvec::ArrayString::<16>::new();
            let _ = std::fmt::Write::write_fmt(&mut name, format_args!("{:016x}", id.1 as u64));
            writer.cname(own, &name)?;
            if wants_remb.is_empty() { Some(()) } else { writer.remb(own, REMB_BPS, &wants_remb) }
        });
    }

    /// Receiver reports begin, if there is anything to report on.
    pub fn start_reports(&mut self, now: Instant) {
        if self.report_at.is_none() && !self.sources.is_empty() {
            self.report_at = Some(now + REPORT_INTERVAL);
        }
    }
}

fn send_keyframe_request(now: Instant, source: &mut Source, encoding: u8, back: &mut Back<'_>) {
    let (own, is_ready) = (back.ssrc, back.path.is_open());
    let feedback = source.feedback();
    let media = source.selected(encoding).map(|stream| stream.ssrc).filter(|_| is_ready);
    let Some(keyframes) = source.encodings.get_mut(usize::from(encoding)).map(|encoding| &mut encoding.keyframes)
    else {
        return;
    };
    if !feedback.pli && !feedback.fir {
        // There is no way to ask; the next key frame comes when it comes.
        keyframes.satisfy();
        return;
    }
    // Before the first packet there is no SSRC to name, and the first frame is a key frame anyway.
    let Some(media) = media else {
        keyframes.satisfy();
        return;
    };
    if !keyframes.take_due(now) {
        return;
    }
    let command = keyframes.command;
    back.send(now, |writer| {
        writer.receiver_report(own, &[])?;
        if feedback.pli { writer.pli(own, media) } else { writer.fir(own, &[(media, command)]) }
    });
}

/// Between two receiver reports to a publisher.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// A stream is reported on for this long after its last packet.
const REPORT_STREAM_FOR: Duration = Duration::from_secs(5);
/// Told to clients that know REMB but not transport-wide feedback: there is no estimate of their path, so it
/// is what a good 1080p picture takes, and loss reports do the rest.
const REMB_BPS: u64 = 5_000_000;
/// Report blocks of one packet (RFC 3550 section 6.4.1: five bits of count).
const BLOCKS_MAX: usize = 31;
/// Transport-wide feedback packets sent to one session at once.
const FEEDBACKS_PER_TURN_MAX: usize = 4;
