//! Owns the messages between two workers as bytes. Never seals and never decides.
//!
//! The fixed fields stand at the end of a message, its type in the last byte: extensions and payload, which lie
//! side by side in a history, are then one piece on the wire too, and what is read of it need not be moved.

mod fields;
mod media;
mod offer;

use arrayvec::ArrayVec;

pub(crate) use media::{MEDIA_FIXED_BYTES, MEDIA_PADDING_MAX, RelayedPacket, media_tail};

use crate::mesh::missing::LOST_MAX;
use crate::mesh::wire::fields::{FieldReader, put};
use crate::mesh::wire::media::MEDIA;
pub(crate) use crate::mesh::wire::offer::Announcement;
use crate::mesh::wire::offer::{parse_announcement, put_announcement};
use crate::spec::{ENCODINGS_MAX, Epoch, MediaKind, PeerId, TrackId};

/// One datagram carries one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RelayMessage<'a> {
    Media(RelayedPacket<'a>),
    Heartbeat(Heartbeat),
    Subscribe(Subscribe),
    Accept(Accept),
    Refuse {
        channel: u32,
        reason: Refusal,
    },
    /// The track is to be had from another child instead.
    Redirect {
        channel: u32,
        to: PeerId,
    },
    Unsubscribe {
        channel: u32,
    },
    Nack(Nack<'a>),
    Keyframe {
        channel: u32,
    },
    Clock {
        channel: u32,
        run: u8,
        clock: Clock,
    },
    /// Which encodings the track has, and what they bring.
    Offer {
        channel: u32,
        run: u8,
        encodings: Announcement,
    },
    /// Nothing above this sequence was sent yet.
    Tail {
        channel: u32,
        run: u8,
        sequence: u64,
    },
    /// The publisher is gone.
    End {
        channel: u32,
        run: u8,
    },
}

/// Times are microseconds by the clock of whoever wrote them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Heartbeat {
    pub sent_us: u64,
    /// Of the newest one that came from the other side; 0 before the first.
    pub echo_us: u64,
    /// How long ago that came.
    pub held_us: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subscribe {
    /// The subscriber's number for this relay.
    pub channel: u32,
    pub track: TrackId,
    /// Which of its encodings.
    pub encoding: u8,
    pub epoch: Epoch,
    pub kind: MediaKind,
    /// Run and highest sequence the subscriber has.
    pub have: Option<(u64, u64)>,
    /// Whom it gets the track from now and wants to leave; not a worker to be sent to.
    pub leaves: Option<PeerId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Accept {
    pub channel: u32,
    /// Which numbering of the track this is: whoever has packets of another one starts afresh.
    pub run: u64,
    /// Hops from the origin to whoever accepts.
    pub depth: u8,
    /// The first sequence that will be sent; 0 where that is not known.
    pub from: u64,
    pub clock: Option<Clock>,
}

/// What the timestamps mean, in the wall clock of the origin: relays pass it on, and each worker translates
/// it for itself. So audio and video stay together whatever way each of them comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clock {
    pub origin: PeerId,
    pub ntp: u64,
    pub timestamp: u32,
    /// The origin's wall clock when this was sent.
    pub now_ntp: u64,
    /// How long ago the two belonged together.
    pub age_us: u32,
    pub reported: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Refusal {
    NotHere = 1,
    StaleEpoch = 2,
    TooDeep = 3,
    /// The subscriber is where we get it from.
    Loop = 4,
    Full = 5,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Nack<'a> {
    pub channel: u32,
    pub run: u8,
    /// Asked for before: the answer is worth sending twice.
    pub urgent: bool,
    /// The lowest sequence, and how far above it each one is, in pairs of bytes.
    first: u64,
    offsets: &'a [u8],
}

impl Nack<'_> {
    pub fn lost(&self) -> impl Iterator<Item = u64> + '_ {
        self.offsets.as_chunks().0.iter().map(|offset| self.first + u64::from(u16::from_be_bytes(*offset)))
    }
}

