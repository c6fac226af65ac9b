//! A publisher of one encoding with layers, as libwebrtc makes them, and what depends on what in it. Knows nothing of the
//! worker: unit tests and the harness use it.
#![allow(dead_code, reason = "each of them uses its part")]

/// Where packets say which layer they are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerSyntax {
    /// In the payload descriptor of VP8.
    Vp8,
    /// In that of VP9, with references to other pictures (flexible mode) or without.
    Vp9 { is_flexible: bool },
    /// In the dependency descriptor; the payload is of AV1.
    Descriptor,
}

/// A scalability mode (W3C webrtc-svc): L`spatial`T`temporal`, or the same with `_KEY`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode {
    pub spatial: u8,
    pub temporal: u8,
    pub is_key: bool,
    pub syntax: LayerSyntax,
}

/// One spatial layer of one picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub unit: u32,
    pub spatial: u8,
    pub temporal: u8,
    pub is_keyframe: bool,
    /// Places of the frames that it is predicted from.
    pub depends: Vec<usize>,
    pub packets: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Place of its frame, and its own within that.
    pub frame: usize,
    pub place: usize,
    pub descriptor: Option<Vec<u8>>,
    pub marker: bool,
    pub timestamp: u32,
    pub payload: Vec<u8>,
}

#[derive(Debug, Clone)]
pub struct Film {
    pub mode: Mode,
    pub frames: Vec<Frame>,
    /// Spatial layers that are sent.
    pub active: u8,
    /// Of each payload.
    pub bytes: usize,
    unit: u32,
    since_key: u32,
    picture_id: u16,
    tl0: u8,
    /// The newest frame of each layer.
    newest: [[Option<usize>; 3]; 3],
}

impl Film {
    pub fn new(mode: Mode) -> Film {
        let newest = [[None; 3]; 3];
        Film {
            mode,
            frames: Vec::new(),
            active: mode.spatial,
            bytes: 60,
            unit: 0,
            since_key: 0,
            picture_id: 0x7ff0,
            tl0: 250,
            newest,
        }
    }

    /// The next picture; of each spatial layer so many packets.
    pub fn picture(&mut self, is_keyframe: bool, packets: [usize; 3]) -> Vec<Made> {
        self.unit += 1;
        self.since_key = if is_keyframe || self.unit == 1 { 0 } else { self.since_key + 1 };
        let temporal = match (self.mode.temporal, self.since_key % 4) {
            (1, _) | (_, 0) => 0,
            (2, at) => (at % 2) as u8,
            (_, 2) => 1,
            _ => 2,
        };
        self.picture_id = self.picture_id.wrapping_add(1) & 0x7fff;
        self.tl0 = self.tl0.wrapping_add(u8::from(temporal == 0));
        let mut made = Vec::new();
        for spatial in 0..self.active {
            let frame = self.note_frame(spatial, temporal, packets[usize::from(spatial)]);
            let count = self.frames[frame].packets;
            for place in 0..count {
                let (descriptor, mut payload) = self.say(frame, place);
                payload.resize(self.bytes.max(payload.len() + 8), 0xee);
                payload.extend((frame as u32).to_be_bytes());
                payload.push(place as u8);
                let marker = place + 1 == count && spatial + 1 == self.active;
                made.push(Made { frame, place, descriptor, marker, timestamp: self.unit * 3_000, payload });
            }
        }
        made
    }

    fn note_frame(&mut self, spatial: u8, temporal: u8, packets: usize) -> usize {
        let is_keyframe = self.since_key == 0;
        let (s, t) = (usize::from(spatial), usize::from(temporal));
        let mut depends = Vec::new();
        if !is_keyframe {
            // The second frame of the highest of three needs the one of the middle layer.
            let of = if temporal == 2 && self.since_key % 4 == 3 { 1 } else { 0 };
            depends.extend(self.newest[s][of]);
        }
        if spatial > 0 && (is_keyframe || !self.mode.is_key || depends.is_empty()) {
            depends.push(self.frames.len() - 1);
        }
        let frame = self.frames.len();
        if is_keyframe {
            self.newest[s] = [None; 3];
        }
        self.newest[s][t] = Some(frame);
        self.frames.push(Frame { unit: self.unit, spatial, temporal, is_keyframe, depends, packets });
        frame
    }

    /// Its frames and places, by the ends of what a viewer received.
    pub fn recognise(payload: &[u8]) -> (usize, usize) {
        let (&[a, b, c, d, place], _) = payload.split_last_chunk::<5>().map(|(rest, end)| (end, rest)).expect("an end");
        (u32::from_be_bytes([a, b, c, d]) as usize, usize::from(place))
    }

