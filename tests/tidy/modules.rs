//! Knows which file of a crate is which module, and which file defines the name that a path leads to, through what
//! modules hand on with `use`. Knows no rule.

use std::collections::BTreeMap;

use crate::rust_names::{GLOB, Names, Use, names_of};
use crate::tree::Source;

/// A crate, or one program of it: the files that its root declares, and theirs.
pub struct Crate {
    modules: Vec<Module>,
}

struct Module {
    file: String,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    names: Names,
}

/// Who takes what from whom: file, file, names.
pub type Edges<'a> = BTreeMap<(&'a str, &'a str), Vec<&'a str>>;

/// Where a path leads.
#[derive(Debug, Clone, Copy)]
struct Place {
    module: usize,
    /// A name that the module defines; else the module itself.
    is_name: bool,
}

/// Every library and program below a folder with a `Cargo.toml`.
pub fn crates(sources: &[Source]) -> Vec<Crate> {
    let by_path: BTreeMap<&str, &Source> = sources.iter().map(|source| (source.path.as_str(), source)).collect();
    let manifests = sources.iter().filter_map(|source| source.path.strip_suffix("Cargo.toml"));
    let roots = manifests.flat_map(|folder| {
        let is_root = move |path: &str| {
            let path = path.strip_prefix(folder).and_then(|path| path.strip_prefix("src/"));
            let program = path.and_then(|path| path.strip_prefix("bin/"));
            matches!(path, Some("lib.rs" | "main.rs"))
                || program.is_some_and(|program| !program.contains('/') || program.ends_with("/main.rs"))
        };
        by_path.keys().copied().filter(move |path| is_root(path))
    });
    roots.map(|root| Crate::read(root, &by_path)).collect()
}

impl Crate {
    fn read(root: &str, sources: &BTreeMap<&str, &Source>) -> Crate {
        let module = |file: &str, parent| Module {
            file: file.to_owned(),
            parent,
            children: BTreeMap::new(),
            names: names_of(&sources[file].text),
        };
        let mut modules = vec![module(root, None)];
        let mut next = 0;
        while next < modules.len() {
            let folder = folder_of_children(&modules[next].file, next == 0);
            for name in std::mem::take(&mut modules[next].names.modules) {
                let files = [format!("{folder}{name}.rs"), format!("{folder}{name}/mod.rs")];
                // A file that is elsewhere (`#[path]`) is shared between crates and takes nothing from one of them.
                let Some(file) = files.iter().find(|file| sources.contains_key(file.as_str())) else { continue };
                modules.push(module(file, Some(next)));
                let child = modules.len() - 1;
                modules[next].children.insert(name, child);
            }
            next += 1;
        }
        Crate { modules }
    }

    /// A file that only hands a name on does not take it.
    pub fn edges(&self) -> Edges<'_> {
        let mut edges = Edges::new();
        for (at, module) in self.modules.iter().enumerate() {
            let used =
                module.names.uses.iter().filter(|taken| !taken.is_public || module.names.words.contains(&taken.name));
            let paths = used.map(|taken| &taken.path).chain(&module.names.paths);
            for path in paths {
                let Some((place, label)) = self.resolve(at, path, RE_EXPORTS_MAX) else { continue };
                if place.module != at {
                    let names =
                        edges.entry((module.file.as_str(), self.modules[place.module].file.as_str())).or_default();
                    if !names.contains(&label) {
                        names.push(label);
                    }
                }
            }
        }
        edges
    }

    /// Where `path` leads from module `at`, and the last part of it that names the place; none: out of the crate.
    fn resolve<'a>(&'a self, at: usize, path: &'a [String], budget: usize) -> Option<(Place, &'a str)> {
        let budget = budget.checked_sub(1)?;
        let mut place = Place { module: at, is_name: false };
        let mut label = "";
        for (index, part) in path.iter().enumerate() {
            place = match part.as_str() {
                "crate" => Place { module: 0, is_name: false },
                "self" => place,
                "super" => Place { module: self.modules[place.module].parent?, is_name: false },
                // The first word is a name of this file or of another crate; later ones are in the module for certain.
                name if index == 0 => self.find(at, name, budget)?,
                name => self.find(place.module, name, budget).unwrap_or(Place { is_name: true, ..place }),
            };
            label = part;
            if place.is_name {
                break;
            }
        }
        Some((place, label))
    }

    /// What `name` is in module `at`.
    fn find(&self, at: usize, name: &str, budget: usize) -> Option<Place> {
        let module = &self.modules[at];
        if let Some(&child) = module.children.get(name) {
            return Some(Place { module: child, is_name: false });
        }
        if module.names.defined.contains(name) {
            return Some(Place { module: at, is_name: true });
        }
        let target = |taken: &Use| self.resolve(at, &taken.path, budget).map(|(place, _)| place);
        if let Some(taken) = module.names.uses.iter().find(|taken| taken.name == name) {
            return target(taken);
        }
        let globs = module.names.uses.iter().filter(|taken| taken.name == GLOB);
        globs.filter_map(target).filter(|place| !place.is_name).find_map(|place| {
            let budget = budget.checked_sub(1)?;
            self.find(place.module, name, budget)
        })
    }
}

