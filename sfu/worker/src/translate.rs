//! Owns the translation between the wire contract (`chappe-sfu-api`) and the core's own types. Each type is taken apart
//! and put together by the names of all its fields or variants, so that one that is added on either side does not compile
//! until it stands here, too. Decides nothing.

use std::net::SocketAddr;
use std::time::Duration;

use chappe_sfu_api as api;
use chappe_sfu_core as core;

use crate::extensions;
use crate::media;
use crate::validate::Objection;
use core::rtp::{ExtensionKind, ExtensionMap};

/// What signaling says, as the core has it.
pub(crate) trait ToCore {
    type Core;
    fn to_core(&self) -> Self::Core;
}

/// What the core says, as signaling is told it.
pub(crate) trait IntoApi {
    type Api;
    fn into_api(self) -> Self::Api;
}

macro_rules! same_on_both_sides {
    ($($type:ty),*) => {$(
        impl ToCore for $type {
            type Core = $type;
            fn to_core(&self) -> $type {
                self.to_owned()
            }
        }

        impl IntoApi for $type {
            type Api = $type;
            fn into_api(self) -> $type {
                self
            }
        }
    )*};
}

macro_rules! ids {
    ($($api:ident = $core:ident($($part:ident),*),)*) => {$(
        impl ToCore for api::$api {
            type Core = core::$core;
            fn to_core(&self) -> core::$core {
                let api::$api($($part),*) = *self;
                core::$core($($part),*)
            }
        }

        impl IntoApi for core::$core {
            type Api = api::$api;
            fn into_api(self) -> api::$api {
                let core::$core($($part),*) = self;
                api::$api($($part),*)
            }
        }
    )*};
}

/// Both ways, so that each side is matched in full.
macro_rules! variants {
    ($($name:ident { $($variant:ident),* })*) => {$(
        impl ToCore for api::$name {
            type Core = core::$name;
            fn to_core(&self) -> core::$name {
                match self { $(api::$name::$variant => core::$name::$variant,)* }
            }
        }

        impl IntoApi for core::$name {
            type Api = api::$name;
            fn into_api(self) -> api::$name {
                match self { $(core::$name::$variant => api::$name::$variant,)* }
            }
        }
    )*};
}

macro_rules! fields_to_core {
    ($($api:ident as $core:ident { $($field:ident),* })*) => {$(
        impl ToCore for api::$api {
            type Core = core::$core;
            fn to_core(&self) -> core::$core {
                let api::$api { $($field),* } = self;
                core::$core { $($field: $field.to_core()),* }
            }
        }
    )*};
}

/// Fields behind `without` are for the worker alone.
macro_rules! fields_into_api {
    ($($core:ident as $api:ident { $($field:ident),* } $(, without { $($own:ident),* })?)*) => {$(
        impl IntoApi for core::$core {
            type Api = api::$api;
            fn into_api(self) -> api::$api {
                let core::$core { $($field,)* $($($own: _),*)? } = self;
                api::$api { $($field: $field.into_api()),* }
            }
        }
    )*};
}

macro_rules! events {
    ($($event:ident { $($field:ident),* })*) => {
        impl IntoApi for core::Event {
            type Api = api::Event;
            fn into_api(self) -> api::Event {
                match self {$(
                    core::Event::$event { $($field),* } => api::Event::$event { $($field: $field.into_api()),* },
                )*}
            }
        }
    };
}

same_on_both_sides!(bool, u8, u16, u32, u64, f64, String, SocketAddr, [u8; 12], [u8; 16]);

ids! {
    SessionId = SessionId(node, random),
    TrackId = TrackId(id),
    Epoch = Epoch(epoch),
    Boot = PeerId(boot),
}

variants! {
    MediaKind { Audio, Video }
    Codec { Opus, Red, Vp8, Vp9, H264, H265, Av1 }
    DtlsRole { Client, Server }
    SessionState { New, Connecting, Connected, Disconnected }
    CloseReason {
        Requested, ClientClosed, ConnectTimeout, ConsentExpired, FingerprintMismatch, DtlsFailed, Fault, Drained
    }
    RelayDirection { In, Out }
    LineBasis { Start, Feedback, Silent, Reports }
    LayerReason { Top, Size, Line, Max, Source, Hidden, Overload }
}