    fn say(&self, frame: usize, place: usize) -> (Option<Vec<u8>>, Vec<u8>) {
        match self.mode.syntax {
            LayerSyntax::Vp8 => (None, self.vp8(frame, place)),
            LayerSyntax::Vp9 { is_flexible } => (None, self.vp9(frame, place, is_flexible)),
            LayerSyntax::Descriptor => {
                let is_start = place == 0 && self.frames[frame].is_keyframe && self.frames[frame].spatial == 0;
                (Some(self.descriptor(frame, place)), vec![if is_start { 0x18 } else { 0x10 }, 0x30, 1])
            }
        }
    }

    fn vp8(&self, at: usize, place: usize) -> Vec<u8> {
        let frame = &self.frames[at];
        let synced = frame.temporal > 0 && frame.depends.iter().all(|other| self.frames[*other].temporal == 0);
        let mut payload = vec![if place == 0 { 0x90 } else { 0x80 }, 0xe0];
        payload.extend((self.picture_id | 0x8000).to_be_bytes());
        payload.extend([self.tl0, frame.temporal << 6 | u8::from(synced) << 5]);
        payload.extend([u8::from(!frame.is_keyframe), 0, 0, 0x9d, 0x01, 0x2a, 0x00, 0x05, 0xd0, 0x02]);
        payload
    }

    fn vp9(&self, at: usize, place: usize, is_flexible: bool) -> Vec<u8> {
        let frame = &self.frames[at];
        let others = || frame.depends.iter().filter(|other| self.frames[**other].unit != frame.unit);
        let is_predicted = others().count() > 0;
        let is_top = frame.spatial + 1 == self.mode.spatial;
        let (needs_below, below_none) =
            (frame.spatial > 0 && !(self.mode.is_key && is_predicted), is_top || self.mode.is_key && is_predicted);
        let has_structure = place == 0 && frame.is_keyframe && frame.spatial == 0;
        let mut first = 0xa0 | u8::from(is_predicted) << 6 | u8::from(is_flexible) << 4;
        first |= u8::from(place == 0) << 3 | u8::from(place + 1 == frame.packets) << 2;
        first |= u8::from(has_structure) << 1 | u8::from(below_none);
        let mut payload = vec![first];
        payload.extend((self.picture_id | 0x8000).to_be_bytes());
        let up = others().all(|other| self.frames[*other].temporal < frame.temporal) && frame.temporal > 0;
        payload.push(frame.temporal << 5 | u8::from(up) << 4 | frame.spatial << 1 | u8::from(needs_below));
        if is_flexible {
            let count = others().count();
            payload.extend(
                others()
                    .enumerate()
                    .map(|(at, other)| ((frame.unit - self.frames[*other].unit) as u8) << 1 | u8::from(at + 1 < count)),
            );
        } else {
            payload.push(self.tl0);
        }
        if has_structure {
            payload.push((self.mode.spatial - 1) << 5 | 0x10);
            for spatial in 0..self.mode.spatial {
                let shift = self.mode.spatial - 1 - spatial;
                payload.extend((1_280_u16 >> shift).to_be_bytes());
                payload.extend((720_u16 >> shift).to_be_bytes());
            }
        }
        payload
    }

    fn descriptor(&self, at: usize, place: usize) -> Vec<u8> {
        let frame = &self.frames[at];
        let (s, t) = (u32::from(frame.spatial), u32::from(frame.temporal));
        let per_row = u32::from(self.mode.temporal) + 1;
        // Of the lowest temporal layer one template for key frames and one for the others.
        let template = s * per_row + if t == 0 && frame.is_keyframe { 0 } else { t + 1 };
        let mut bits = BitWriter::default();
        bits.put(1, u32::from(place == 0));
        bits.put(1, u32::from(place + 1 == frame.packets));
        bits.put(6, (template + OFFSET) & 0x3f);
        bits.put(16, (at as u32).wrapping_add(65_500) & 0xffff);
        let has_structure = place == 0 && frame.is_keyframe && frame.spatial == 0;
        let is_partial = has_structure && self.active < self.mode.spatial;
        let has_diffs = !frame.is_keyframe;
        if !(has_structure || has_diffs) {
            return bits.bytes;
        }
        bits.put(5, u32::from(has_structure) << 4 | u32::from(is_partial) << 3 | u32::from(has_diffs) << 1);
        if has_structure {
            self.structure(&mut bits);
        }
        if is_partial {
            let targets = u32::from(self.mode.spatial) * u32::from(self.mode.temporal);
            bits.put(targets, (1 << (u32::from(self.active) * u32::from(self.mode.temporal))) - 1);
        }
        if has_diffs {
            for other in &frame.depends {
                let back = (at - other) as u32 - 1;
                let nibbles = if back < 16 { 1 } else { 2 };
                bits.put(2, nibbles);
                bits.put(4 * nibbles, back);
            }
            bits.put(2, 0);
        }
        bits.bytes
    }

