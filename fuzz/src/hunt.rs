//! Owns the search: the corpus as it is, then changed at random, until a target panics. What does is made smaller and
//! kept as a file, with the command that shows it again.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

use proptest::test_runner::{Config, TestError, TestRunner};

use crate::Target;
use crate::change::{apply, changed};

/// An input on which a target panics.
#[derive(Debug)]
pub struct Found {
    pub words: String,
    pub kept: PathBuf,
    target: &'static str,
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Found { words, kept, target } = self;
        let kept = kept.display();
        write!(f, "{target}: {words}\nkept as {kept}; see it again with\n    ")?;
        write!(f, "cargo run --release -p chappe-fuzz --bin chappe-replay -- {target} {kept}")
    }
}

/// The inputs of a target, in the order of their names, so that a place among them means the same everywhere.
pub fn corpus(target: &Target) -> io::Result<Vec<Vec<u8>>> {
    let files = fs::read_dir(folder("corpus", target.name))?;
    let mut paths = files.map(|file| Ok(file?.path())).collect::<io::Result<Vec<PathBuf>>>()?;
    paths.sort();
    paths.iter().map(fs::read).collect()
}

/// Tries this many changed inputs, each for itself a function of what proptest draws.
pub fn hunt(target: &Target, corpus: &[Vec<u8>], cases: u32) -> Result<(), Found> {
    let config = Config { cases, failure_persistence: None, max_shrink_iters: SHRINKS_MAX, ..Config::default() };
    let ended = TestRunner::new(config).run(&changed(), |made| {
        (target.run)(&apply(corpus, &made, target.len_max));
        Ok(())
    });
    match ended {
        Err(TestError::Fail(why, made)) => Err(keep(target, &apply(corpus, &made, target.len_max), &why.to_string())),
        Ok(()) | Err(TestError::Abort(_)) => Ok(()),
    }
}

fn keep(target: &Target, bytes: &[u8], words: &str) -> Found {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    let kept = folder("crashes", target.name).join(format!("{:016x}", hasher.finish()));
    let written = fs::create_dir_all(folder("crashes", target.name)).and_then(|()| fs::write(&kept, bytes));
    let words = match written {
        Ok(()) => words.to_owned(),
        Err(error) => format!("{words} (and the input could not be kept: {error}; it is {bytes:02x?})"),
    };
    Found { words, kept, target: target.name }
}

fn folder(kind: &str, name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(kind).join(name)
}

/// Runs of the target that may go into making an input smaller.
const SHRINKS_MAX: u32 = 2_000;
