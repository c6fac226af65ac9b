//! Owns the path below which a proxy shows the public listener: `/live` where it serves our `/publish` as
//! `/live/publish`. It is put into pages and headers, so it has nothing that could end either.

use std::fmt;

/// Empty, or `/` and segments that need no escaping.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BasePath(String);

/// The text is no path that can stand before ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "wants a path such as /live: it begins with a slash and its segments have only A-Z a-z 0-9 . _ ~ -, \
     {BYTES_MAX} characters at most"
)]
pub struct BadBasePath;

impl BasePath {
    /// A slash at the end is taken away; `/` alone is the same as nothing.
    pub fn parse(text: &str) -> Result<BasePath, BadBasePath> {
        let bare = text.strip_suffix('/').unwrap_or(text);
        if bare.is_empty() {
            return Ok(BasePath::default());
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b'-');
        // An empty segment makes `//host`, which browsers take for another server; dots walk up.
        let segment = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(allowed);
        let is_path =
            bare.len() <= BYTES_MAX && bare.strip_prefix('/').is_some_and(|rest| rest.split('/').all(segment));
        if is_path { Ok(BasePath(bare.to_owned())) } else { Err(BadBasePath) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Our path, if the proxy passed its own on. `/live` alone is our `/`.
    pub fn strip<'a>(&self, path: &'a str) -> Option<&'a str> {
        if self.0.is_empty() {
            return None;
        }
        match path.strip_prefix(self.0.as_str())? {
            "" => Some("/"),
            rest => rest.starts_with('/').then_some(rest),
        }
    }
}

impl fmt::Display for BasePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const BYTES_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_path_has_safe_segments_only() {
        for (text, path) in
            [("", ""), ("/", ""), ("/live", "/live"), ("/live/", "/live"), ("/a/b-c.d_e~9", "/a/b-c.d_e~9")]
        {
            assert_eq!(BasePath::parse(text).unwrap().as_str(), path, "{text}");
        }
        let long = format!("/{}", "x".repeat(BYTES_MAX));
        for bad in [
            "live",
            "//evil.example",
            "/a//b",
            "/..",
            "/a/../b",
            "/a/.",
            "/a b",
            "/a\"b",
            "/a<b",
            "/a%2e",
            "/a?b",
            "/a#b",
            "/ä",
            "/a\r\nx: y",
            "/live//",
            "http://evil.example",
            "/a\\b",
            "//",
            &long,
        ] {
            assert_eq!(BasePath::parse(bad), Err(BadBasePath), "{bad}");
        }
    }

    #[test]
    fn only_whole_segments_are_taken_off() {
        let base = BasePath::parse("/live").unwrap();
        assert_eq!(base.strip("/live/publish"), Some("/publish"));
        assert_eq!(base.strip("/live"), Some("/"));
        assert_eq!(base.strip("/live/"), Some("/"));
        assert_eq!(base.strip("/lively"), None);
        assert_eq!(base.strip("/publish"), None);
        assert_eq!(BasePath::default().strip("/publish"), None);
    }
}
