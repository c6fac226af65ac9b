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

pub const PRINTS: Rule = Rule {
    name: "no println! in the program",
    reason: "it panics where nobody reads; src/output.rs writes for all commands, and a node tells its log",
    check: prints,
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
    let sources = sources.iter().filter(|source| source.is_rust() && !source.is_test());
    sources.flat_map(|source| found_in_product(source, |line| line.contains(".unwrap()"), "unwrap")).collect()
}

fn prints(sources: &[Source]) -> Vec<Finding> {
    let is_tool = |source: &Source| {
        let path = source.path.as_str();
        path.ends_with("build.rs")
            || path.contains("/examples/")
            || PRINTING_TOOLS.iter().any(|it| path.starts_with(it))
    };
    let sources = sources.iter().filter(|source| source.is_rust() && !source.is_test() && !is_tool(source));
    // With an e before it, too.
    let has_print = |line: &str| line.contains("println!") || line.contains("print!");
    sources
        .flat_map(|source| found_in_product(source, has_print, "print to a stream whose reader may be gone"))
        .collect()
}

/// Tests stand at the end of a file.
fn found_in_product(source: &Source, is_wrong: impl Fn(&str) -> bool, what: &str) -> Vec<Finding> {
    let code = code_of(&source.text);
    let product = code.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let wrong = product.lines().enumerate().filter(|(_, line)| is_wrong(line));
    wrong.map(|(index, _)| Finding::new(source, index + 1, what)).collect()
}

/// They are run by developers only, and end when nobody reads.
const PRINTING_TOOLS: [&str; 2] = ["load/src/bin/", "fuzz/"];

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

    #[test]
    fn a_print_is_found_in_the_program_and_not_in_its_tools() {
        let text = "fn f() { println!(); }\nfn g() { output::print(x); writeln!(out); }\nfn h() { std::eprint!(); }\n";
        let lines = |path| prints(&[Source::sample(path, text)]).iter().map(|found| found.line).collect::<Vec<_>>();
        assert_eq!(lines("src/operate/b.rs"), [1, 3]);
        for path in ["load/src/bin/bench/b.rs", "web/build.rs", "sfu/io/examples/b.rs", "tests/node/b.rs"] {
            assert_eq!(lines(path), [], "{path}");
        }
    }
}
