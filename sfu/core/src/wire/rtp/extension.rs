//! Owns RTP header extensions (RFC 8285): reading both forms, finding the negotiated ones, writing a block
//! with a viewer's ids. Never interprets a value.

/// What the SFU may understand or pass on. Relays name them by their places, and pass over those that they don't know: a
/// new one comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExtensionKind {
    Mid,
    Rid,
    RepairedRid,
    TransportCc,
    AbsSendTime,
    AudioLevel,
    VideoOrientation,
    PlayoutDelay,
    AbsCaptureTime,
    VideoContentType,
    ColorSpace,
    DependencyDescriptor,
    LayersAllocation,
}

impl ExtensionKind {
    pub const ALL: [ExtensionKind; KIND_COUNT] = [
        ExtensionKind::Mid,
        ExtensionKind::Rid,
        ExtensionKind::RepairedRid,
        ExtensionKind::TransportCc,
        ExtensionKind::AbsSendTime,
        ExtensionKind::AudioLevel,
        ExtensionKind::VideoOrientation,
        ExtensionKind::PlayoutDelay,
        ExtensionKind::AbsCaptureTime,
        ExtensionKind::VideoContentType,
        ExtensionKind::ColorSpace,
        ExtensionKind::DependencyDescriptor,
        ExtensionKind::LayersAllocation,
    ];
}

/// The ids one client negotiated. Plain data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtensionMap {
    ids: [u8; KIND_COUNT],
    /// The kind of each one-byte id plus one, 0 where there is none: one load per element of a packet.
    kind_of_small_id: [u8; SMALL_IDS],
}

impl ExtensionMap {
    pub fn empty() -> ExtensionMap {
        ExtensionMap { ids: [0; KIND_COUNT], kind_of_small_id: [0; SMALL_IDS] }
    }

    /// `id` 1–255; an id that is already taken goes to the newer kind. Id 0 is padding and means none.
    pub fn with(mut self, kind: ExtensionKind, id: Option<u8>) -> ExtensionMap {
        let id = id.unwrap_or(0);
        if let Some(other) = self.kind(id) {
            self.ids[other as usize] = 0;
        }
        self.ids[kind as usize] = id;
        self.kind_of_small_id = [0; SMALL_IDS];
        for kind in ExtensionKind::ALL {
            if let id @ 1.. = self.ids[kind as usize]
                && let Some(slot) = self.kind_of_small_id.get_mut(usize::from(id))
            {
                *slot = kind as u8 + 1;
            }
        }
        self
    }

    pub fn id(&self, kind: ExtensionKind) -> Option<u8> {
        match self.ids[kind as usize] {
            0 => None,
            id => Some(id),
        }
    }

    pub fn kind(&self, id: u8) -> Option<ExtensionKind> {
        if id == 0 {
            return None;
        }
        let index = match self.kind_of_small_id.get(usize::from(id)) {
            Some(slot) => usize::from(*slot).checked_sub(1)?,
            None => self.ids.iter().position(|known| *known == id)?,
        };
        ExtensionKind::ALL.get(index).copied()
    }

    /// One pass over the elements of a packet. Of an element that is repeated the first counts.
    pub fn find<'a>(&self, elements: Elements<'a>) -> ExtensionValues<'a> {
        let mut values = [None; KIND_COUNT];
        for (id, value) in elements {
            if let Some(kind) = self.kind(id)
                && values[kind as usize].is_none()
            {
                values[kind as usize] = Some(value);
            }
        }
        ExtensionValues { values }
    }
}

/// The values of the negotiated extensions that one packet carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtensionValues<'a> {
    values: [Option<&'a [u8]>; KIND_COUNT],
}

impl<'a> ExtensionValues<'a> {
    pub fn value(&self, kind: ExtensionKind) -> Option<&'a [u8]> {
        self.values[kind as usize]
    }

    pub fn iter(&self) -> impl Iterator<Item = (ExtensionKind, &'a [u8])> {
        ExtensionKind::ALL.into_iter().filter_map(|kind| Some((kind, self.value(kind)?)))
    }

    /// The transport-wide sequence number (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 2).
    pub fn transport_seq(&self) -> Option<u16> {
        Some(u16::from_be_bytes(*self.value(ExtensionKind::TransportCc)?.first_chunk()?))
    }
}

