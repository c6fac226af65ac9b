//! Reads the parameter sets of H.264 and H.265 that a publisher gives in its description (RFC 6184 section 8.1,
//! RFC 7798 section 7.1). What is no set, or too long to be forwarded, is left out: the stream may still bring it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chappe_sfu_api::{Codec, ParameterSet, PayloadType};

use super::codec::NegotiatedCodec;
use super::limits::{PARAMETER_SET_BYTES_MAX, PARAMETER_SETS_MAX};

/// Of the codecs that were accepted, in the order of their preference; `offered` has the fmtp of the client.
pub(super) fn parse_parameter_sets(offered: &[NegotiatedCodec], accepted: &[NegotiatedCodec]) -> Vec<ParameterSet> {
    let is_accepted = |codec: &&NegotiatedCodec| accepted.iter().any(|other| other.payload_type == codec.payload_type);
    let of = |codec: &NegotiatedCodec| sets_of(codec.codec, codec.payload_type, &codec.fmtp);
    offered.iter().filter(is_accepted).flat_map(of).take(PARAMETER_SETS_MAX).collect()
}

fn sets_of(codec: Codec, payload_type: PayloadType, fmtp: &str) -> Vec<ParameterSet> {
    let names: &[&str] = match codec {
        Codec::H264 => &["sprop-parameter-sets"],
        Codec::H265 => &["sprop-vps", "sprop-sps", "sprop-pps"],
        Codec::Opus | Codec::Red | Codec::Vp8 | Codec::Vp9 | Codec::Av1 => &[],
    };
    let values = names.iter().filter_map(|name| {
        fmtp.split(';').find_map(|part| {
            // The value itself may have `=` in it.
            let (key, value) = part.trim().split_once('=')?;
            key.trim().eq_ignore_ascii_case(name).then_some(value)
        })
    });
    let units = values.flat_map(|value| value.split(',')).filter_map(|text| STANDARD.decode(text.trim()).ok());
    let is_set = |unit: &Vec<u8>| (1..=PARAMETER_SET_BYTES_MAX).contains(&unit.len());
    units.filter(is_set).map(|unit| ParameterSet { payload_type, unit }).collect()
}
