//! Files that call each other's methods of one type in a circle, which no `use` shows. The file that declares the type is
//! left out: it has the tables, which all parts use, and calls the parts.

use std::collections::{BTreeMap, BTreeSet};

use crate::Rule;
use crate::circles::findings;
use crate::modules::Edges;
use crate::rust_names::{path_at, product_tokens};
use crate::rust_text::code_of;
use crate::tree::{Finding, Source};

pub const METHODS: Rule = Rule {
    name: "no circle of files by the methods of one type",
    reason: "a type whose parts call each other in a circle is one big file, sliced; move a method to the part that it \
             belongs to, or below both",
    check: found,
};

/// What the files of a crate have of one type.
#[derive(Default)]
struct Spread {
    declared_in: BTreeSet<String>,
    /// By file.
    parts: BTreeMap<String, Part>,
}

/// The methods of a type in one file, and those that they call on `self`.
#[derive(Default)]
struct Part {
    defines: BTreeSet<String>,
    calls: BTreeSet<String>,
}

fn found(sources: &[Source]) -> Vec<Finding> {
    types(sources).values().flat_map(|spread| findings(&spread.edges())).collect()
}

/// By the folder of the crate and the name of the type.
fn types(sources: &[Source]) -> BTreeMap<(String, String), Spread> {
    let mut types: BTreeMap<(String, String), Spread> = BTreeMap::new();
    for source in sources.iter().filter(|source| source.is_rust() && !source.is_test()) {
        let Some((folder, _)) = source.path.split_once("src/") else { continue };
        let code = code_of(&source.text);
        let tokens = product_tokens(&code);
        let key = |name: &str| (folder.to_owned(), name.to_owned());
        let (mut at, mut depth) = (0, 0_usize);
        while let Some(token) = tokens.get(at) {
            match *token {
                "{" => depth += 1,
                "}" => depth = depth.saturating_sub(1),
                "struct" | "enum" if depth == 0 => {
                    let name = tokens.get(at + 1).copied().unwrap_or_default();
                    types.entry(key(name)).or_default().declared_in.insert(source.path.clone());
                }
                "impl" if depth == 0 => {
                    if let Some((name, body)) = methods_at(&tokens, at) {
                        let parts = &mut types.entry(key(&name)).or_default().parts;
                        parts.entry(source.path.clone()).or_default().read(body);
                    }
                }
                _ => {}
            }
            at += 1;
        }
    }
    types
}

/// The type and the body of an `impl` that is for no trait.
fn methods_at<'a, 'b>(tokens: &'a [&'b str], at: usize) -> Option<(String, &'a [&'b str])> {
    // Elsewhere it is a type: `-> impl Iterator`.
    let begins_item = at.checked_sub(1).is_none_or(|before| ["}", ";", "]"].contains(&tokens[before]));
    let open = at + tokens[at..].iter().position(|token| *token == "{")?;
    let head = &tokens[at..open];
    let head = head.split(|token| *token == "where").next()?;
    if !begins_item || head.contains(&"for") {
        return None;
    }
    let path = path_at(tokens, at + 1 + generics(&head[1..]));
    Some((path.last()?.clone(), &tokens[open..block_end(tokens, open)]))
}

/// How many tokens the `<...>` behind `impl` has.
fn generics(head: &[&str]) -> usize {
    let mut depth = 0_usize;
    for (at, token) in head.iter().enumerate() {
        match *token {
            "<" => depth += 1,
            // Not that of `->`.
            ">" if head[at - 1] != "-" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return if *token == ">" { at + 1 } else { 0 };
        }
    }
    0
}

/// Behind the brace that closes the one at `open`.
fn block_end(tokens: &[&str], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match *token {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

impl Part {
    fn read(&mut self, body: &[&str]) {
        let mut depth = 0_usize;
        for (at, token) in body.iter().enumerate() {
            match (*token, body.get(at + 1..).unwrap_or_default()) {
                ("{", _) => depth += 1,
                ("}", _) => depth = depth.saturating_sub(1),
                ("fn", [name, ..]) if depth == 1 => {
                    self.defines.insert((*name).to_owned());
                }
                ("self", [".", name, "(" | "::", ..]) | ("Self", ["::", name, "(" | "::", ..]) => {
                    self.calls.insert((*name).to_owned());
                }
                _ => {}
            }
        }
    }
}

impl Spread {
    fn edges(&self) -> Edges<'_> {
        let mut edges = Edges::new();
        let parts = self.parts.iter().filter(|(file, _)| !self.declared_in.contains(*file));
        for (file, part) in parts.clone() {
            for call in part.calls.difference(&part.defines) {
                for (other, _) in parts.clone().filter(|(_, other)| other.defines.contains(call)) {
                    edges.entry((file.as_str(), other.as_str())).or_default().push(call);
                }
            }
        }
        edges
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A type of a crate `a` that is declared in its root, and has parts in two files.
    fn with_part(c: &str) -> Vec<Source> {
        let declared = "pub struct T; impl T { fn all(&self) { self.b(); self.c() } fn table(&self) {} }";
        vec![
            Source::sample("a/src/lib.rs", declared),
            Source::sample("a/src/b.rs", "impl T { fn b(&self) { self.c(); self.table(); } fn below(&self) {} }"),
            Source::sample("a/src/c.rs", c),
        ]
    }

    const CIRCLE: &str = "impl T { fn c(&self) { self.below(); } }";

    #[test]
    fn a_circle_is_found_with_what_ties_it() {
        let found = found(&with_part(CIRCLE));
        let expected = concat!(
            "is in a circle of 2 files\n",
            "    a/src/b.rs takes c from a/src/c.rs\n",
            "    a/src/c.rs takes below from a/src/b.rs"
        );
        assert_eq!(found.iter().map(|finding| finding.what.as_str()).collect::<Vec<_>>(), [expected]);
        let generic = "impl<'a, F: Fn() -> u8> T<'a, F> where F: Clone { fn c(&self) { self.below::<u8>(); } }";
        assert_eq!(super::found(&with_part(generic)).len(), 1);
    }

    #[test]
    fn one_way_is_no_circle_and_the_tables_are_for_all() {
        assert_eq!(found(&with_part("impl T { fn c(&self) { self.table(); } }")), []);
    }

    #[test]
    fn traits_tests_and_other_types_tie_nothing() {
        let others = [
            "impl T { fn c(&self) {} }\nimpl Drop for T { fn drop(&mut self) { self.below(); } }",
            "impl T { fn c(&self) {} }\nimpl U { fn d(&self) { self.below(); } }",
            "impl T { fn c(&self) {} }\n#[cfg(test)]\nmod tests { impl T { fn e(&self) { self.below(); } } }",
            "fn c() -> impl T { self.below() }",
        ];
        for other in others {
            assert_eq!(found(&with_part(other)), [], "{other}");
        }
    }
}
