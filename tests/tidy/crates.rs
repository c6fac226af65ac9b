//! The crates of the workspace and who leans on whom, as ARCHITECTURE.md draws it.

use std::collections::{BTreeMap, BTreeSet};

use crate::Rule;
use crate::tree::{Finding, Source};

pub const DRAWING: Rule = Rule {
    name: "crates lean on each other as ARCHITECTURE.md draws it",
    reason: "a new arrow between crates is a decision, and whoever makes it sees it in the drawing",
    check: differences,
};

/// Folder of a crate, and the folders of those among ours that it leans on. The root package is `src`.
pub type Arrows = BTreeMap<String, BTreeSet<String>>;

fn differences(sources: &[Source]) -> Vec<Finding> {
    let Some(document) = sources.iter().find(|source| source.path == DOCUMENT) else { return Vec::new() };
    let drawn = drawn(&document.text);
    let built = built(sources);
    let mut findings = Vec::new();
    let mut above = BTreeSet::new();
    for (line, name, leans_on) in &drawn {
        let Some(real) = built.get(name) else {
            findings.push(Finding::new(document, *line, format!("draws {name}, which is no crate of the workspace")));
            continue;
        };
        let added = real.difference(leans_on).map(|other| format!("{name} leans on {other}, which is not drawn"));
        let gone = leans_on.difference(real).map(|other| format!("{name} does not lean on {other}"));
        findings.extend(added.chain(gone).map(|what| Finding::new(document, *line, what)));
        above.insert(name.as_str());
        let upwards = leans_on.iter().filter(|other| above.contains(other.as_str()));
        findings.extend(upwards.map(|other| {
            Finding::new(
                document,
                *line,
                format!("{name} is drawn below {other}, which it leans on: arrows point down"),
            )
        }));
    }
    let missing = built.keys().filter(|name| !drawn.iter().any(|(_, drawn, _)| drawn == *name));
    findings.extend(missing.map(|name| Finding::new(document, 1, format!("the crate {name} is not drawn"))));
    findings
}

/// Line, crate and what it leans on, from the lines `crate → crate, crate` below [`HEADING`].
fn drawn(document: &str) -> Vec<(usize, String, BTreeSet<String>)> {
    let section = document.lines().zip(1..).skip_while(|(line, _)| *line != HEADING).skip(1);
    let section = section.take_while(|(line, _)| !line.starts_with('#'));
    let arrows = section.filter_map(|(line, number)| {
        let (name, others) = line.split_once('→')?;
        let others = others.split(',').map(str::trim).filter(|other| *other != NOTHING);
        Some((number, name.trim().to_owned(), others.map(str::to_owned).collect()))
    });
    arrows.collect()
}

/// `[dependencies]` of every manifest; what only tests lean on is not drawn.
pub fn built(sources: &[Source]) -> Arrows {
    let manifests = sources.iter().filter(|source| source.path.ends_with("Cargo.toml"));
    let manifests: Vec<(String, toml::Table)> = manifests
        .filter_map(|source| Some((folder_of(&source.path), source.text.parse::<toml::Table>().ok()?)))
        .filter(|(_, manifest)| manifest.contains_key("package"))
        .collect();
    let names: BTreeMap<&str, &str> = manifests
        .iter()
        .filter_map(|(folder, manifest)| Some((manifest.get("package")?.get("name")?.as_str()?, folder.as_str())))
        .collect();
    let leans_on = |manifest: &toml::Table| {
        let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table);
        let packages = dependencies.into_iter().flat_map(toml::Table::keys);
        packages.filter_map(|package| names.get(package.as_str())).map(|folder| (*folder).to_owned()).collect()
    };
    manifests.iter().map(|(folder, manifest)| (folder.clone(), leans_on(manifest))).collect()
}

fn folder_of(manifest: &str) -> String {
    manifest.rsplit_once('/').map_or("src", |(folder, _)| folder).to_owned()
}

const DOCUMENT: &str = "ARCHITECTURE.md";
const HEADING: &str = "### Who leans on whom";
const NOTHING: &str = "nothing of ours";

#[cfg(test)]
mod tests {
    use super::*;

    /// A root package that leans on `a`, and `a` on `a/b`, with this drawing.
    fn found(drawing: &str) -> Vec<String> {
        let manifest = |path: &str, name: &str, dependencies: &str| {
            let text = format!("[package]\nname = \"{name}\"\n[dependencies]\nserde = \"1\"\n{dependencies}");
            Source::sample(path, &text)
        };
        let sources = [
            Source::sample(DOCUMENT, &format!("# A\nx → y\n{HEADING}\n\n```\n{drawing}\n```\n## B\nx → y\n")),
            manifest("Cargo.toml", "top", "our-a.workspace = true"),
            manifest("a/Cargo.toml", "our-a", "our-b = { workspace = true, features = [\"c\"] }"),
            manifest("a/b/Cargo.toml", "our-b", "[dev-dependencies]\ntop.workspace = true"),
        ];
        differences(&sources).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn a_true_drawing_is_held() {
        assert_eq!(found("src → a\na   → a/b\na/b → nothing of ours"), Vec::<String>::new());
    }

    #[test]
    fn an_arrow_too_few_or_too_many_and_a_missing_crate_are_found() {
        assert_eq!(
            found("src → a, a/b\na → nothing of ours\nc → a"),
            [
                "src does not lean on a/b",
                "a leans on a/b, which is not drawn",
                "draws c, which is no crate of the workspace",
                "the crate a/b is not drawn",
            ]
        );
    }

    #[test]
    fn an_arrow_that_points_up_is_found() {
        let up = "src is drawn below a, which it leans on: arrows point down";
        assert_eq!(found("a → a/b\na/b → nothing of ours\nsrc → a"), [up]);
    }
}
