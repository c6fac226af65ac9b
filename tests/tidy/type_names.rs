//! Types of one name that one crate sees: its own that are visible beyond their file, and those that the crates hand out
//! that it leans on.

use std::collections::{BTreeMap, BTreeSet};

use crate::Rule;
use crate::crates::built;
use crate::rust_names::{is_public, names_of, product_tokens};
use crate::rust_text::code_of;
use crate::tree::{Finding, Source};

pub const TYPE_NAMES: Rule = Rule {
    name: "a crate sees one type of a name",
    reason: "a reader takes two types of one name for the same; name one after what it is of, or say why they are the same",
    check: |sources| doubles(sources, SAME),
};

/// A name that two types share because they are the same thing.
struct Same {
    name: &'static str,
    because: &'static str,
}

const SAME: &[Same] = &[
    Same { name: "Keys", because: "of both ciphers of SRTP, each private to its file's cipher" },
    Same { name: "Layer", because: "of a track: as it is kept, and as it is chosen" },
    Same { name: "LayerFields", because: "of VP8 and VP9, named with their module: `vp8::LayerFields`" },
    Same { name: "Messages", because: "of both engines, which pass one conformance suite" },
    Same { name: "Node", because: "as the load test starts one, and as the admin API lists one" },
    Same { name: "Shown", because: "how a page shows a track: as it is told, and with which track it is" },
];

/// The core knows neither JSON nor signaling's words and has types of its own; `sfu/worker/src/translate.rs` holds both
/// together.
const MIRRORED: [&str; 2] = ["sfu/api", "sfu/core"];

/// A type that is visible beyond its file.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Declared {
    name: String,
    file: String,
    line: usize,
    folder: String,
    is_exported: bool,
}

fn doubles(sources: &[Source], same: &[Same]) -> Vec<Finding> {
    let crates = built(sources);
    let declared: BTreeMap<&str, Vec<Declared>> =
        crates.keys().map(|folder| (folder.as_str(), types_of(folder, sources))).collect();
    let of = |folder: &str| declared.get(folder).into_iter().flatten();
    let mut found: BTreeMap<&str, BTreeSet<&Declared>> = BTreeMap::new();
    for (folder, leans_on) in &crates {
        let mut seen: BTreeMap<&str, BTreeSet<&Declared>> = BTreeMap::new();
        let others = leans_on.iter().flat_map(|other| of(other)).filter(|declared| declared.is_exported);
        for declared in of(folder).chain(others) {
            seen.entry(&declared.name).or_default().insert(declared);
        }
        for (name, all) in seen.into_iter().filter(|(_, all)| all.len() > 1 && !are_mirrored(all)) {
            found.entry(name).or_default().extend(all);
        }
    }
    let stale = same.iter().filter(|same| !found.contains_key(same.name));
    let stale = stale.map(|same| Finding {
        path: file!().to_owned(),
        line: 1,
        what: format!("no crate sees two types {} any more: take it off the list ({})", same.name, same.because),
    });
    let new = found.iter().filter(|(name, _)| !same.iter().any(|same| same.name == **name));
    new.filter_map(|(name, all)| finding(name, all)).chain(stale).collect()
}

fn are_mirrored(all: &BTreeSet<&Declared>) -> bool {
    all.len() == 2 && MIRRORED.iter().all(|folder| all.iter().any(|declared| declared.folder == *folder))
}

fn finding(name: &str, all: &BTreeSet<&Declared>) -> Option<Finding> {
    let first = all.first()?;
    let others: Vec<&str> = all.iter().skip(1).map(|declared| declared.file.as_str()).collect();
    let what = format!("declares {name}, and so do {}", others.join(", "));
    Some(Finding { path: first.file.clone(), line: first.line, what })
}

/// Those of the crate in this folder; the root package is `src`.
fn types_of(folder: &str, sources: &[Source]) -> Vec<Declared> {
    let inside = if folder == "src" { "src/".to_owned() } else { format!("{folder}/src/") };
    let files = sources.iter().filter(|source| source.is_rust() && !source.is_test());
    let files: Vec<(&str, &Source)> =
        files.filter_map(|source| Some((source.path.strip_prefix(&inside)?, source))).collect();
    let root = files.iter().find(|(path, _)| *path == "lib.rs").map(|(_, source)| Exports::of(source));
    let root = root.as_ref();
    let types = files.iter().flat_map(|(path, source)| {
        visible_types(source).into_iter().map(move |(visibility, keyword, name)| Declared {
            file: source.path.clone(),
            line: line_of(source, &format!("{keyword} {name}")),
            folder: folder.to_owned(),
            is_exported: visibility == "pub" && root.is_some_and(|root| root.has(path, &name)),
            name,
        })
    });
    types.collect()
}