    fn structure(&self, bits: &mut BitWriter) {
        let (spatial, temporal) = (u32::from(self.mode.spatial), u32::from(self.mode.temporal));
        bits.put(6, OFFSET);
        bits.put(5, spatial * temporal - 1);
        let templates: Vec<(u32, u32, bool)> = (0..spatial)
            .flat_map(|s| std::iter::once((s, 0, true)).chain((0..temporal).map(move |t| (s, t, false))))
            .collect();
        for pair in templates.windows(2) {
            bits.put(2, if pair[1].0 > pair[0].0 { 2 } else { pair[1].1 - pair[0].1 });
        }
        bits.put(2, 3);
        for (s, t, is_key) in &templates {
            for target in 0..spatial * temporal {
                bits.put(2, self.mark((*s, *t, *is_key), (target / temporal, target % temporal)));
            }
        }
        for (s, _, is_key) in &templates {
            if *is_key && *s > 0 {
                bits.put(1, 1);
                bits.put(4, 0);
            }
            bits.put(1, 0);
        }
        // One chain, which protects all: ns(n + 1) of 1, then ns(1) takes no bits.
        put_non_symmetric(bits, spatial * temporal + 1, 1);
        templates.iter().for_each(|_| bits.put(4, 1));
        bits.put(1, 1);
        for s in 0..spatial {
            bits.put(16, (1_280 >> (spatial - 1 - s)) - 1);
            bits.put(16, (720 >> (spatial - 1 - s)) - 1);
        }
    }

    /// As libwebrtc has it (modules/video_coding/svc/scalability_structure_key_svc.cc and _full_svc.cc): 0 for not present,
    /// 1 discardable, 2 switch, 3 required.
    fn mark(&self, (s, t, is_key): (u32, u32, bool), (spatial, temporal): (u32, u32)) -> u32 {
        if spatial < s || temporal < t {
            0
        } else if is_key {
            2
        } else if spatial == s {
            if temporal == t && t > 0 { 1 } else { 2 }
        } else if self.mode.is_key {
            0
        } else {
            3
        }
    }
}

fn put_non_symmetric(bits: &mut BitWriter, n: u32, value: u32) {
    let width = n.ilog2() + 1;
    let short = (1 << width) - n;
    if value < short { bits.put(width - 1, value) } else { bits.put(width, value + short) }
}

#[derive(Debug, Default)]
pub struct BitWriter {
    pub bytes: Vec<u8>,
    used: u32,
}

impl BitWriter {
    pub fn put(&mut self, count: u32, value: u32) {
        for at in (0..count).rev() {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((value >> at & 1) as u8) << (7 - self.used % 8);
            }
            self.used += 1;
        }
    }
}

/// Templates are named from here on, over the wrap of their six bits.
const OFFSET: u32 = 60;

/// Every structure that is tested.
pub const MODES: [Mode; 9] = [
    Mode { spatial: 1, temporal: 3, is_key: false, syntax: LayerSyntax::Vp8 },
    Mode { spatial: 1, temporal: 2, is_key: false, syntax: LayerSyntax::Vp8 },
    Mode { spatial: 3, temporal: 3, is_key: true, syntax: LayerSyntax::Vp9 { is_flexible: true } },
    Mode { spatial: 3, temporal: 3, is_key: false, syntax: LayerSyntax::Vp9 { is_flexible: false } },
    Mode { spatial: 2, temporal: 1, is_key: true, syntax: LayerSyntax::Vp9 { is_flexible: true } },
    Mode { spatial: 1, temporal: 3, is_key: false, syntax: LayerSyntax::Descriptor },
    Mode { spatial: 3, temporal: 3, is_key: true, syntax: LayerSyntax::Descriptor },
    Mode { spatial: 3, temporal: 3, is_key: false, syntax: LayerSyntax::Descriptor },
    Mode { spatial: 2, temporal: 2, is_key: true, syntax: LayerSyntax::Descriptor },
];
