//! What every Rust file promises.

use crate::Rule;
use crate::rust_text::code_of;
use crate::tree::{Finding, Source};

pub const MODULE_DOCS: Rule = Rule {
    name: "a Rust file opens with //!",
    reason: "its first line says what it owns and what it refuses, so that a reader knows whether to read on",
    check: undocumented,
};

pub const UNSAFE: Rule = Rule {
    name: "unsafe code is in sfu/io only",
    reason: "what can break memory safety is read as a whole, in one place",
    check: unsafe_elsewhere,
};

pub const UNWRAP: Rule = Rule {
    name: "no .unwrap() outside tests",
    reason: "a surprise must not end the process that carries everyone; expect states an invariant of ours",
    check: unwraps,
};

/// Where else, and why.
const UNSAFE_EXCEPTIONS: &[(&str, &str)] = &[
    (
        "sfu/core/tests/allocations.rs",
        "a counting global allocator is an unsafe trait; it proves that a packet costs none",
    ),
    ("tests/tidy/rust_rules.rs", "its sample"),
];

fn undocumented(sources: &[Source]) -> Vec<Finding> {
    // What `x/tests.rs` is about, the module docs of `x.rs` say.
    let modules = sources.iter().filter(|source| source.is_rust() && !source.path.ends_with("/tests.rs"));
    let bare = modules.filter(|source| !source.text.starts_with("//! "));
    bare.map(|source| Finding::new(source, 1, "no //! in the first line")).collect()
}

fn unsafe_elsewhere(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust() && !source.path.starts_with("sfu/io/")) {
        if UNSAFE_EXCEPTIONS.iter().any(|(path, _)| *path == source.path) {
            continue;
        }
        for (index, line) in code_of(&source.text).lines().enumerate() {
            let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            if words.into_iter().any(|word| word == "unsafe") {
                findings.push(Finding::new(source, index + 1, "unsafe"));
            }
        }
    }
    findings
}

fn unwraps(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust() && !source.is_test()) {
        let code = code_of(&source.text);
        // Tests stand at the end of a file.
        let product = code.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        for (index, line) in product.lines().enumerate() {
            if line.contains(".unwrap()") {
                findings.push(Finding::new(source, index + 1, "unwrap"));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_module_docs_is_found() {
        assert_eq!(undocumented(&[Source::sample("a/src/b.rs", "use std::io;\n//! late\n")]).len(), 1);
        assert_eq!(undocumented(&[Source::sample("a/src/b.rs", "//! Owns b.\n")]), []);
    }

    #[test]
    fn unsafe_is_found_outside_the_crate_of_system_calls() {
        let text = "//! x\nfn f() { unsafe { g() } }\n";
        assert_eq!(unsafe_elsewhere(&[Source::sample("signaling/src/b.rs", text)]).len(), 1);
        assert_eq!(unsafe_elsewhere(&[Source::sample("sfu/io/src/b.rs", text)]), []);
        let text = "#![forbid(unsafe_code)] // unsafe\nfn f() { \"unsafe\"; }\n";
        assert_eq!(unsafe_elsewhere(&[Source::sample("signaling/src/b.rs", text)]), []);
    }

    #[test]
    fn an_unwrap_is_found_outside_tests_only() {
        let text = "fn f() { x.unwrap(); }\n#[cfg(test)]\nmod tests { fn g() { y.unwrap(); } }\n";
        let found = unwraps(&[Source::sample("a/src/b.rs", text)]);
        assert_eq!((found.len(), found[0].line), (1, 1));
        assert_eq!(unwraps(&[Source::sample("a/src/b/tests.rs", text)]), []);
        assert_eq!(unwraps(&[Source::sample("a/src/b.rs", "// x.unwrap()\n")]), []);
    }
}