fields_to_core! {
    IceCredentials as IceCredentials { ufrag, pwd }
    Media as Media { extensions, reports_streams, receive, send }
    ReceiveTrack as ReceiveTrack { track, mid, kind, codecs, ssrcs, rids, parameter_sets, muted }
    ReceiveCodec as ReceiveCodec { codec, payload_type, rtx, clock_rate, feedback }
    Feedback as Feedback { nack, pli, fir, transport_cc, remb }
    SsrcPair as SsrcPair { ssrc, rtx, encoding }
    ParameterSet as ParameterSetSpec { payload_type, unit }
    SendTrack as SendTrack { mid, kind, ssrc, rtx_ssrc, source, payload_types, cname, height_max }
    PayloadMap as PayloadMap { codec, clock_rate, from, to, rtx, nack }
    RelayKey as RelayKey { key, salt }
    OriginSpec as OriginSpec { track, kind, peer, epoch }
}

fields_into_api! {
    TrackStats as TrackStats {
        track, mid, kind, packets, bytes, lost, repaired, keyframe_requests, bits_per_second, layer
    }
    LayerStats as LayerStats { layer, layers, lines, target_bits_per_second, reason, switches }
    TrackTraffic as TrackTraffic { track, packets, bytes, bytes_sent }
    RelaySummary as RelayStats { track, peer, direction, depth, packets, bytes, lost, repaired }, without { round_trip }
}

events! {
    StateChanged { session, state }
    Closed { session, reason }
    TrackActive { session, track, active }
    Unwatched { session, track, encodings }
    Speaking { track, speaking }
    PeerLost { peer }
    PeerFound { peer }
    RelayRedirected { track, to }
    RelayRefused { track, peer }
}

impl<T: ToCore> ToCore for Option<T> {
    type Core = Option<T::Core>;
    fn to_core(&self) -> Self::Core {
        self.as_ref().map(T::to_core)
    }
}

impl<T: IntoApi> IntoApi for Option<T> {
    type Api = Option<T::Api>;
    fn into_api(self) -> Self::Api {
        self.map(T::into_api)
    }
}

impl<T: ToCore> ToCore for Vec<T> {
    type Core = Vec<T::Core>;
    fn to_core(&self) -> Self::Core {
        self.iter().map(T::to_core).collect()
    }
}

impl<T: IntoApi> IntoApi for Vec<T> {
    type Api = Vec<T::Api>;
    fn into_api(self) -> Self::Api {
        self.into_iter().map(T::into_api).collect()
    }
}

impl ToCore for api::PayloadType {
    type Core = u8;
    fn to_core(&self) -> u8 {
        self.0
    }
}

impl ToCore for api::AliveMs {
    type Core = Duration;
    fn to_core(&self) -> Duration {
        Duration::from_millis(u64::from(*self))
    }
}

impl ToCore for api::Extensions {
    type Core = ExtensionMap;
    fn to_core(&self) -> ExtensionMap {
        let id = |kind| extensions::id(self, kind);
        ExtensionKind::ALL.into_iter().fold(ExtensionMap::empty(), |map, kind| map.with(kind, id(kind)))
    }
}

/// Fails where a fingerprint can't be read. The note is the worker's to keep.
pub(crate) fn spec_to_core(from: &api::SessionSpec) -> Result<core::SessionSpec, Objection> {
    let api::SessionSpec { session, epoch, local_ice, remote_ice, dtls, media, alive_ms, note: _ } = from;
    let api::DtlsParameters { role, remote_fingerprints } = dtls;
    Ok(core::SessionSpec {
        session: session.to_core(),
        epoch: epoch.to_core(),
        local_ice: local_ice.to_core(),
        remote_ice: remote_ice.to_core(),
        dtls_role: role.to_core(),
        remote_fingerprints: fingerprints_to_core(remote_fingerprints)?,
        media: media.to_core(),
        alive: alive_ms.to_core(),
    })
}

