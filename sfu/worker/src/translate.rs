//! Owns the translation between the wire contract (`chappe-sfu-api`) and the core's own types. Decides nothing.

use std::time::Duration;

use chappe_sfu_api as api;
use chappe_sfu_core as core;

use crate::validate::Objection;
use core::rtp::{ExtensionKind, ExtensionMap};

pub(crate) fn session_to_core(session: api::SessionId) -> core::SessionId {
    core::SessionId(session.0, session.1)
}

pub(crate) fn epoch_to_core(epoch: api::Epoch) -> core::Epoch {
    core::Epoch(epoch.0)
}

pub(crate) fn histogram_to_api(histogram: &core::Histogram) -> api::Histogram {
    api::Histogram {
        bounds_us: core::Histogram::BOUNDS_US.to_vec(),
        counts: histogram.counts().to_vec(),
        sum_us: histogram.sum_us(),
    }
}

/// Track, packets and bytes.
pub(crate) fn traffic_to_api((track, packets, bytes): (core::TrackId, u64, u64)) -> api::TrackTraffic {
    api::TrackTraffic { track: api::TrackId(track.0), packets, bytes }
}

pub(crate) fn track_to_core(track: api::TrackId) -> core::TrackId {
    core::TrackId(track.0)
}

/// Fails where a fingerprint can't be read.
pub(crate) fn spec_to_core(from: &api::SessionSpec) -> Result<core::SessionSpec, Objection> {
    Ok(core::SessionSpec {
        session: session_to_core(from.session),
        epoch: epoch_to_core(from.epoch),
        local_ice: ice_to_core(&from.local_ice),
        remote_ice: ice_to_core(&from.remote_ice),
        dtls_role: match from.dtls.role {
            api::DtlsRole::Client => core::dtls::DtlsRole::Client,
            api::DtlsRole::Server => core::dtls::DtlsRole::Server,
        },
        remote_fingerprints: fingerprints_to_core(&from.dtls.remote_fingerprints)?,
        media: media_to_core(&from.media),
        alive: from.alive_ms.map(|ms| Duration::from_millis(ms.into())),
    })
}

/// RFC 8122 section 5: one fingerprint whose hash we know is enough, the others don't matter.
fn fingerprints_to_core(from: &[api::Fingerprint]) -> Result<Vec<core::dtls::Fingerprint>, Objection> {
    use core::dtls::{Fingerprint, ParseFingerprintError};
    let mut known = Vec::with_capacity(from.len());
    let mut unknown = None;
    for fingerprint in from {
        match Fingerprint::parse(&fingerprint.hash, &fingerprint.value) {
            Ok(parsed) => known.push(parsed),
            Err(error @ ParseFingerprintError::UnknownHash) => unknown = Some(error.to_string()),
            Err(error @ ParseFingerprintError::Malformed) => return Err(error.to_string()),
        }
    }
    match unknown {
        Some(error) if known.is_empty() => Err(error),
        _ => Ok(known),
    }
}

pub(crate) fn fingerprint_to_api(from: &core::dtls::Fingerprint) -> api::Fingerprint {
    api::Fingerprint { hash: from.hash().name().to_owned(), value: from.to_string() }
}

pub(crate) fn ice_to_core(from: &api::IceCredentials) -> core::ice::IceCredentials {
    core::ice::IceCredentials { ufrag: from.ufrag.clone(), pwd: from.pwd.clone() }
}

pub(crate) fn media_to_core(from: &api::Media) -> core::Media {
    core::Media {
        extensions: extensions_to_core(&from.extensions),
        receive: from.receive.iter().map(receive_track).collect(),
        send: from.send.iter().map(send_track).collect(),
    }
}

