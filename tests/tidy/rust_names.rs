//! Reads out of Rust source which names a file defines and which it takes from elsewhere: by `use`, or by a path in its
//! code. Leaves test modules out. Knows no other file.

use std::collections::BTreeSet;

use crate::rust_text::code_of;

/// The names of one file.
#[derive(Debug, Default)]
pub struct Names {
    /// `mod name;`, with or without `pub`.
    pub modules: Vec<String>,
    /// Items outside all braces, and modules that are written out.
    pub defined: BTreeSet<String>,
    pub uses: Vec<Use>,
    /// `a::b::C` in code outside `use`.
    pub paths: Vec<Vec<String>>,
    /// Every word outside `use`.
    pub words: BTreeSet<String>,
}

/// One name that a `use` brings in.
#[derive(Debug, PartialEq, Eq)]
pub struct Use {
    pub path: Vec<String>,
    /// As the file calls it; [`GLOB`] for all names of a module.
    pub name: String,
    /// Handed on to others.
    pub is_public: bool,
}

pub const GLOB: &str = "*";

/// Names of `text`, as far as they can be told without compiling it.
pub fn names_of(text: &str) -> Names {
    let code = code_of(text);
    let tokens = product_tokens(&code);
    let mut names = Names::default();
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(&token) = tokens.get(at) {
        let next = tokens.get(at + 1).copied().unwrap_or_default();
        match token {
            "{" => depth += 1,
            "}" => depth = depth.saturating_sub(1),
            // `pub(in a::b)` takes nothing from there.
            "in" if at.checked_sub(1).is_some_and(|before| tokens[before] == "(") => {
                at += 2 * path_at(&tokens, at + 1).len();
                continue;
            }
            "use" if next != "<" => {
                at = read_use(&tokens, at + 1, &mut Vec::new(), is_public(&tokens, at), &mut names.uses);
                continue;
            }
            "mod" if tokens.get(at + 2) == Some(&";") => names.modules.push(next.to_owned()),
            // What `const fn` defines comes with `fn`.
            "const" if next == "fn" => {}
            "mod" | "struct" | "enum" | "trait" | "type" | "fn" | "const" | "static" if depth == 0 => {
                names.defined.insert(next.to_owned());
            }
            "macro_rules" => {
                names.defined.extend(tokens.get(at + 2).map(|name| (*name).to_owned()));
            }
            _ => {}
        }
        let path = path_at(&tokens, at);
        names.words.extend(path.iter().cloned());
        at += (path.len() * 2).max(2) - 1;
        if path.len() > 1 {
            names.paths.push(path);
        }
    }
    names
}

/// The tokens of `code` without items under `#[cfg(test)]`.
pub fn product_tokens(code: &str) -> Vec<&str> {
    without_tests(&tokens(code))
}

/// Words, `::`, and every other character for itself.
fn tokens(code: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            _ if is_word(rest) => rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len()),
            ':' if rest.starts_with("::") => 2,
            other => other.len_utf8(),
        };
        tokens.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    tokens
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// The same without items under `#[cfg(test)]`.
fn without_tests<'a>(tokens: &[&'a str]) -> Vec<&'a str> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut product = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at..].starts_with(&MARK) {
            at = item_end(tokens, at + MARK.len());
        } else {
            product.push(tokens[at]);
            at += 1;
        }
    }
    product
}

