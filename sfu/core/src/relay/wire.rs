//! Owns the messages between two workers as bytes. Never seals and never decides.
//!
//! The fixed fields stand at the end of a message, its type in the last byte: a media packet is then sealed
//! straight from the history, where extensions and payload lie side by side.

use arrayvec::ArrayVec;

use crate::history::{Arrived, EXTENSIONS_BYTES_MAX};
use crate::relay::missing::LOST_MAX;
use crate::spec::{Epoch, MediaKind, PeerId, TrackId};

/// One datagram carries one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message<'a> {
    Media(Media<'a>),
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
    Nack(Nack),
    Keyframe {
        channel: u32,
    },
    Clock {
        channel: u32,
        run: u8,
        clock: Clock,
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

/// A packet as the history keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Media<'a> {
    pub channel: u32,
    /// Low byte of the run its numbers belong to.
    pub run: u8,
    /// Its time is the receiver's to fill in.
    pub packet: Arrived,
    pub extensions: &'a [u8],
    pub payload: &'a [u8],
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

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Nack {
    pub channel: u32,
    pub run: u8,
    /// Asked for before: the answer is worth sending twice.
    pub urgent: bool,
    pub lost: ArrayVec<u64, LOST_MAX>,
}

/// A message of fixed fields, ready to be sealed.
pub(crate) type Frame = ArrayVec<u8, FRAME_BYTES_MAX>;
/// The fixed fields of a media message.
pub(crate) type MediaTail = ArrayVec<u8, { MEDIA_FIXED_BYTES + MEDIA_PADDING_MAX }>;

impl Message<'_> {
    /// `None` for what is no message of ours.
    pub fn parse(plain: &[u8]) -> Option<Message<'_>> {
        let (kind, rest) = plain.split_last()?;
        let mut reader = Reader(rest);
        let message = match *kind {
            MEDIA => return parse_media(reader).map(Message::Media),
            HEARTBEAT => {
                Message::Heartbeat(Heartbeat { held_us: reader.u32()?, echo_us: reader.u64()?, sent_us: reader.u64()? })
            }
            SUBSCRIBE => Message::Subscribe(parse_subscribe(&mut reader)?),
            ACCEPT => Message::Accept(parse_accept(&mut reader)?),
            REFUSE => Message::Refuse { channel: reader.u32()?, reason: Refusal::parse(reader.u8()?)? },
            REDIRECT => Message::Redirect { channel: reader.u32()?, to: PeerId(reader.u64()?) },
            UNSUBSCRIBE => Message::Unsubscribe { channel: reader.u32()? },
            NACK => Message::Nack(parse_nack(&mut reader)?),
            KEYFRAME => Message::Keyframe { channel: reader.u32()? },
            CLOCK => Message::Clock { channel: reader.u32()?, run: reader.u8()?, clock: parse_clock(&mut reader)? },
            TAIL => Message::Tail { channel: reader.u32()?, run: reader.u8()?, sequence: reader.sequence()? },
            END => Message::End { channel: reader.u32()?, run: reader.u8()? },
            _ => return None,
        };
        reader.0.is_empty().then_some(message)
    }

    /// The bytes of any message but media.
    pub fn frame(&self) -> Frame {
        let mut out = Frame::new();
        match self {
            Message::Media(_) => {}
            Message::Heartbeat(beat) => {
                put(&mut out, &beat.sent_us.to_be_bytes());
                put(&mut out, &beat.echo_us.to_be_bytes());
                put(&mut out, &beat.held_us.to_be_bytes());
                put(&mut out, &[HEARTBEAT]);
            }
            Message::Subscribe(subscribe) => put_subscribe(&mut out, subscribe),
            Message::Accept(accept) => put_accept(&mut out, accept),
            Message::Refuse { channel, reason } => put_channel(&mut out, &[*reason as u8], *channel, REFUSE),
            Message::Redirect { channel, to } => put_channel(&mut out, &to.0.to_be_bytes(), *channel, REDIRECT),
            Message::Unsubscribe { channel } => put_channel(&mut out, &[], *channel, UNSUBSCRIBE),
            Message::Nack(nack) => put_nack(&mut out, nack),
            Message::Keyframe { channel } => put_channel(&mut out, &[], *channel, KEYFRAME),
            Message::Clock { channel, run, clock } => {
                put_clock(&mut out, clock);
                put_channel(&mut out, &[*run], *channel, CLOCK);
            }
            Message::Tail { channel, run, sequence } => {
                put(&mut out, &sequence.to_be_bytes());
                put_channel(&mut out, &[*run], *channel, TAIL);
            }
            Message::End { channel, run } => put_channel(&mut out, &[*run], *channel, END),
        }
        out
    }
}

/// What stands behind extensions and payload; `padding` zeros make packets of one run equally long.
pub(crate) fn media_tail(channel: u32, run: u8, packet: &Arrived, extensions_len: u8, padding: u8) -> MediaTail {
    let mut out = MediaTail::new();
    let padding = padding.min(MEDIA_PADDING_MAX as u8);
    put(&mut out, &[0; MEDIA_PADDING_MAX][..usize::from(padding)]);
    put(&mut out, &[padding, extensions_len]);
    put(&mut out, &packet.sequence.to_be_bytes());
    put(&mut out, &packet.timestamp.to_be_bytes());
    put(&mut out, &packet.generation.to_be_bytes());
    let flags = [(packet.marker, MARKER), (packet.keyframe, KEYFRAME_START), (packet.ends_burst, ENDS_BURST)];
    let flags = flags.iter().filter(|(is_set, _)| *is_set).fold(0, |sum, (_, flag)| sum | flag);
    put(&mut out, &[packet.payload_type, flags, run]);
    put(&mut out, &channel.to_be_bytes());
    put(&mut out, &[MEDIA]);
    out
}