fn extensions_to_core(from: &api::Extensions) -> ExtensionMap {
    ExtensionMap::empty()
        .with(ExtensionKind::Mid, from.mid)
        .with(ExtensionKind::Rid, from.rid)
        .with(ExtensionKind::RepairedRid, from.repaired_rid)
        .with(ExtensionKind::TransportCc, from.transport_cc)
        .with(ExtensionKind::AbsSendTime, from.abs_send_time)
        .with(ExtensionKind::AudioLevel, from.audio_level)
        .with(ExtensionKind::VideoOrientation, from.video_orientation)
        .with(ExtensionKind::PlayoutDelay, from.playout_delay)
        .with(ExtensionKind::AbsCaptureTime, from.abs_capture_time)
        .with(ExtensionKind::VideoContentType, from.video_content_type)
        .with(ExtensionKind::ColorSpace, from.color_space)
        .with(ExtensionKind::DependencyDescriptor, from.dependency_descriptor)
}

fn receive_track(from: &api::ReceiveTrack) -> core::ReceiveTrack {
    let codec = |from: &api::ReceiveCodec| core::ReceiveCodec {
        codec: codec(from.codec),
        payload_type: from.payload_type.0,
        rtx: from.rtx.map(|rtx| rtx.0),
        clock_rate: from.clock_rate,
        feedback: core::Feedback {
            nack: from.feedback.nack,
            pli: from.feedback.pli,
            fir: from.feedback.fir,
            transport_cc: from.feedback.transport_cc,
            remb: from.feedback.remb,
        },
    };
    core::ReceiveTrack {
        track: track_to_core(from.track),
        mid: from.mid.clone(),
        kind: kind_to_core(from.kind),
        codecs: from.codecs.iter().map(codec).collect(),
        ssrcs: from.ssrcs.iter().copied().map(ssrc_pair).collect(),
        rids: from.rids.clone(),
        parameter_sets: from.parameter_sets.iter().map(parameter_set).collect(),
    }
}

fn ssrc_pair(from: api::SsrcPair) -> core::SsrcPair {
    core::SsrcPair { ssrc: from.ssrc, rtx: from.rtx, encoding: from.encoding }
}

fn parameter_set(from: &api::ParameterSet) -> core::ParameterSetSpec {
    core::ParameterSetSpec { payload_type: from.payload_type.0, unit: from.unit.clone() }
}

fn send_track(from: &api::SendTrack) -> core::SendTrack {
    let map = |from: &api::PayloadMap| core::PayloadMap {
        codec: codec(from.codec),
        clock_rate: from.clock_rate,
        from: from.from.0,
        to: from.to.0,
        rtx: from.rtx.map(|rtx| rtx.0),
        nack: from.nack,
    };
    core::SendTrack {
        mid: from.mid.clone(),
        kind: kind_to_core(from.kind),
        ssrc: from.ssrc,
        rtx_ssrc: from.rtx_ssrc,
        source: from.source.map(track_to_core),
        payload_types: from.payload_types.iter().map(map).collect(),
        cname: from.cname.clone(),
        height_max: from.height_max,
    }
}

/// The mid and how it is shown.
pub(crate) fn tile_to_core(from: &api::Tile) -> (&str, core::Shown) {
    let shown = core::Shown {
        pixels: u32::from(from.width) * u32::from(from.height),
        is_visible: from.visible,
        is_pinned: from.pinned,
        priority: from.priority,
    };
    (&from.mid, shown)
}

fn kind_to_core(from: api::MediaKind) -> core::MediaKind {
    match from {
        api::MediaKind::Audio => core::MediaKind::Audio,
        api::MediaKind::Video => core::MediaKind::Video,
    }
}

fn codec(from: api::Codec) -> core::codec::Codec {
    use core::codec::Codec;
    match from {
        api::Codec::Opus => Codec::Opus,
        api::Codec::Red => Codec::Red,
        api::Codec::Vp8 => Codec::Vp8,
        api::Codec::Vp9 => Codec::Vp9,
        api::Codec::H264 => Codec::H264,
        api::Codec::H265 => Codec::H265,
        api::Codec::Av1 => Codec::Av1,
    }
}

