//! Owns the judgement whether a command keeps the limits of the contract and agrees with itself. Never
//! changes anything, and never asks whether a session exists. What the core limits for its own sake (tracks
//! per session) is the core's to refuse.

use std::collections::HashSet;
use std::fmt::Display;
use std::hash::Hash;

use chappe_sfu_api::{
    Codec, Extensions, IceCredentials, Media, NOTE_BYTES_MAX, ParameterSet, PayloadType, ReceiveTrack, SendTrack,
    SessionSpec, Tile,
};
use chappe_sfu_core::rtp::ExtensionKind;

use crate::extensions;

/// What is wrong with a command, for the person who reads signaling's log.
pub(crate) type Objection = String;

pub(crate) fn session(spec: &SessionSpec) -> Result<(), Objection> {
    ice("local_ice", &spec.local_ice)?;
    ice("remote_ice", &spec.remote_ice)?;
    let fingerprints = spec.dtls.remote_fingerprints.len();
    if !(1..=FINGERPRINTS_MAX).contains(&fingerprints) {
        return Err(format!("dtls has {fingerprints} fingerprints, it must have 1 to {FINGERPRINTS_MAX}"));
    }
    note(&spec.note)?;
    media(&spec.media)
}

pub(crate) fn note(note: &str) -> Result<(), Objection> {
    if note.len() > NOTE_BYTES_MAX {
        return Err(format!("the note has {} bytes, at most {NOTE_BYTES_MAX} are kept", note.len()));
    }
    Ok(())
}

/// RFC 8445 section 5.3 and RFC 8839 section 5.4.
pub(crate) fn ice(name: &str, credentials: &IceCredentials) -> Result<(), Objection> {
    let is_ice = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/');
    // RFC 8839 names no other characters, but clients exist that use '-', '_' and '=' in theirs: only what
    // would break a USERNAME apart is refused for the remote side.
    let is_printable = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
    let (ufrag, pwd) = (&credentials.ufrag, &credentials.pwd);
    let fits = (4..=256).contains(&ufrag.len()) && (22..=256).contains(&pwd.len());
    let spelled =
        if name.starts_with("local") { is_ice(ufrag) && is_ice(pwd) } else { is_printable(ufrag) && is_printable(pwd) };
    if fits && spelled {
        Ok(())
    } else {
        Err(format!("{name}: the ufrag must be 4 to 256 and the password 22 to 256 ice-chars"))
    }
}

pub(crate) fn tiles(tiles: &[Tile]) -> Result<(), Objection> {
    if tiles.len() > TILES_MAX {
        return Err(format!("a view has {} tiles, it may have {TILES_MAX}", tiles.len()));
    }
    distinct("mid of a tile", tiles.iter().map(|tile| tile.mid.as_str()))
}

pub(crate) fn media(media: &Media) -> Result<(), Objection> {
    extension_ids(&media.extensions)?;
    for track in &media.receive {
        receive_track(track)?;
    }
    for track in &media.send {
        send_track(track)?;
    }
    distinct("received mid", media.receive.iter().map(|track| track.mid.as_str()))?;
    distinct("received track", media.receive.iter().map(|track| track.track))?;
    let received = media.receive.iter().flat_map(|track| &track.ssrcs);
    distinct("received SSRC", received.flat_map(|pair| [Some(pair.ssrc), pair.rtx]).flatten())?;
    distinct("sent mid", media.send.iter().map(|track| track.mid.as_str()))?;
    let sent = media.send.iter().flat_map(|track| [Some(track.ssrc), track.rtx_ssrc]).flatten();
    distinct("sent SSRC", sent)?;
    received_payload_types(media)
}

/// RFC 8285: an id is 1 to 255 and means one extension.
fn extension_ids(extensions: &Extensions) -> Result<(), Objection> {
    let ids = ExtensionKind::ALL.map(|kind| extensions::id(extensions, kind));
    if ids.contains(&Some(0)) {
        return Err("an extension id is 1 to 255, not 0".to_owned());
    }
    distinct("extension id", ids.into_iter().flatten())
}