/// RFC 8122 section 5: one fingerprint whose hash we know is enough, the others don't matter.
fn fingerprints_to_core(from: &[api::Fingerprint]) -> Result<Vec<core::Fingerprint>, Objection> {
    use core::ParseFingerprintError;
    let mut known = Vec::with_capacity(from.len());
    let mut unknown = None;
    for api::Fingerprint { hash, value } in from {
        match core::Fingerprint::parse(hash, value) {
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

/// The mid and how it is shown.
pub(crate) fn tile_to_core(from: &api::Tile) -> (&str, core::Shown) {
    let api::Tile { mid, width, height, visible, pinned, priority } = from;
    let pixels = u32::from(*width) * u32::from(*height);
    (mid, core::Shown { pixels, is_visible: *visible, is_pinned: *pinned, priority: *priority })
}

pub(crate) fn peer_to_core(from: &api::PeerSpec, own: api::Boot) -> core::PeerSpec {
    let api::PeerSpec { peer, addresses, seal, open } = from;
    core::PeerSpec {
        peer: peer.to_core(),
        own: own.to_core(),
        addresses: addresses.to_core(),
        seal: seal.to_core(),
        open: open.to_core(),
    }
}

/// `None` for what is cached.
pub(crate) fn uncached_to_api(from: core::UncachedTrack) -> Option<api::UncachedTrack> {
    let core::UncachedTrack { track, state } = from;
    let reason = match state {
        core::GopState::Cached => return None,
        core::GopState::NoKeyframe => api::UncachedReason::NoKeyframe,
        core::GopState::Incomplete => api::UncachedReason::Incomplete,
        core::GopState::TooLong => api::UncachedReason::TooLong,
        core::GopState::TooBig => api::UncachedReason::TooBig,
        core::GopState::OverBudget => api::UncachedReason::OverBudget,
    };
    Some(api::UncachedTrack { track: track.into_api(), reason })
}

impl IntoApi for &core::Fingerprint {
    type Api = api::Fingerprint;
    fn into_api(self) -> api::Fingerprint {
        api::Fingerprint { hash: self.hash().name().to_owned(), value: self.to_string() }
    }
}

impl IntoApi for &core::Histogram {
    type Api = api::Histogram;
    fn into_api(self) -> api::Histogram {
        let bounds_us = core::Histogram::BOUNDS_US.to_vec();
        api::Histogram { bounds_us, counts: self.counts().to_vec(), sum_us: self.sum_us() }
    }
}

impl IntoApi for core::ControlError {
    type Api = api::CommandError;
    fn into_api(self) -> api::CommandError {
        let code = match self {
            core::ControlError::Limit { .. } => api::ErrorCode::Limit,
            core::ControlError::Exists => api::ErrorCode::Exists,
            core::ControlError::NotFound => api::ErrorCode::NotFound,
            core::ControlError::StaleEpoch => api::ErrorCode::StaleEpoch,
            core::ControlError::Invalid(_) | core::ControlError::Fault => api::ErrorCode::Invalid,
        };
        api::CommandError { code, message: self.to_string() }
    }
}

impl IntoApi for core::SessionStats {
    type Api = api::SessionStats;
    fn into_api(self) -> api::SessionStats {
        let core::SessionStats { session, state, route, round_trip, line, received, sent } = self;
        api::SessionStats {
            session: session.into_api(),
            state: state.into_api(),
            remote: route.map(media::describe),
            round_trip_ms: round_trip.map(ms),
            line: line.into_api(),
            received: received.into_api(),
            sent: sent.into_api(),
        }
    }
}

impl IntoApi for core::LineStats {
    type Api = api::LineStats;
    fn into_api(self) -> api::LineStats {
        let core::LineStats { estimate, basis, acknowledged, loss, queue, is_waiting, given_up } = self;
        let (basis, queue_ms) = (basis.into_api(), ms(queue));
        let (estimate_bps, acknowledged_bps) = (estimate, acknowledged);
        api::LineStats { estimate_bps, basis, acknowledged_bps, loss, queue_ms, waiting: is_waiting, given_up }
    }
}

impl IntoApi for core::PeerSummary {
    type Api = api::PeerStats;
    fn into_api(self) -> api::PeerStats {
        let core::PeerSummary { peer, alive, round_trip, packets_in, packets_out, bytes_in, bytes_out } = self;
        let (peer, round_trip_ms) = (peer.into_api(), round_trip.map(ms));
        api::PeerStats { peer, alive, round_trip_ms, packets_in, packets_out, bytes_in, bytes_out }
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
