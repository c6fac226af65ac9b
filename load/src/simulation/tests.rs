use chappe_sfu_core::tree::DEPTH_MAX;

use super::tree::Tree;
use super::*;

#[test]
fn a_cluster_of_fifty_nodes_stays_balanced_and_its_trees_have_no_loop() {
    let outcome = run(SimulationPlan::SMALL);
    assert!(outcome.balance.p99_to_mean() < 1.3, "{outcome}");
    assert_eq!(outcome.placed.refused, 0, "{outcome}");
    assert!(outcome.placed.dead > 0 && outcome.placed.forwarded > 0, "{outcome}");
    for trees in [outcome.trees_at_peak, outcome.trees_at_end] {
        assert_eq!((trees.loops, trees.without_parent), (0, 0), "{outcome}");
        assert!(trees.checks > 1_000 && trees.depth <= usize::from(DEPTH_MAX), "{outcome}");
    }
    assert!(outcome.trees_at_end.links_of_large < outcome.trees_at_peak.links_of_large, "{outcome}");
}

#[test]
fn a_cluster_too_small_for_its_crowd_fills_up_evenly_and_refuses_the_rest() {
    let plan = SimulationPlan { nodes: 10, rooms: 100, crowd: 40_000, deaths: 1, ..SimulationPlan::SMALL };
    let outcome = run(plan);
    assert!(outcome.placed.refused > 5_000, "{outcome}");
    assert!((0.85..1.1).contains(&outcome.balance.mean), "{outcome}");
    assert!(outcome.placed.other_region > 0, "{outcome}");
}

#[test]
fn the_same_seed_gives_the_same_cluster() {
    let plan = SimulationPlan { nodes: 10, rooms: 300, crowd: 2_000, deaths: 1, ..SimulationPlan::SMALL };
    let (first, second) = (run(plan), run(plan));
    let figures = |outcome: &Outcome| (outcome.balance.node_p99, outcome.placed.forwarded, outcome.trees_at_end.links);
    assert_eq!(figures(&first), figures(&second));
    let other = run(SimulationPlan { seed: 2, ..plan });
    assert_ne!(figures(&first), figures(&other));
}

#[test]
fn a_tree_of_a_few_thousand_is_three_deep_and_heals_when_workers_die() {
    let (mut tree, mut trees) = (Tree::new(0), Trees::default());
    for worker in 1..=3_000 {
        assert!(tree.attach(worker, &mut trees).is_some());
        assert!(tree.attach(worker, &mut trees).is_none(), "it has the stream");
    }
    assert_eq!(tree.survey(&mut trees), (3_000, 3));
    for worker in (1..=3_000).step_by(10) {
        tree.lose(worker, &mut trees);
    }
    let (links, depth) = tree.survey(&mut trees);
    assert_eq!((links, trees.loops, trees.without_parent), (2_700, 0, 0));
    assert!(depth <= usize::from(DEPTH_MAX) + 1, "{depth}");
}

#[test]
fn a_loop_would_be_noticed() {
    let (mut tree, mut trees) = (Tree::new(0), Trees::default());
    for worker in 1..=20 {
        tree.attach(worker, &mut trees);
    }
    assert_eq!(trees.loops, 0);
    tree.bend(1, 17);
    tree.survey(&mut trees);
    assert!(trees.loops >= 2, "1 and 17 lead to each other");
}
