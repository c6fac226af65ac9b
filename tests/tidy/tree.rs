//! Reads the files of the repository. Knows no rule.

use std::fmt;
use std::fs;
use std::path::Path;

/// A text file of ours.
pub struct Source {
    /// From the root of the repository, with `/`.
    pub path: String,
    pub text: String,
}

/// A place that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    pub path: String,
    /// From 1.
    pub line: usize,
    pub what: String,
}

impl Finding {
    pub fn new(source: &Source, line: usize, what: impl Into<String>) -> Finding {
        Finding { path: source.path.clone(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {}:{}: {}", self.path, self.line, self.what)
    }
}

impl Source {
    /// A sample of a rule's own test.
    #[cfg(test)]
    pub fn sample(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned() }
    }

    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether all of it is a test: `tests.rs`, or below a folder `tests`.
    pub fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.starts_with("tests/") || self.path.contains("/tests/")
    }
}

/// All files that a person writes, below the root.
pub fn tree() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    collect(root, root, &mut sources);
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

fn collect(root: &Path, folder: &Path, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if path.is_dir() {
            if !FOREIGN_FOLDERS.contains(&name.as_str()) {
                collect(root, &path, sources);
            }
        } else if is_ours(&name) {
            // A file that vanished meanwhile, or that is no text, has no rule to break.
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let path = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            sources.push(Source { path, text });
        }
    }
}

fn is_ours(name: &str) -> bool {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    EXTENSIONS.contains(&extension) || name == "Makefile"
}

/// `vendor` holds crates of others, changed as little as possible: our rules would only hide what we changed.
const FOREIGN_FOLDERS: [&str; 8] =
    [".git", "target", "vendor", "node_modules", ".venv", ".tools", "screenshots", "fixtures"];
const EXTENSIONS: [&str; 10] = ["rs", "toml", "md", "mjs", "js", "css", "html", "sh", "py", "yml"];
