use super::*;

#[test]
fn a_cluster_of_fifty_nodes_stays_balanced_and_its_trees_have_no_loop() {
    let outcome = run(Plan::SMALL);
    println!("{outcome}");
    assert!(outcome.balance.p99_to_mean() < 1.3, "{outcome}");
    assert_eq!(outcome.placed.refused, 0, "{outcome}");
    for trees in [outcome.trees_at_peak, outcome.trees_at_end] {
        assert_eq!((trees.loops, trees.without_parent), (0, 0), "{outcome}");
        assert!(trees.checks > 1_000, "{outcome}");
        assert!(trees.depth <= usize::from(tree::DEPTH_MAX), "{outcome}");
    }
    assert!(outcome.trees_at_end.links_of_large < outcome.trees_at_peak.links_of_large, "{outcome}");
}