fn line_of(source: &Source, declaration: &str) -> usize {
    source.text.lines().position(|line| line.contains(declaration)).map_or(1, |at| at + 1)
}

/// What a library hands out.
struct Exports {
    names: BTreeSet<String>,
    modules: BTreeSet<String>,
}

impl Exports {
    fn of(root: &Source) -> Exports {
        let names = names_of(&root.text);
        let handed_on = names.uses.into_iter().filter(|taken| taken.is_public).map(|taken| taken.name);
        let code = code_of(&root.text);
        let tokens = product_tokens(&code);
        let modules =
            tokens.windows(3).filter(|window| window[..2] == ["pub", "mod"]).map(|window| window[2].to_owned());
        Exports { names: handed_on.chain(names.defined).collect(), modules: modules.collect() }
    }

    fn has(&self, path: &str, name: &str) -> bool {
        let module = path.split('/').next().unwrap_or_default().trim_end_matches(".rs");
        self.names.contains(name) || self.modules.contains(module)
    }
}

/// The last word of its visibility, the keyword and the name of each type that others can name.
fn visible_types(source: &Source) -> Vec<(String, String, String)> {
    let code = code_of(&source.text);
    let tokens = product_tokens(&code);
    let mut depth = 0_usize;
    let mut types = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match *token {
            "{" => depth += 1,
            "}" => depth = depth.saturating_sub(1),
            "struct" | "enum" | "union" | "trait" | "type" if depth == 0 && is_public(&tokens, at) => {
                let words = tokens.get(at + 1).map(|name| [tokens[at - 1], *token, *name].map(str::to_owned));
                types.extend(words.map(<(String, String, String)>::from));
            }
            _ => {}
        }
    }
    types
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A crate `a` that leans on `b` and `c`, which is all that hand out what these declare.
    fn found(a: &str, b: &str, c: &str, same: &[Same]) -> Vec<String> {
        let manifest = |path: &str, name: &str, others: &str| {
            Source::sample(path, &format!("[package]\nname = \"{name}\"\n[dependencies]\n{others}"))
        };
        let sources = [
            manifest("a/Cargo.toml", "our-a", "our-b.workspace = true\nour-c.workspace = true"),
            manifest("b/Cargo.toml", "our-b", ""),
            manifest("c/Cargo.toml", "our-c", ""),
            Source::sample("a/src/lib.rs", "mod d; pub struct Other;"),
            Source::sample("a/src/d.rs", a),
            Source::sample("b/src/lib.rs", b),
            Source::sample("b/src/x.rs", "pub struct Reply;"),
            Source::sample("c/src/lib.rs", c),
        ];
        doubles(&sources, same).into_iter().map(|finding| format!("{} {}", finding.path, finding.what)).collect()
    }

    #[test]
    fn two_types_in_the_sight_of_one_crate_are_found() {
        let handed_on = "mod x; pub use x::Reply;";
        let of_own = "a/src/d.rs declares Reply, and so do b/src/x.rs";
        assert_eq!(found("pub(crate) enum Reply {}", handed_on, "", &[]), [of_own]);
        assert_eq!(found("pub(crate) enum Reply {}", "pub mod x;", "", &[]), [of_own]);
        let of_others = "b/src/x.rs declares Reply, and so do c/src/lib.rs";
        assert_eq!(found("", handed_on, "pub trait Reply {}", &[]), [of_others]);
    }

    #[test]
    fn what_nobody_else_can_name_is_no_second_type() {
        let handed_on = "mod x; pub use x::Reply;";
        assert_eq!(found("", handed_on, "pub(crate) struct Reply;", &[]), Vec::<String>::new(), "of another crate");
        for own in ["struct Reply;", "pub struct S { reply: Reply }", "#[cfg(test)]\nmod tests { pub struct Reply; }"] {
            assert_eq!(found(own, handed_on, "", &[]), Vec::<String>::new(), "{own}");
        }
        assert_eq!(found("pub struct Reply;", "mod x;", "", &[]), Vec::<String>::new(), "not handed out");
    }

    #[test]
    fn the_same_thing_may_have_two_types_while_there_are_two() {
        let same = [Same { name: "Reply", because: "for now" }];
        assert_eq!(found("pub struct Reply;", "pub mod x;", "", &same), Vec::<String>::new());
        let stale = found("", "", "", &same);
        assert!(stale[0].contains("no crate sees two types Reply any more"), "{stale:?}");
    }
}
