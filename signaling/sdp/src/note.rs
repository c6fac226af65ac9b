//! Owns what must be remembered of a negotiation to answer the next one alike. It survives signaling's
//! death in the worker's [`chappe_sfu_api::SessionSpec::note`], so it is small and plain data.

use chappe_sfu_api::{DtlsParameters, MediaKind};
use serde::{Deserialize, Serialize};

use super::SdpError;
use super::bundle::Bundle;
use super::codec::NegotiatedCodec;
use super::limits::NOTE_BYTES_MAX;

/// The transport of a session as negotiated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransportNote {
    pub dtls: DtlsParameters,
    /// Version in the `o=` line of the last answer.
    pub version: u64,
    pub bundled: bool,
    /// M-lines that are not rejected, in the order of their BUNDLE group; the first one describes the transport.
    pub lines: Vec<BundledLine>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundledLine {
    pub mid: String,
    pub kind: MediaKind,
}

impl TransportNote {
    /// `lines` are those of the answer that are not rejected.
    pub(super) fn new(dtls: &DtlsParameters, version: u64, bundle: &Bundle, mut lines: Vec<BundledLine>) -> Self {
        if let Some(mids) = &bundle.mids {
            lines.sort_by_key(|line| mids.iter().position(|mid| *mid == line.mid));
        }
        TransportNote { dtls: dtls.clone(), version, bundled: bundle.mids.is_some(), lines }
    }
}

/// Codec lists, each kept once: the m-lines of one client mostly offer the same.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CodecLists(Vec<Vec<NegotiatedCodec>>);

impl CodecLists {
    /// The index to find the list by.
    pub(super) fn insert(&mut self, codecs: Vec<NegotiatedCodec>) -> usize {
        match self.0.iter().position(|list| *list == codecs) {
            Some(index) => index,
            None => {
                self.0.push(codecs);
                self.0.len() - 1
            }
        }
    }

    /// Empty when there is none, which only happens when a note was tampered with.
    pub(super) fn list(&self, index: usize) -> &[NegotiatedCodec] {
        self.0.get(index).map_or(&[], Vec::as_slice)
    }
}

/// Refuses a note that would not fit into a session's spec.
pub(super) fn check_size(note: &impl Serialize) -> Result<(), SdpError> {
    let json = serde_json::to_vec(note).expect("a note has only string keys and finite numbers");
    if json.len() > NOTE_BYTES_MAX { Err(SdpError::TooVaried) } else { Ok(()) }
}
