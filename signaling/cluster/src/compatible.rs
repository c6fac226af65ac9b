//! Owns which versions of the program may share a cluster, so that nodes are upgraded one after the other. Pure.

/// Of the same major version, and at most one minor version apart. What is no version may not.
pub fn may_share_cluster(ours: &str, theirs: &str) -> bool {
    match (minor_of(ours), minor_of(theirs)) {
        (Some((our_major, ours)), Some((their_major, theirs))) => {
            our_major == their_major && ours.abs_diff(theirs) <= 1
        }
        _ => false,
    }
}

fn minor_of(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_minor_versions_share_a_cluster_and_no_others() {
        for theirs in ["1.4.0", "1.5.9", "1.6.0-rc.1"] {
            assert!(may_share_cluster("1.5.2", theirs) && may_share_cluster(theirs, "1.5.2"), "{theirs}");
        }
        for theirs in ["1.3.9", "1.7.0", "2.5.2", "0.5.2", "", "1", "one.two"] {
            assert!(!may_share_cluster("1.5.2", theirs) && !may_share_cluster(theirs, "1.5.2"), "{theirs}");
        }
    }
}
