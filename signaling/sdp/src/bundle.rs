//! Owns which m-lines of an offer share the one transport of a session (RFC 9143), and which of them describes it.

use rtc_sdp::SessionDescription;

use super::SdpError;
use super::section::Section;

/// The transport of an offer.
#[derive(Debug, Clone)]
pub(super) struct Bundle {
    /// The m-line whose ICE credentials, certificate and candidates count.
    pub tag: usize,
    /// Mids of the BUNDLE group in its order, the tagged one first; none when the offer has no group.
    pub mids: Option<Vec<String>>,
}

impl Bundle {
    /// All media that we take must be in one group; one m-line alone needs none. What is left out anyway may be
    /// wherever it wants.
    pub(super) fn choose(description: &SessionDescription, sections: &[Section]) -> Result<Bundle, SdpError> {
        let usable = |section: &&Section| section.is_usable();
        let Some(mids) = chosen_group(description, sections) else {
            let mut media = sections.iter().filter(usable);
            let (first, second) = (media.next(), media.next());
            if second.is_some() {
                return Err(SdpError::NoBundle);
            }
            let present = first.or_else(|| sections.iter().find(|s| !s.removed));
            let tag = present.ok_or(SdpError::NothingOffered)?.line;
            return Ok(Bundle { tag, mids: None });
        };
        if let Some(section) = sections.iter().filter(usable).find(|s| !mids.contains(&s.mid)) {
            return Err(SdpError::OutsideBundle { line: section.line, mid: section.mid.clone() });
        }
        let tag = tagged_section(&mids, sections).ok_or(SdpError::NothingOffered)?;
        Ok(Bundle { tag, mids: Some(mids) })
    }

    /// Whether an m-line that we take nothing of is answered inactive instead of being rejected. An offerer may have
    /// described the transport in this one alone (bundlePolicy `max-bundle`), and Chromium can't set an answer that
    /// rejects it.
    pub(super) fn holds(&self, section: &Section) -> bool {
        self.mids.is_some() && self.tag == section.line && section.kind.is_some() && !section.removed
    }
}

/// The first group that has media for us, else the first.
fn chosen_group(description: &SessionDescription, sections: &[Section]) -> Option<Vec<String>> {
    let groups = description.attributes.iter().filter(|a| a.key == "group").filter_map(|a| {
        let mut fields = a.value.as_deref()?.split_whitespace();
        (fields.next()? == "BUNDLE").then(|| fields.map(str::to_owned).collect::<Vec<_>>())
    });
    let groups: Vec<Vec<String>> = groups.take(sections.len().max(1)).collect();
    let has_media = |group: &&Vec<String>| sections.iter().any(|s| s.is_usable() && group.contains(&s.mid));
    groups.iter().find(has_media).or(groups.first()).cloned()
}

/// RFC 9143 section 7.1.1: the transport of a bundle is described in the m-line that its group names first. An
/// m-line that is no media can't be answered at all, and the next one stands in.
fn tagged_section(mids: &[String], sections: &[Section]) -> Option<usize> {
    let there = || sections.iter().filter(|s| !s.removed);
    let named = |mid: &String| there().find(|s| s.mid == *mid && s.kind.is_some());
    mids.iter().find_map(named).or_else(|| there().next()).map(|s| s.line)
}