pub(crate) fn close_reason_to_core(from: api::CloseReason) -> core::CloseReason {
    match from {
        api::CloseReason::Requested => core::CloseReason::Requested,
        api::CloseReason::ClientClosed => core::CloseReason::ClientClosed,
        api::CloseReason::ConnectTimeout => core::CloseReason::ConnectTimeout,
        api::CloseReason::ConsentExpired => core::CloseReason::ConsentExpired,
        api::CloseReason::FingerprintMismatch => core::CloseReason::FingerprintMismatch,
        api::CloseReason::DtlsFailed => core::CloseReason::DtlsFailed,
        api::CloseReason::Fault => core::CloseReason::Fault,
        api::CloseReason::Drained => core::CloseReason::Drained,
    }
}

fn close_reason_to_api(from: core::CloseReason) -> api::CloseReason {
    match from {
        core::CloseReason::Requested => api::CloseReason::Requested,
        core::CloseReason::ClientClosed => api::CloseReason::ClientClosed,
        core::CloseReason::ConnectTimeout => api::CloseReason::ConnectTimeout,
        core::CloseReason::ConsentExpired => api::CloseReason::ConsentExpired,
        core::CloseReason::FingerprintMismatch => api::CloseReason::FingerprintMismatch,
        core::CloseReason::DtlsFailed => api::CloseReason::DtlsFailed,
        core::CloseReason::Fault => api::CloseReason::Fault,
        core::CloseReason::Drained => api::CloseReason::Drained,
    }
}

pub(crate) fn boot_to_core(from: api::Boot) -> core::PeerId {
    core::PeerId(from.0)
}

pub(crate) fn peer_to_core(from: &api::PeerSpec, own: api::Boot) -> core::PeerSpec {
    let key = |from: &api::RelayKey| core::RelayKey { key: from.key, salt: from.salt };
    core::PeerSpec {
        peer: boot_to_core(from.peer),
        own: boot_to_core(own),
        addresses: from.addresses.clone(),
        seal: key(&from.seal),
        open: key(&from.open),
    }
}

pub(crate) fn origin_to_core(from: api::OriginSpec) -> core::OriginSpec {
    core::OriginSpec {
        track: track_to_core(from.track),
        kind: kind_to_core(from.kind),
        peer: boot_to_core(from.peer),
        epoch: epoch_to_core(from.epoch),
    }
}

pub(crate) fn event_to_api(from: core::Event) -> api::Event {
    let id = |session: core::SessionId| api::SessionId(session.0, session.1);
    match from {
        core::Event::StateChanged { session, state } => {
            api::Event::StateChanged { session: id(session), state: state_to_api(state) }
        }
        core::Event::Closed { session, reason } => {
            api::Event::Closed { session: id(session), reason: close_reason_to_api(reason) }
        }
        core::Event::TrackActive { session, track, active } => {
            api::Event::TrackActive { session: id(session), track: api::TrackId(track.0), active }
        }
        core::Event::Unwatched { session, track, encodings } => {
            api::Event::Unwatched { session: id(session), track: api::TrackId(track.0), encodings }
        }
        core::Event::Speaking { track, speaking } => api::Event::Speaking { track: api::TrackId(track.0), speaking },
        core::Event::PeerLost { peer } => api::Event::PeerLost { peer: api::Boot(peer.0) },
        core::Event::PeerFound { peer } => api::Event::PeerFound { peer: api::Boot(peer.0) },
        core::Event::RelayRedirected { track, to } => {
            api::Event::RelayRedirected { track: api::TrackId(track.0), to: api::Boot(to.0) }
        }
        core::Event::RelayRefused { track, peer } => {
            api::Event::RelayRefused { track: api::TrackId(track.0), peer: api::Boot(peer.0) }
        }
    }
}