/// A message of fixed fields, ready to be sealed.
pub(crate) type Frame = ArrayVec<u8, FRAME_BYTES_MAX>;
impl RelayMessage<'_> {
    /// `None` for what is no message of ours.
    pub fn parse(plain: &[u8]) -> Option<RelayMessage<'_>> {
        let (kind, rest) = plain.split_last()?;
        let mut reader = FieldReader(rest);
        let message = match *kind {
            MEDIA => return media::parse(reader).map(RelayMessage::Media),
            HEARTBEAT => RelayMessage::Heartbeat(Heartbeat {
                held_us: reader.u32()?,
                echo_us: reader.u64()?,
                sent_us: reader.u64()?,
            }),
            SUBSCRIBE => RelayMessage::Subscribe(parse_subscribe(&mut reader)?),
            ACCEPT => RelayMessage::Accept(parse_accept(&mut reader)?),
            REFUSE => RelayMessage::Refuse { channel: reader.u32()?, reason: Refusal::parse(reader.u8()?)? },
            REDIRECT => RelayMessage::Redirect { channel: reader.u32()?, to: PeerId(reader.u64()?) },
            UNSUBSCRIBE => RelayMessage::Unsubscribe { channel: reader.u32()? },
            NACK => RelayMessage::Nack(parse_nack(&mut reader)?),
            KEYFRAME => RelayMessage::Keyframe { channel: reader.u32()? },
            CLOCK => {
                RelayMessage::Clock { channel: reader.u32()?, run: reader.u8()?, clock: parse_clock(&mut reader)? }
            }
            OFFER => RelayMessage::Offer {
                channel: reader.u32()?,
                run: reader.u8()?,
                encodings: parse_announcement(&mut reader)?,
            },
            TAIL => RelayMessage::Tail { channel: reader.u32()?, run: reader.u8()?, sequence: reader.sequence()? },
            END => RelayMessage::End { channel: reader.u32()?, run: reader.u8()? },
            _ => return None,
        };
        reader.0.is_empty().then_some(message)
    }

    /// The bytes of any message but media.
    pub fn frame(&self) -> Frame {
        let mut out = Frame::new();
        match self {
            RelayMessage::Media(_) => {}
            RelayMessage::Heartbeat(beat) => {
                put(&mut out, &beat.sent_us.to_be_bytes());
                put(&mut out, &beat.echo_us.to_be_bytes());
                put(&mut out, &beat.held_us.to_be_bytes());
                put(&mut out, &[HEARTBEAT]);
            }
            RelayMessage::Subscribe(subscribe) => put_subscribe(&mut out, subscribe),
            RelayMessage::Accept(accept) => put_accept(&mut out, accept),
            RelayMessage::Refuse { channel, reason } => put_channel(&mut out, &[*reason as u8], *channel, REFUSE),
            RelayMessage::Redirect { channel, to } => put_channel(&mut out, &to.0.to_be_bytes(), *channel, REDIRECT),
            RelayMessage::Unsubscribe { channel } => put_channel(&mut out, &[], *channel, UNSUBSCRIBE),
            RelayMessage::Nack(nack) => put_nack(&mut out, nack),
            RelayMessage::Keyframe { channel } => put_channel(&mut out, &[], *channel, KEYFRAME),
            RelayMessage::Clock { channel, run, clock } => {
                put_clock(&mut out, clock);
                put_channel(&mut out, &[*run], *channel, CLOCK);
            }
            RelayMessage::Offer { channel, run, encodings } => {
                put_announcement(&mut out, encodings);
                put_channel(&mut out, &[*run], *channel, OFFER);
            }
            RelayMessage::Tail { channel, run, sequence } => {
                put(&mut out, &sequence.to_be_bytes());
                put_channel(&mut out, &[*run], *channel, TAIL);
            }
            RelayMessage::End { channel, run } => put_channel(&mut out, &[*run], *channel, END),
        }
        out
    }
}

fn put_subscribe(out: &mut Frame, subscribe: &Subscribe) {
    let (run, sequence) = subscribe.have.unwrap_or((0, 0));
    put(out, &sequence.to_be_bytes());
    put(out, &run.to_be_bytes());
    put(out, &subscribe.leaves.map_or(0, |peer| peer.0).to_be_bytes());
    put(out, &subscribe.epoch.0.to_be_bytes());
    put(out, &subscribe.track.0.to_be_bytes());
    let flags = [
        (subscribe.have.is_some(), HAVE),
        (subscribe.leaves.is_some(), LEAVES),
        (subscribe.kind == MediaKind::Video, VIDEO),
    ];
    let flags = flags.iter().filter(|(is_set, _)| *is_set).fold(0, |sum, (_, flag)| sum | flag);
    put_channel(out, &[subscribe.encoding, flags], subscribe.channel, SUBSCRIBE);
}

fn parse_subscribe(reader: &mut FieldReader<'_>) -> Option<Subscribe> {
    let (channel, flags, encoding) = (reader.u32()?, reader.u8()?, reader.u8()?);
    if usize::from(encoding) >= ENCODINGS_MAX {
        return None;
    }
    let (track, epoch) = (TrackId(reader.u64()?), Epoch(reader.u64()?));
    let (leaves, run, sequence) = (PeerId(reader.u64()?), reader.u64()?, reader.sequence()?);
    Some(Subscribe {
        channel,
        track,
        encoding,
        epoch,
        kind: if flags & VIDEO != 0 { MediaKind::Video } else { MediaKind::Audio },
        have: (flags & HAVE != 0).then_some((run, sequence)),
        leaves: (flags & LEAVES != 0).then_some(leaves),
    })
}

