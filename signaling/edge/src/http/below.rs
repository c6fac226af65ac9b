//! Owns the pages as they are shown below a path of a proxy: their own addresses begin with it. Keeps a bounded number of
//! them compressed, because that takes longer than all else of an answer. Never sends one.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use chappe_web::{Asset, Compressed};

use crate::access::base_path::BasePath;

/// A page whose own addresses, which all begin with a slash, begin with the path below which it is shown.
pub fn below(base: &BasePath, asset: Asset) -> Asset {
    if base.as_str().is_empty() {
        return asset;
    }
    let page = String::from_utf8_lossy(&asset.bytes).replace("=\"/", &format!("=\"{base}/"));
    let etag = format!("{}{base}\"", asset.etag.strip_suffix('"').unwrap_or_default());
    // Without a tag it is served from the disk, and may be another one the next time.
    let compressed = match asset.etag.is_empty() {
        true => vec![chappe_web::gzip(page.as_bytes())],
        false => KEPT.compressed(&etag, page.as_bytes()),
    };
    Asset { bytes: page.into_bytes().into(), compressed, etag, ..asset }
}

static KEPT: LazyLock<Kept> = LazyLock::new(Kept::default);

/// By their tags, in which their paths are.
#[derive(Default)]
struct Kept(Mutex<BTreeMap<String, Vec<Compressed>>>);

impl Kept {
    fn compressed(&self, etag: &str, page: &[u8]) -> Vec<Compressed> {
        let (known, is_full) = {
            let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            (kept.get(etag).cloned(), kept.len() >= KEPT_MAX)
        };
        if let Some(known) = known {
            return known;
        }
        let gzip = chappe_web::gzip(page);
        if is_full {
            return vec![gzip];
        }
        let made = vec![chappe_web::brotli(page), gzip];
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(etag.to_owned(), made.clone());
        made
    }
}

/// Some ten kilobytes each. A server has five pages, and one path or two: more are those of a proxy that makes them up.
const KEPT_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn encodings(compressed: &[Compressed]) -> Vec<&'static str> {
        compressed.iter().map(|form| form.encoding).collect()
    }

    #[test]
    fn a_bounded_number_of_pages_is_kept_in_the_smallest_form_and_the_rest_is_made_each_time() {
        let kept = Kept::default();
        let page = b"<a href=\"/live/\">".repeat(40);
        for number in 0..KEPT_MAX {
            assert_eq!(encodings(&kept.compressed(&number.to_string(), &page)), ["br", "gzip"]);
        }
        assert_eq!(encodings(&kept.compressed("one more", &page)), ["gzip"]);
        let (first, len) = (kept.compressed("0", b"is not looked at"), kept.0.lock().unwrap().len());
        assert_eq!((encodings(&first), len), (vec!["br", "gzip"], KEPT_MAX));
        assert!(first[0].bytes.len() < first[1].bytes.len() && first[1].bytes.len() < page.len());
    }
}