fn receive_track(track: &ReceiveTrack) -> Result<(), Objection> {
    mid(&track.mid)?;
    let mid = &track.mid;
    if !(1..=CODECS_MAX).contains(&track.codecs.len()) {
        return Err(format!("mid {mid} has {} codecs, it must have 1 to {CODECS_MAX}", track.codecs.len()));
    }
    for codec in &track.codecs {
        payload_type(codec.payload_type)?;
        codec.rtx.map_or(Ok(()), payload_type)?;
        clock_rate(mid, codec.clock_rate)?;
    }
    distinct("payload type", track.codecs.iter().map(|codec| codec.payload_type.0))?;
    if track.ssrcs.len() > ENCODINGS_MAX || track.rids.len() > ENCODINGS_MAX {
        return Err(format!("mid {mid} has more than {ENCODINGS_MAX} encodings"));
    }
    // RFC 8851 section 10; the length is that of the one-byte header extension.
    let is_rid = |rid: &String| {
        let spelled = rid.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        (1..=16).contains(&rid.len()) && spelled
    };
    if !track.rids.iter().all(is_rid) {
        return Err(format!("mid {mid} has a rid that is not 1 to 16 letters, digits, - or _"));
    }
    let fits = |set: &ParameterSet| set.unit.len() <= PARAMETER_SET_BYTES_MAX;
    if track.parameter_sets.len() > PARAMETER_SETS_MAX || !track.parameter_sets.iter().all(fits) {
        return Err(format!(
            "mid {mid} has more than {PARAMETER_SETS_MAX} parameter sets or one of more than {PARAMETER_SET_BYTES_MAX} bytes"
        ));
    }
    distinct("rid", track.rids.iter().map(String::as_str))
}

fn send_track(track: &SendTrack) -> Result<(), Objection> {
    mid(&track.mid)?;
    let mid = &track.mid;
    if track.payload_types.len() > PAYLOAD_MAPS_MAX {
        return Err(format!("mid {mid} maps more than {PAYLOAD_MAPS_MAX} payload types"));
    }
    if track.cname.len() > 255 {
        return Err(format!("mid {mid} has a CNAME of {} bytes, RTCP takes 255", track.cname.len()));
    }
    for map in &track.payload_types {
        payload_type(map.from)?;
        payload_type(map.to)?;
        map.rtx.map_or(Ok(()), payload_type)?;
        clock_rate(mid, map.clock_rate)?;
        if map.rtx == Some(map.to) {
            return Err(format!("mid {mid} repeats in the payload type {} it sends in", map.to.0));
        }
    }
    distinct("mapped payload type", track.payload_types.iter().map(|map| map.from.0))
}

/// RFC 8843 section 9.1: in a bundle a payload type means one codec, whichever m-line it is in.
fn received_payload_types(media: &Media) -> Result<(), Objection> {
    let mut meanings: [Option<(Codec, u32)>; 128] = [None; 128];
    let mut repeats = [false; 128];
    for codec in media.receive.iter().flat_map(|track| &track.codecs) {
        let meaning = (codec.codec, codec.clock_rate);
        let place = &mut meanings[usize::from(codec.payload_type.0 & 0x7f)];
        if place.is_some_and(|other| other != meaning) {
            return Err(format!("payload type {} means two codecs", codec.payload_type.0));
        }
        *place = Some(meaning);
        if let Some(rtx) = codec.rtx {
            repeats[usize::from(rtx.0 & 0x7f)] = true;
        }
    }
    match (0..128u8).find(|number| repeats[usize::from(*number)] && meanings[usize::from(*number)].is_some()) {
        Some(number) => Err(format!("payload type {number} means a codec and repeats")),
        None => Ok(()),
    }
}

fn mid(mid: &str) -> Result<(), Objection> {
    let fits = (1..=16).contains(&mid.len()) && mid.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(()) } else { Err(format!("the mid {mid:?} is not 1 to 16 printable characters")) }
}

/// RFC 5761 section 4: 64 to 95 look like RTCP.
fn payload_type(number: PayloadType) -> Result<(), Objection> {
    match number.0 {
        0..64 | 96..128 => Ok(()),
        other => Err(format!("payload type {other} is not 0 to 63 or 96 to 127")),
    }
}

fn clock_rate(mid: &str, rate: u32) -> Result<(), Objection> {
    let known = (1_000..=1_000_000).contains(&rate);
    if known { Ok(()) } else { Err(format!("mid {mid} has a clock rate of {rate}, it must be 1,000 to 1,000,000")) }
}

fn distinct<T: Eq + Hash + Copy + Display>(what: &str, values: impl Iterator<Item = T>) -> Result<(), Objection> {
    let mut seen = HashSet::new();
    for value in values {
        if !seen.insert(value) {
            return Err(format!("the {what} {value} occurs twice"));
        }
    }
    Ok(())
}

/// As many as a session has m-lines.
const TILES_MAX: usize = 32;
const FINGERPRINTS_MAX: usize = 8;
const CODECS_MAX: usize = 32;
const PAYLOAD_MAPS_MAX: usize = 64;
/// Simulcast encodings, or SSRCs, of one track.
const ENCODINGS_MAX: usize = 8;
const PARAMETER_SETS_MAX: usize = 32;
const PARAMETER_SET_BYTES_MAX: usize = 1_100;

#[cfg(test)]
pub(crate) mod tests;
