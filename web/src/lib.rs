//! Owns the files of the web pages, embedded into the binary. Never speaks HTTP.
//!
//! The folder is laid out as the browser sees it: `web/pages/x.js` is `/assets/pages/x.js` and
//! `web/client/y.js` is `/assets/client/y.js`, so that a relative import means the same on disk
//! (for the type checker) and in a browser. Pages proper (`web/pages/*.html`) are served under
//! their own addresses, see [`page`].

#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::fmt::Write as _;

use rust_embed::{EmbeddedFile, RustEmbed};

/// One embedded file, ready to be sent.
pub struct Asset {
    pub bytes: Cow<'static, [u8]>,
    /// Value of `Content-Type`.
    pub content_type: &'static str,
    /// Value of `ETag`, quotes included: a digest of the content.
    pub etag: String,
    /// Value of `Cache-Control`.
    pub cache_control: &'static str,
}

/// A page by its short name: `index`, `publish`, `watch`, `room`, `dashboard`.
pub fn page(name: &str) -> Option<Asset> {
    Pages::get(&format!("{name}.html")).map(|file| Asset::new(file, HTML))
}

/// A file by its path below `/assets/`: `pages/…` or `client/…`.
pub fn asset(path: &str) -> Option<Asset> {
    let file = match path.split_once('/')? {
        ("pages", rest) => Pages::get(rest),
        ("client", rest) => Client::get(rest),
        _ => None,
    }?;
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    Some(Asset::new(file, content_type(extension)?))
}

#[derive(RustEmbed)]
#[folder = "pages/"]
#[allow_missing = true]
struct Pages;

#[derive(RustEmbed)]
#[folder = "client/"]
#[allow_missing = true]
struct Client;

impl Asset {
    fn new(file: EmbeddedFile, content_type: &'static str) -> Asset {
        let digest = file.metadata.sha256_hash();
        let mut etag = String::with_capacity(ETAG_BYTES * 2 + 2);
        etag.push('"');
        for byte in digest.iter().take(ETAG_BYTES) {
            let _ = write!(etag, "{byte:02x}");
        }
        etag.push('"');
        Asset { bytes: file.data, content_type, etag, cache_control: REVALIDATE }
    }
}

/// None for a kind of file that has no business in a browser, so that notes and tests stay private.
fn content_type(extension: &str) -> Option<&'static str> {
    Some(match extension {
        "html" => HTML,
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        _ => return None,
    })
}

const HTML: &str = "text/html; charset=utf-8";

/// Names carry no version, so a browser asks each time and gets a 304 unless the binary changed.
const REVALIDATE: &str = "no-cache";

/// Bytes of the SHA-256 digest that make the ETag; 128 bits tell files apart.
const ETAG_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_outside_the_two_folders_are_not_found() {
        assert!(asset("src/lib.rs").is_none());
        assert!(asset("pages/../Cargo.toml").is_none());
        assert!(asset("client/../../Cargo.toml").is_none());
        assert!(asset("/etc/passwd").is_none());
        assert!(asset("").is_none());
    }

    #[test]
    fn each_page_has_a_strong_etag_and_is_revalidated() {
        for name in Pages::iter().filter_map(|path| path.strip_suffix(".html").map(str::to_owned)) {
            let page = page(&name).expect("the page is embedded");
            assert_eq!(page.content_type, "text/html; charset=utf-8");
            assert_eq!(page.etag.len(), ETAG_BYTES * 2 + 2, "{name}");
            assert_eq!(page.cache_control, "no-cache");
        }
    }

    #[test]
    fn only_kinds_a_browser_needs_are_served() {
        assert_eq!(content_type("js"), Some("text/javascript; charset=utf-8"));
        assert_eq!(content_type("md"), None);
        assert_eq!(content_type(""), None);
    }
}