/// `a/b.rs` declares the files in `a/b/`; a root and a `mod.rs` those beside them.
fn folder_of_children(file: &str, is_root: bool) -> String {
    let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
    if is_root || name == "mod.rs" { format!("{folder}/") } else { format!("{}/", file.trim_end_matches(".rs")) }
}

/// Longest chain of modules that hand a name on. Ends what refers to itself.
const RE_EXPORTS_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    /// `file -> file: names` of a crate `a` with these files.
    fn edges(files: &[(&str, &str)]) -> Vec<String> {
        let mut sources = vec![Source::sample("a/Cargo.toml", "")];
        sources.extend(files.iter().map(|(path, text)| Source::sample(&format!("a/src/{path}"), text)));
        let crates = crates(&sources);
        let show = |((from, to), names): (&(&str, &str), &Vec<&str>)| {
            let short = |file: &str| file.trim_start_matches("a/src/").to_owned();
            format!("{} -> {}: {}", short(from), short(to), names.join(" "))
        };
        crates.iter().flat_map(|each| each.edges().iter().map(show).collect::<Vec<_>>()).collect()
    }

    #[test]
    fn a_name_is_taken_from_the_file_that_defines_it_and_not_from_who_hands_it_on() {
        let found = edges(&[
            ("lib.rs", "mod b; mod d; pub use b::C;"),
            ("b.rs", "mod inner; pub use inner::*;"),
            ("b/inner.rs", "pub struct C;"),
            ("d.rs", "use crate::C; use super::b::C as Again; use std::fmt;"),
        ]);
        assert_eq!(found, ["d.rs -> b/inner.rs: C"]);
    }

    #[test]
    fn a_module_that_uses_what_it_hands_on_takes_it() {
        let found = edges(&[("lib.rs", "mod b; pub use b::C; fn f(c: C) {}"), ("b.rs", "pub struct C;")]);
        assert_eq!(found, ["lib.rs -> b.rs: C"]);
    }

    #[test]
    fn paths_in_code_lead_through_modules_by_any_way_of_naming_them() {
        let found = edges(&[
            ("main.rs", "mod b; mod d; fn main() { b::run(); }"),
            ("b/mod.rs", "use crate::d; pub fn run() { d::go(); self::Own::new(); } struct Own;"),
            ("d.rs", "pub fn go() { super::b::run(); tokio::spawn(); }"),
        ]);
        assert_eq!(found, ["b/mod.rs -> d.rs: d go", "d.rs -> b/mod.rs: run", "main.rs -> b/mod.rs: run"]);
    }

    #[test]
    fn every_program_of_a_crate_is_read() {
        let text = "mod c; use c::D;";
        let found = edges(&[("bin/b/main.rs", text), ("bin/b/c.rs", "pub struct D;"), ("bin/c.rs", "")]);
        assert_eq!(found, ["bin/b/main.rs -> bin/b/c.rs: D"]);
    }
}
