//! Owns the files of the web pages, embedded into the binary. Never speaks HTTP.
//!
//! The folder is laid out as the browser sees it: `web/pages/x.js` is `/assets/pages/x.js` and
//! `web/client/y.js` is `/assets/client/y.js`, so that a relative import means the same on disk
//! (for the type checker) and in a browser. Pages proper (`web/pages/*.html`) are served under
//! their own addresses, see [`page`].
//!
//! `build.rs` bundles each page's modules into one script below `/assets/built/`, whose name changes with its content.
//! A debug build serves the folders from the disk instead, as they are: edit, reload.

#![forbid(unsafe_code)]

#[cfg(test)]
#[path = "../build/bundle.rs"]
mod bundle;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Component, Path};
use std::sync::LazyLock;

/// One embedded file, ready to be sent.
pub struct Asset {
    pub bytes: Cow<'static, [u8]>,
    /// The same, compressed, the smallest first; empty where that was not done ahead.
    pub compressed: Vec<Compressed>,
    /// Value of `Content-Type`.
    pub content_type: &'static str,
    /// Value of `ETag`, quotes included: a digest of the content.
    pub etag: String,
    /// Value of `Cache-Control`.
    pub cache_control: &'static str,
}

#[derive(Clone)]
pub struct Compressed {
    /// Value of `Content-Encoding`.
    pub encoding: &'static str,
    pub bytes: Cow<'static, [u8]>,
}

/// A page by its short name: `index`, `publish`, `watch`, `room`, `dashboard`.
pub fn page(name: &str) -> Option<Asset> {
    find(&format!("pages/{name}.html"))
}

/// A file by its path below `/assets/`: `pages/…`, `client/…` or `built/…`.
pub fn asset(path: &str) -> Option<Asset> {
    if path.ends_with(".html") { None } else { find(path) }
}

fn find(path: &str) -> Option<Asset> {
    let content_type = content_type(path.rsplit_once('.')?.1)?;
    if cfg!(debug_assertions) && !path.starts_with(BUILT) {
        return from_disk(path, content_type);
    }
    let Embedded { digest, plain, brotli, gzip, .. } = **EMBEDDED_BY_PATH.get(path)?;
    let compressed =
        [("br", brotli), ("gzip", gzip)].map(|(encoding, bytes)| Compressed { encoding, bytes: bytes.into() });
    Some(Asset {
        bytes: plain.into(),
        compressed: compressed.into(),
        content_type,
        etag: format!("\"{digest}\""),
        cache_control: if path.starts_with(BUILT) { FOREVER } else { REVALIDATE },
    })
}

/// As it is now, for the developer who edits it or adds a file. Only from the two folders.
fn from_disk(path: &str, content_type: &'static str) -> Option<Asset> {
    let below = ["pages/", "client/"].iter().find_map(|folder| path.strip_prefix(folder))?;
    let mut parts = Path::new(below).components();
    if !parts.all(|part| matches!(part, Component::Normal(_))) {
        return None;
    }
    let bytes = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).ok()?;
    // Without a digest there is nothing to compare: each answer is new.
    let etag = String::new();
    Some(Asset { bytes: bytes.into(), compressed: Vec::new(), content_type, etag, cache_control: "no-store" })
}

/// Compressed now, for what is made while running: the larger form, and quickly.
pub fn gzip(bytes: &[u8]) -> Compressed {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(bytes).expect("memory takes it");
    Compressed { encoding: "gzip", bytes: writer.finish().expect("memory takes it").into() }
}

/// The smaller form. It takes some milliseconds and megabytes: for what is kept.
pub fn brotli(bytes: &[u8]) -> Compressed {
    let mut compressed = Vec::new();
    let mut writer = brotli::CompressorWriter::new(&mut compressed, 4096, BROTLI_QUALITY, BROTLI_WINDOW);
    writer.write_all(bytes).expect("memory takes it");
    drop(writer);
    Compressed { encoding: "br", bytes: compressed.into() }
}

/// One line of the table that `build.rs` writes.
struct Embedded {
    path: &'static str,
    digest: &'static str,
    plain: &'static [u8],
    brotli: &'static [u8],
    gzip: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

static EMBEDDED_BY_PATH: LazyLock<HashMap<&str, &Embedded>> =
    LazyLock::new(|| EMBEDDED.iter().map(|file| (file.path, file)).collect());

/// None for a kind of file that has no business in a browser, so that notes and tests stay private.
fn content_type(extension: &str) -> Option<&'static str> {
    Some(match extension {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        _ => return None,
    })
}

/// Below this, names change with the content.
const BUILT: &str = "built/";

const BROTLI_QUALITY: u32 = 9;
/// Of 2^18 bytes: no page is longer.
const BROTLI_WINDOW: u32 = 18;
/// A year, the most that caches promise to keep.
const FOREVER: &str = "public, max-age=31536000, immutable";

/// Names carry no version, so a browser asks each time and gets a 304 unless the binary changed.
const REVALIDATE: &str = "no-cache";