fn parse_media(mut reader: Reader<'_>) -> Option<Media<'_>> {
    let (channel, run, flags, payload_type) = (reader.u32()?, reader.u8()?, reader.u8()?, reader.u8()?);
    let (generation, timestamp, sequence) = (reader.u32()?, reader.u32()?, reader.sequence()?);
    let (extensions_len, padding) = (usize::from(reader.u8()?), usize::from(reader.u8()?));
    let body = reader.0.get(..reader.0.len().checked_sub(padding)?)?;
    let (extensions, payload) = body.split_at_checked(extensions_len)?;
    if payload_type > 127 || extensions_len > EXTENSIONS_BYTES_MAX {
        return None;
    }
    let packet = Arrived {
        sequence,
        timestamp,
        generation,
        payload_type,
        marker: flags & MARKER != 0,
        keyframe: flags & KEYFRAME_START != 0,
        ends_burst: flags & ENDS_BURST != 0,
        at_ms: 0,
    };
    Some(Media { channel, run, packet, extensions, payload })
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
    put_channel(out, &[flags], subscribe.channel, SUBSCRIBE);
}

fn parse_subscribe(reader: &mut Reader<'_>) -> Option<Subscribe> {
    let (channel, flags) = (reader.u32()?, reader.u8()?);
    let (track, epoch) = (TrackId(reader.u64()?), Epoch(reader.u64()?));
    let (leaves, run, sequence) = (PeerId(reader.u64()?), reader.u64()?, reader.sequence()?);
    Some(Subscribe {
        channel,
        track,
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

fn parse_accept(reader: &mut Reader<'_>) -> Option<Accept> {
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

fn parse_clock(reader: &mut Reader<'_>) -> Option<Clock> {
    let (reported, age_us, timestamp) = (reader.u8()? != 0, reader.u32()?, reader.u32()?);
    let (now_ntp, ntp, origin) = (reader.u64()?, reader.u64()?, PeerId(reader.u64()?));
    Some(Clock { origin, ntp, timestamp, now_ntp, age_us, reported })
}

/// The lowest sequence in full, then how far above it each one is.
fn put_nack(out: &mut Frame, nack: &Nack) {
    let first = nack.lost.first().copied().unwrap_or(0);
    let offsets = nack.lost.iter().filter_map(|sequence| u16::try_from(sequence.checked_sub(first)?).ok());
    let mut count = 0_u8;
    for offset in offsets {
        put(out, &offset.to_be_bytes());
        count += 1;
    }
    put(out, &[count]);
    put(out, &first.to_be_bytes());
    put_channel(out, &[u8::from(nack.urgent), nack.run], nack.channel, NACK);
}

fn parse_nack(reader: &mut Reader<'_>) -> Option<Nack> {
    let (channel, run, urgent) = (reader.u32()?, reader.u8()?, reader.u8()? != 0);
    let (first, count) = (reader.sequence()?, reader.u8()?);
    let mut lost = ArrayVec::new();
    for _ in 0..count {
        lost.try_push(first + u64::from(reader.u16()?)).ok()?;
    }
    // They were read from the back.
    lost.reverse();
    Some(Nack { channel, run, urgent, lost })
}

fn put_channel(out: &mut Frame, fields: &[u8], channel: u32, kind: u8) {
    put(out, fields);
    put(out, &channel.to_be_bytes());
    put(out, &[kind]);
}

fn put<const N: usize>(out: &mut ArrayVec<u8, N>, bytes: &[u8]) {
    out.try_extend_from_slice(bytes).expect("the room is that of the longest message");
}

/// Takes fields from the end.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (rest, field) = self.0.split_last_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take().map(u8::from_be_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    /// Far from where sums overflow; an honest track never gets there.
    fn sequence(&mut self) -> Option<u64> {
        self.u64().filter(|sequence| *sequence < SEQUENCE_MAX)
    }
}

impl Refusal {
    fn parse(byte: u8) -> Option<Refusal> {
        let all = [Refusal::NotHere, Refusal::StaleEpoch, Refusal::TooDeep, Refusal::Loop, Refusal::Full];
        all.into_iter().find(|reason| *reason as u8 == byte)
    }
}

const MEDIA: u8 = 1;
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

const MARKER: u8 = 1;
const KEYFRAME_START: u8 = 2;
const ENDS_BURST: u8 = 4;
const HAVE: u8 = 1;
const LEAVES: u8 = 2;
const VIDEO: u8 = 4;

const SEQUENCE_MAX: u64 = 1 << 62;
pub(crate) const MEDIA_FIXED_BYTES: usize = 26;
/// Most zeros that make a media message longer.
pub(crate) const MEDIA_PADDING_MAX: usize = 16;
/// The longest is a NACK.
const FRAME_BYTES_MAX: usize = LOST_MAX * 2 + 32;
const _: () = assert!(LOST_MAX <= u8::MAX as usize && FRAME_BYTES_MAX > 96);

#[cfg(test)]
mod tests;
