//! Files that need each other in a circle.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::Rule;
use crate::modules::{Edges, crates};
use crate::tree::{Finding, Source};

pub const CIRCLES: Rule = Rule {
    name: "no circle of files within a crate",
    reason: "files that need each other can only be read, tested and changed together; move what both need below both, \
             or return what is to be done instead of reaching back",
    check: found,
};

fn found(sources: &[Source]) -> Vec<Finding> {
    let crates = crates(sources);
    crates.iter().flat_map(|each| findings(&each.edges())).collect()
}

/// A finding for each circle.
pub fn findings(edges: &Edges<'_>) -> Vec<Finding> {
    circles(edges).iter().map(|circle| told(circle, edges)).collect()
}

/// All sets of two files or more in which each reaches each.
fn circles<'a>(edges: &Edges<'a>) -> Vec<BTreeSet<&'a str>> {
    let files: BTreeSet<&str> = edges.keys().map(|(from, _)| *from).collect();
    let reached: BTreeMap<&str, BTreeSet<&str>> = files.iter().map(|file| (*file, reached_from(file, edges))).collect();
    let reaches = |from: &str, to: &str| reached.get(from).is_some_and(|reached| reached.contains(to));
    let mut circles: Vec<BTreeSet<&str>> = Vec::new();
    for file in files.iter().copied().filter(|file| reaches(file, file)) {
        if !circles.iter().any(|circle| circle.contains(file)) {
            circles.push(reached[file].iter().copied().filter(|other| reaches(other, file)).collect());
        }
    }
    circles
}

/// Itself only if a way leads back.
fn reached_from<'a>(file: &'a str, edges: &Edges<'a>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&str> = targets(file, edges).collect();
    while let Some(next) = open.pop() {
        if reached.insert(next) {
            open.extend(targets(next, edges));
        }
    }
    reached
}

fn targets<'a>(file: &'a str, edges: &Edges<'a>) -> impl Iterator<Item = &'a str> {
    edges.range((file, "")..).map(|(pair, _)| *pair).take_while(move |(from, _)| *from == file).map(|(_, to)| to)
}

/// A shortest way round through each file, with the names that tie it.
fn told(circle: &BTreeSet<&str>, edges: &Edges<'_>) -> Finding {
    let mut shown = BTreeSet::new();
    let mut lines = vec![format!("is in a circle of {} files", circle.len())];
    for file in circle {
        if shown.contains(file) {
            continue;
        }
        let way = shortest_way_round(file, edges);
        for (from, to) in way.iter().zip(way.iter().skip(1)) {
            let names = edges.get(&(*from, *to)).map(|names| names.join(", ")).unwrap_or_default();
            lines.push(format!("    {from} takes {names} from {to}"));
        }
        lines.push(String::new());
        shown.extend(way);
    }
    lines.pop();
    Finding { path: circle.first().copied().unwrap_or_default().to_owned(), line: 1, what: lines.join("\n") }
}

/// Begins and ends with `file`.
fn shortest_way_round<'a>(file: &'a str, edges: &Edges<'a>) -> Vec<&'a str> {
    let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut open = VecDeque::from([file]);
    while let Some(at) = open.pop_front() {
        for next in targets(at, edges) {
            if came_from.contains_key(next) {
                continue;
            }
            came_from.insert(next, at);
            open.push_back(next);
        }
    }
    let mut way = vec![file];
    while let Some(before) = way.last().and_then(|last| came_from.get(last)) {
        way.push(before);
        if *before == file {
            break;
        }
    }
    way.reverse();
    way
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A crate in which `b` and `c` need each other and `d` needs both.
    fn with_circle(c: &str) -> Vec<Source> {
        vec![
            Source::sample("a/Cargo.toml", ""),
            Source::sample("a/src/lib.rs", "mod b; mod c; mod d;"),
            Source::sample("a/src/b.rs", "use crate::c::C; pub struct B;"),
            Source::sample("a/src/c.rs", c),
            Source::sample("a/src/d.rs", "use crate::{b::B, c::C};"),
        ]
    }

    const BACK: &str = "pub struct C; fn f() { crate::b::B; }";

    #[test]
    fn a_circle_is_found_with_what_ties_it_and_who_stands_outside_is_not() {
        let found = found(&with_circle(BACK));
        assert_eq!(found.len(), 1);
        let expected = concat!(
            "is in a circle of 2 files\n",
            "    a/src/b.rs takes C from a/src/c.rs\n",
            "    a/src/c.rs takes B from a/src/b.rs"
        );
        assert_eq!((found[0].path.as_str(), found[0].what.as_str()), ("a/src/b.rs", expected));
        assert_eq!(super::found(&with_circle("pub struct C;")), []);
    }

    #[test]
    fn a_circle_that_only_a_test_closes_is_none() {
        let test = "pub struct C;\n#[cfg(test)]\nmod tests { use crate::b::B; }";
        assert_eq!(found(&with_circle(test)), []);
    }

    #[test]
    fn a_circle_of_three_is_shown_as_the_ways_round() {
        let all = found(&with_circle("pub struct C; use crate::{b::B, d};"));
        assert_eq!(all.len(), 1);
        assert!(all[0].what.starts_with("is in a circle of 3 files"), "{}", all[0].what);
        assert!(all[0].what.contains("a/src/c.rs takes d from a/src/d.rs"), "{}", all[0].what);
    }
}