fn state_to_api(from: core::SessionState) -> api::SessionState {
    match from {
        core::SessionState::New => api::SessionState::New,
        core::SessionState::Connecting => api::SessionState::Connecting,
        core::SessionState::Connected => api::SessionState::Connected,
        core::SessionState::Disconnected => api::SessionState::Disconnected,
    }
}

pub(crate) fn error_to_api(from: core::ControlError) -> api::CommandError {
    let code = match from {
        core::ControlError::Limit { .. } => api::ErrorCode::Limit,
        core::ControlError::Exists => api::ErrorCode::Exists,
        core::ControlError::NotFound => api::ErrorCode::NotFound,
        core::ControlError::StaleEpoch => api::ErrorCode::StaleEpoch,
        core::ControlError::Invalid(_) | core::ControlError::Fault => api::ErrorCode::Invalid,
    };
    api::CommandError { code, message: from.to_string() }
}

/// `None` for what is cached.
pub(crate) fn uncached_to_api(from: core::UncachedTrack) -> Option<api::UncachedTrack> {
    let reason = match from.state {
        core::GopState::Cached => return None,
        core::GopState::NoKeyframe => api::UncachedReason::NoKeyframe,
        core::GopState::Incomplete => api::UncachedReason::Incomplete,
        core::GopState::TooLong => api::UncachedReason::TooLong,
        core::GopState::TooBig => api::UncachedReason::TooBig,
        core::GopState::OverBudget => api::UncachedReason::OverBudget,
    };
    Some(api::UncachedTrack { track: api::TrackId(from.track.0), reason })
}

/// `remote` is what the route of the session looks like to a reader.
pub(crate) fn stats_to_api(from: core::SessionStats, remote: Option<String>) -> api::SessionStats {
    api::SessionStats {
        session: api::SessionId(from.session.0, from.session.1),
        state: state_to_api(from.state),
        remote,
        round_trip_ms: from.round_trip.map(|time| time.as_secs_f64() * 1e3),
        line: from.line.map(line_stats),
        received: from.received.into_iter().map(track_stats).collect(),
        sent: from.sent.into_iter().map(track_stats).collect(),
    }
}

fn line_stats(from: core::LineStats) -> api::LineStats {
    api::LineStats {
        estimate_bps: from.estimate,
        basis: match from.basis {
            core::LineBasis::Start => api::LineBasis::Start,
            core::LineBasis::Feedback => api::LineBasis::Feedback,
            core::LineBasis::Silent => api::LineBasis::Silent,
            core::LineBasis::Reports => api::LineBasis::Reports,
        },
        acknowledged_bps: from.acknowledged,
        loss: from.loss,
        queue_ms: from.queue.as_secs_f64() * 1e3,
        waiting: from.is_waiting,
        given_up: from.given_up,
    }
}

fn track_stats(from: core::TrackStats) -> api::TrackStats {
    api::TrackStats {
        track: from.track.map(|track| api::TrackId(track.0)),
        mid: from.mid,
        kind: match from.kind {
            core::MediaKind::Audio => api::MediaKind::Audio,
            core::MediaKind::Video => api::MediaKind::Video,
        },
        packets: from.packets,
        bytes: from.bytes,
        lost: from.lost,
        repaired: from.repaired,
        keyframe_requests: from.keyframe_requests,
        bits_per_second: from.bits_per_second,
        layer: from.layer.map(layer_stats),
    }
}

fn layer_stats(from: core::LayerStats) -> api::LayerStats {
    let core::LayerStats { layer, layers, lines, reason, switches } = from;
    let reason = match reason {
        core::LayerReason::Top => api::LayerReason::Top,
        core::LayerReason::Size => api::LayerReason::Size,
        core::LayerReason::Line => api::LayerReason::Line,
        core::LayerReason::Max => api::LayerReason::Max,
        core::LayerReason::Source => api::LayerReason::Source,
        core::LayerReason::Hidden => api::LayerReason::Hidden,
    };
    api::LayerStats { layer, layers, lines, reason, switches }
}