fn put_accept(out: &mut Frame, accept: &Accept) {
    if let Some(clock) = &accept.clock {
        put_clock(out, clock);
    }
    put(out, &accept.from.to_be_bytes());
    put(out, &accept.run.to_be_bytes());
    put_channel(out, &[accept.depth, u8::from(accept.clock.is_some())], accept.channel, ACCEPT);
}

fn parse_accept(reader: &mut FieldReader<'_>) -> Option<Accept> {
    let (channel, has_clock, depth) = (reader.u32()?, reader.u8()?, reader.u8()?);
    let (run, from) = (reader.u64()?, reader.sequence()?);
    let clock = if has_clock == 0 { None } else { Some(parse_clock(reader)?) };
    Some(Accept { channel, run, depth, from, clock })
}

fn put_clock(out: &mut Frame, clock: &Clock) {
    put(out, &clock.origin.0.to_be_bytes());
    put(out, &clock.ntp.to_be_bytes());
    put(out, &clock.now_ntp.to_be_bytes());
    put(out, &clock.timestamp.to_be_bytes());
    put(out, &clock.age_us.to_be_bytes());
    put(out, &[u8::from(clock.reported)]);
}

fn parse_clock(reader: &mut FieldReader<'_>) -> Option<Clock> {
    let (reported, age_us, timestamp) = (reader.u8()? != 0, reader.u32()?, reader.u32()?);
    let (now_ntp, ntp, origin) = (reader.u64()?, reader.u64()?, PeerId(reader.u64()?));
    Some(Clock { origin, ntp, timestamp, now_ntp, age_us, reported })
}

/// A request for what is lost, ascending and no more than 2^16 apart.
pub(crate) fn nack_frame(channel: u32, run: u8, urgent: bool, lost: &[u64]) -> Frame {
    let first = lost.first().copied().unwrap_or(0);
    let mut offsets: ArrayVec<u8, { LOST_MAX * 2 }> = ArrayVec::new();
    for offset in lost.iter().filter_map(|sequence| u16::try_from(sequence.checked_sub(first)?).ok()).take(LOST_MAX) {
        put(&mut offsets, &offset.to_be_bytes());
    }
    RelayMessage::Nack(Nack { channel, run, urgent, first, offsets: &offsets }).frame()
}

fn put_nack(out: &mut Frame, nack: &Nack<'_>) {
    put(out, nack.offsets);
    put(out, &nack.first.to_be_bytes());
    put_channel(out, &[u8::from(nack.urgent), nack.run], nack.channel, NACK);
}

/// What is before the fixed fields are offsets.
fn parse_nack<'a>(reader: &mut FieldReader<'a>) -> Option<Nack<'a>> {
    let (channel, run, urgent, first) = (reader.u32()?, reader.u8()?, reader.u8()? != 0, reader.sequence()?);
    let offsets = std::mem::take(&mut reader.0);
    let fits = offsets.len() <= LOST_MAX * 2 && offsets.len().is_multiple_of(2);
    fits.then_some(Nack { channel, run, urgent, first, offsets })
}

fn put_channel(out: &mut Frame, fields: &[u8], channel: u32, kind: u8) {
    put(out, fields);
    put(out, &channel.to_be_bytes());
    put(out, &[kind]);
}

impl Refusal {
    fn parse(byte: u8) -> Option<Refusal> {
        let all = [Refusal::NotHere, Refusal::StaleEpoch, Refusal::TooDeep, Refusal::Loop, Refusal::Full];
        all.into_iter().find(|reason| *reason as u8 == byte)
    }
}

const HEARTBEAT: u8 = 2;
const SUBSCRIBE: u8 = 3;
const ACCEPT: u8 = 4;
const REFUSE: u8 = 5;
const REDIRECT: u8 = 6;
const UNSUBSCRIBE: u8 = 7;
const NACK: u8 = 8;
const KEYFRAME: u8 = 9;
const CLOCK: u8 = 10;
const TAIL: u8 = 11;
const END: u8 = 12;
const OFFER: u8 = 13;

const HAVE: u8 = 1;
const LEAVES: u8 = 2;
const VIDEO: u8 = 4;

/// The longest is a NACK.
const FRAME_BYTES_MAX: usize = LOST_MAX * 2 + 32;
const _: () = assert!(FRAME_BYTES_MAX > 96);

#[cfg(test)]
mod tests;
