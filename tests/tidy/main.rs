//! The rules of this code base that a machine can check. Each has its reason, and each is shown to fail on a
//! sample, because a rule that cannot fail protects nothing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first surprise")]

mod circles;
mod crates;
mod length;
mod links;
mod methods;
mod modules;
mod rust_names;
mod rust_rules;
mod rust_text;
mod tree;
mod type_names;
mod within;
mod wording;

use tree::{Finding, Source, tree};

/// A rule and why it is one.
struct Rule {
    name: &'static str,
    reason: &'static str,
    check: fn(&[Source]) -> Vec<Finding>,
}

/// Fails with all findings at once, and the reason of the rule.
fn check(rule: &Rule) {
    let findings = (rule.check)(&tree());
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{} ({})\n{}", rule.name, rule.reason, lines.join("\n"));
}

#[test]
fn files_are_of_one_concern() {
    check(&length::FILES);
}

#[test]
fn functions_fit_a_screen() {
    check(&length::FUNCTIONS);
}

#[test]
fn documents_about_the_code_have_short_paragraphs() {
    check(&length::PARAGRAPHS);
}

#[test]
fn exceptions_only_shrink() {
    check(&length::EXCEPTIONS);
}

#[test]
fn files_need_each_other_in_one_direction() {
    check(&circles::CIRCLES);
}

#[test]
fn parts_of_a_type_call_each_other_in_one_direction() {
    check(&methods::METHODS);
}

#[test]
fn crates_lean_on_each_other_as_drawn() {
    check(&crates::DRAWING);
}

#[test]
fn one_name_is_one_type() {
    check(&type_names::TYPE_NAMES);
}

#[test]
fn names_say_what_a_file_owns() {
    check(&wording::FILE_NAMES);
}

#[test]
fn words_carry_meaning() {
    check(&wording::WORDS);
}

#[test]
fn documents_link_to_what_is_there() {
    check(&links::LINKS);
}

#[test]
fn modules_open_with_what_they_own() {
    check(&rust_rules::MODULE_DOCS);
}

#[test]
fn unsafe_code_is_in_one_crate() {
    check(&rust_rules::UNSAFE);
}

#[test]
fn nothing_but_tests_unwraps() {
    check(&rust_rules::UNWRAP);
}

#[test]
fn the_program_does_not_panic_where_nobody_reads() {
    check(&rust_rules::PRINTS);
}

#[test]
fn the_tree_is_really_read() {
    let tree = tree();
    for path in ["Cargo.toml", "src/main.rs", "sfu/core/src/lib.rs", "tests/tidy/main.rs", "web/PROTOCOL.md"] {
        assert!(tree.iter().any(|source| source.path == path), "{path} is missing among {} files", tree.len());
    }
    assert!(!tree.iter().any(|source| source.path.contains("node_modules/")));
}
