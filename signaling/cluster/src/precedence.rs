//! Owns which of two claims to one stream is right. Needs no store and no vote: every node that knows both claims
//! comes to the same end.

use chappe_sfu_api::Epoch;

use crate::NodeName;

/// Whether claim `a` to a stream beats claim `b`: the higher epoch, and between equal ones the later node name, so
/// that two nodes that were cut off from each other agree as soon as they hear each other.
pub fn outranks(a: (Epoch, &NodeName), b: (Epoch, &NodeName)) -> bool {
    a > b
}

/// For a publisher that takes a stream up: above all that is known, and above what a node that has just started
/// cannot know, as far as clocks agree.
pub fn next_epoch(known: Option<Epoch>, unix_ms: u64) -> Epoch {
    let above = known.map_or(0, |epoch| epoch.0.saturating_add(1));
    Epoch(above.max(unix_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> NodeName {
        NodeName::parse(text).unwrap()
    }

    #[test]
    fn of_two_claims_exactly_one_is_right() {
        let (a, b) = (name("a"), name("b"));
        assert!(outranks((Epoch(2), &a), (Epoch(1), &b)), "the higher epoch");
        assert!(outranks((Epoch(1), &b), (Epoch(1), &a)), "between equal ones the later name");
        assert!(!outranks((Epoch(1), &a), (Epoch(1), &b)));
        assert!(!outranks((Epoch(1), &a), (Epoch(1), &a)), "a claim does not beat itself");
    }

    #[test]
    fn the_next_epoch_is_above_what_is_known_even_if_the_clock_is_behind() {
        assert_eq!(next_epoch(None, 1_000), Epoch(1_000));
        assert_eq!(next_epoch(Some(Epoch(500)), 1_000), Epoch(1_000));
        assert_eq!(next_epoch(Some(Epoch(1_000)), 1_000), Epoch(1_001));
        assert_eq!(next_epoch(Some(Epoch(u64::MAX)), 1_000), Epoch(u64::MAX));
    }
}
