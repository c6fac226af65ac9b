//! Links between documents.

use std::collections::HashSet;
use std::path::Path;

use crate::Rule;
use crate::tree::{Finding, Source};

pub const LINKS: Rule = Rule {
    name: "a relative link in a document leads somewhere",
    reason: "a reader who meets a dead link trusts the rest of the document less",
    check: |sources| dead_links(sources, |path| Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists()),
};

fn dead_links(sources: &[Source], exists: impl Fn(&str) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.path.ends_with(".md")) {
        for (index, line) in source.text.lines().enumerate() {
            let dead: HashSet<&str> = targets(line).filter(|target| !exists(&resolved(&source.path, target))).collect();
            findings.extend(dead.into_iter().map(|target| Finding::new(source, index + 1, format!("no {target}"))));
        }
    }
    findings
}

/// `target` of each `[text](target)`, without anchor; links out of the repository are not ours to check.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let starts = line.match_indices("](").map(|(at, _)| at + 2);
    let ends = starts.filter_map(|at| line[at..].find(')').map(|length| &line[at..at + length]));
    let paths = ends.map(|target| target.split(['#', ' ']).next().unwrap_or_default());
    paths.filter(|path| !path.is_empty() && !path.contains("://") && !path.starts_with("mailto:"))
}

/// `target` as seen from the folder of `document`.
fn resolved(document: &str, target: &str) -> String {
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    if target.starts_with('/') {
        parts.clear();
    }
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_link_is_found_and_a_living_one_is_not() {
        let text = "[a](b.md) [c](../d/e.rs#L3)\n[web](https://example.org) [here](#top) [gone](x.md)";
        let there = ["docs/b.md", "d/e.rs"];
        let found = dead_links(&[Source::sample("docs/a.md", text)], |path| there.contains(&path));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].line, found[0].what.as_str()), (2, "no x.md"));
    }
}
