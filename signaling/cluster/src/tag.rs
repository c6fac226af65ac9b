//! Owns how the id of a session names the node that has it: its first number is the tag of the node's name, so that
//! any node knows where to send a request for a session that it has never heard of. Never says whether it lives.

use chappe_sfu_api::SessionId;

use crate::NodeName;

/// The same on every node and in every version of the program; never zero. Two names may share a tag by chance
/// (one in 8,000 clusters of 1,000 nodes); then the first of them in alphabetical order is meant.
pub fn node_tag(node: &NodeName) -> u32 {
    // FNV-1a, 64 bits, folded.
    let hash = node.as_str().bytes().fold(FNV_OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME));
    let folded = (hash >> 32) as u32 ^ hash as u32;
    folded.max(1)
}

/// Of a session on the node with this tag. The random bits are what guards its URL.
pub fn session_id(tag: u32, random: u128) -> SessionId {
    SessionId(tag, random)
}

/// Of the node that gave out this id.
pub fn session_tag(session: SessionId) -> u32 {
    session.0
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(text: &str) -> u32 {
        node_tag(&NodeName::parse(text).unwrap())
    }

    #[test]
    fn a_tag_stays_what_it_was_in_earlier_versions() {
        // FNV-1a of "a" is af63dc4c8601ec8c.
        assert_eq!(tag("a"), 0xaf63_dc4c ^ 0x8601_ec8c);
        assert_ne!(tag("node-1"), tag("node-2"));
    }

    #[test]
    fn the_tags_of_a_thousand_nodes_differ() {
        let mut tags: Vec<u32> = (0..1_000).map(|number| tag(&format!("node-{number}"))).collect();
        tags.sort_unstable();
        tags.dedup();
        assert_eq!(tags.len(), 1_000);
    }

    #[test]
    fn a_session_tells_the_tag_it_was_made_with() {
        for random in [0, 1, u128::MAX] {
            let session = session_id(tag("a"), random);
            assert_eq!((session_tag(session), session.1), (tag("a"), random));
        }
    }
}