/// Iterates the (id, value) pairs of an extension block; ends where the block is damaged.
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    form: Form,
    rest: &'a [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    OneByte,
    TwoByte,
}

impl<'a> Elements<'a> {
    /// `profile` is the 16 bits before the block's length, `values` what follows it. A profile that is not
    /// RFC 8285's has no elements.
    pub fn new(profile: u16, values: &'a [u8]) -> Elements<'a> {
        match profile {
            ONE_BYTE_PROFILE => Elements { form: Form::OneByte, rest: values },
            // The low four bits are "appbits" without meaning here (RFC 8285 section 4.3).
            profile if profile & 0xfff0 == TWO_BYTE_PROFILE => Elements { form: Form::TwoByte, rest: values },
            _ => Elements { form: Form::OneByte, rest: &[] },
        }
    }

    fn take_one_byte(&mut self, first: u8, rest: &'a [u8]) -> Option<(u8, &'a [u8])> {
        let (id, len) = (first >> 4, usize::from(first & 0x0f) + 1);
        // Id 0 with a length and id 15 end the block (RFC 8285 section 4.2).
        if id == 0 || id == 15 {
            return None;
        }
        let (value, rest) = rest.split_at_checked(len)?;
        self.rest = rest;
        Some((id, value))
    }

    fn take_two_bytes(&mut self, id: u8, rest: &'a [u8]) -> Option<(u8, &'a [u8])> {
        let (len, rest) = rest.split_first()?;
        let (value, rest) = rest.split_at_checked(usize::from(*len))?;
        self.rest = rest;
        Some((id, value))
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        loop {
            let (&first, rest) = self.rest.split_first()?;
            if first == 0 {
                self.rest = rest;
                continue;
            }
            self.rest = &[];
            return match self.form {
                Form::OneByte => self.take_one_byte(first, rest),
                Form::TwoByte => self.take_two_bytes(first, rest),
            };
        }
    }
}

/// The value of an element of a block, its profile and length included.
pub fn element_mut(block: &mut [u8], wanted: u8) -> Option<&mut [u8]> {
    let (head, values) = block.split_first_chunk_mut::<4>()?;
    let mut elements = Elements::new(u16::from_be_bytes([head[0], head[1]]), values);
    let len = loop {
        let (id, value) = elements.next()?;
        if id == wanted {
            break value.len();
        }
    };
    let end = values.len() - elements.rest.len();
    values.get_mut(end.checked_sub(len)?..end)
}

/// Writes an extension block (profile, length, elements, padding to 32 bits) and returns its length; 0 when
/// there is nothing to write. One-byte form where every element fits it (id 1–14, 1–16 bytes), else two-byte.
/// None when `out` is too short, an id is 0 or a value exceeds 255 bytes.
pub fn write_extensions(elements: &[(u8, &[u8])], out: &mut [u8]) -> Option<usize> {
    if elements.is_empty() {
        return Some(0);
    }
    let small = elements.iter().all(|(id, value)| (1..=14).contains(id) && (1..=16).contains(&value.len()));
    let (block, values) = out.split_first_chunk_mut::<4>()?;
    let mut at = 0;
    for (id, value) in elements {
        if *id == 0 {
            return None;
        }
        let len = u8::try_from(value.len()).ok()?;
        if small {
            *values.get_mut(at)? = (id << 4) | len.wrapping_sub(1);
            at += 1;
        } else {
            values.get_mut(at..at + 2)?.copy_from_slice(&[*id, len]);
            at += 2;
        }
        values.get_mut(at..at + value.len())?.copy_from_slice(value);
        at += value.len();
    }
    let padded = at.next_multiple_of(4);
    values.get_mut(at..padded)?.fill(0);
    let [p0, p1] = if small { ONE_BYTE_PROFILE } else { TWO_BYTE_PROFILE }.to_be_bytes();
    let [w0, w1] = u16::try_from(padded / 4).ok()?.to_be_bytes();
    *block = [p0, p1, w0, w1];
    Some(4 + padded)
}

const KIND_COUNT: usize = 13;
/// Ids below this may appear in the one-byte form.
const SMALL_IDS: usize = 16;
const ONE_BYTE_PROFILE: u16 = 0xbede;
const TWO_BYTE_PROFILE: u16 = 0x1000;

#[cfg(test)]
mod tests;
