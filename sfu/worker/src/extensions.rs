//! Owns which field of the contract each header extension of the core is. One that only one of them has does not compile.

use chappe_sfu_api::Extensions;
use chappe_sfu_core::rtp::ExtensionKind;

/// The id that a client negotiated for it.
pub(crate) fn id(extensions: &Extensions, kind: ExtensionKind) -> Option<u8> {
    let Extensions {
        mid,
        rid,
        repaired_rid,
        transport_cc,
        abs_send_time,
        audio_level,
        video_orientation,
        playout_delay,
        abs_capture_time,
        video_content_type,
        color_space,
        dependency_descriptor,
        layers_allocation,
    } = *extensions;
    match kind {
        ExtensionKind::Mid => mid,
        ExtensionKind::Rid => rid,
        ExtensionKind::RepairedRid => repaired_rid,
        ExtensionKind::TransportCc => transport_cc,
        ExtensionKind::AbsSendTime => abs_send_time,
        ExtensionKind::AudioLevel => audio_level,
        ExtensionKind::VideoOrientation => video_orientation,
        ExtensionKind::PlayoutDelay => playout_delay,
        ExtensionKind::AbsCaptureTime => abs_capture_time,
        ExtensionKind::VideoContentType => video_content_type,
        ExtensionKind::ColorSpace => color_space,
        ExtensionKind::DependencyDescriptor => dependency_descriptor,
        ExtensionKind::LayersAllocation => layers_allocation,
    }
}