/// Behind the item that begins at `from`: its `;`, or the `}` that closes its body.
fn item_end(tokens: &[&str], from: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(from) {
        match *token {
            "{" | "(" | "[" => depth += 1,
            // The end of what it stands in, such as the last field of a type.
            "}" if depth == 0 => return at,
            "}" | ")" | "]" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && matches!(*token, "}" | ";") {
            return at + 1;
        }
    }
    tokens.len()
}

/// Whether the item at `at` is `pub`, `pub(crate)` or the like.
pub fn is_public(tokens: &[&str], at: usize) -> bool {
    let mut before = tokens[..at].iter().rev();
    match before.next() {
        Some(&")") => before.find(|token| **token == "(").and_then(|_| before.next()) == Some(&"pub"),
        last => last == Some(&"pub"),
    }
}

/// Reads one branch of a `use` from `at` on; returns the place of what follows it.
fn read_use(tokens: &[&str], mut at: usize, path: &mut Vec<String>, is_public: bool, uses: &mut Vec<Use>) -> usize {
    let above = path.len();
    let mut alias = None;
    while let Some(&token) = tokens.get(at) {
        match token {
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|token| *token != "}") {
                    at = read_use(tokens, at, path, is_public, uses);
                }
                path.truncate(above);
                return behind_branch(tokens, at + 1);
            }
            "}" | "," | ";" => break,
            "as" => {
                alias = tokens.get(at + 1).map(|name| (*name).to_owned());
                at += 1;
            }
            "::" => {}
            "self" if !path.is_empty() => {}
            part => path.push(part.to_owned()),
        }
        at += 1;
    }
    if path.last().is_some_and(|last| last == GLOB) {
        path.pop();
        uses.push(Use { path: path.clone(), name: GLOB.to_owned(), is_public });
    } else if let Some(last) = path.last() {
        uses.push(Use { path: path.clone(), name: alias.unwrap_or_else(|| last.clone()), is_public });
    }
    path.truncate(above);
    behind_branch(tokens, at)
}

/// Branches are parted by commas; the brace that ends them is for who opened it.
fn behind_branch(tokens: &[&str], at: usize) -> usize {
    if matches!(tokens.get(at), Some(&("," | ";"))) { at + 1 } else { at }
}

/// The words from `at` on that `::` joins.
pub fn path_at(tokens: &[&str], at: usize) -> Vec<String> {
    let mut path = Vec::new();
    let mut next = at;
    while let Some(word) = tokens.get(next).filter(|token| is_word(token)) {
        path.push((*word).to_owned());
        if tokens.get(next + 1) != Some(&"::") {
            break;
        }
        next += 2;
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses(text: &str) -> Vec<String> {
        let show = |taken: &Use| {
            let public = if taken.is_public { "pub " } else { "" };
            format!("{public}{} as {}", taken.path.join("::"), taken.name)
        };
        names_of(text).uses.iter().map(show).collect()
    }

    #[test]
    fn every_branch_of_a_use_is_a_name_of_its_own() {
        let text = "use crate::a::{self, b::{C, D as E}, f::*};\npub(crate) use super::G;\npub use h::I;";
        let expected = [
            "crate::a as a",
            "crate::a::b::C as C",
            "crate::a::b::D as E",
            "crate::a::f as *",
            "pub super::G as G",
            "pub h::I as I",
        ];
        assert_eq!(uses(text), expected);
    }

    #[test]
    fn what_a_test_takes_is_not_what_the_file_takes() {
        let text =
            "use a::B;\n#[cfg(test)]\npub mod harness;\n#[cfg(test)]\nmod tests { use c::D; fn f() {} }\nuse e::F;";
        assert_eq!(uses(text), ["a::B as B", "e::F as F"]);
        assert_eq!(names_of(text).modules, Vec::<String>::new());
    }

    #[test]
    fn paths_in_code_are_read_and_those_in_comments_are_not() {
        let names = names_of("// crate::a::B\nfn f<T: x::Y>() -> impl Z + use<T> { crate::c::D::new::<u8>() }");
        assert_eq!(names.paths, [vec!["x", "Y"], vec!["crate", "c", "D", "new"]]);
        assert!(names.uses.is_empty());
    }

    #[test]
    fn who_may_see_a_name_is_no_path() {
        assert_eq!(names_of("pub(in crate::a) fn f() { g::h(); }").paths, [["g", "h"]]);
    }

    #[test]
    fn items_are_defined_and_what_is_inside_them_is_not() {
        let names = names_of("mod a;\npub struct B { c: D }\nimpl B { fn e() {} }\nconst fn f() {}\nstatic G: u8 = 1;");
        assert_eq!(names.modules, ["a"]);
        let defined: Vec<&str> = names.defined.iter().map(String::as_str).collect();
        assert_eq!(defined, ["B", "G", "f"]);
    }
}
