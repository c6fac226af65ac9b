//! Owns how the target of a request becomes one of our routes: without the path below which a proxy shows us, and
//! without slashes at its end.

use axum::http::Uri;
use axum::http::uri::PathAndQuery;

use crate::access::base_path::BasePath;

/// None: it is a route as it is.
pub fn route_of(target: &Uri, base: &BasePath) -> Option<Uri> {
    // Below a path that is called like one of our routes it can't be told whether it was taken off already: proxies do.
    let is_ambiguous = base.as_str().split('/').nth(1).is_some_and(|first| ROUTES.contains(&first));
    let path = base.strip(target.path()).filter(|_| !is_ambiguous).unwrap_or(target.path());
    let bare = path.trim_end_matches('/');
    let path = if bare.is_empty() && path.starts_with('/') { "/" } else { bare };
    if path == target.path() {
        return None;
    }
    let wanted = match target.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = target.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(wanted).ok()?);
    Uri::from_parts(parts).ok()
}

/// First segments of our routes.
const ROUTES: [&str; 12] =
    ["publish", "watch", "room", "dashboard", "api", "assets", "ws", "whip", "whep", "session", "healthz", "readyz"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_at_the_end_and_the_base_path_are_taken_off_and_the_query_stays() {
        let base = BasePath::parse("/live").unwrap();
        let route = |target: &str| route_of(&target.parse().unwrap(), &base).map(|uri| uri.to_string());
        for (target, wanted) in [
            ("/session/12/", "/session/12"),
            ("/whip/demo/cam/?instead_of=a/b/", "/whip/demo/cam?instead_of=a/b/"),
            ("/live/whip/demo/cam//", "/whip/demo/cam"),
            ("/live", "/"),
            ("/live/", "/"),
            ("//", "/"),
            ("http://localhost/watch/demo/", "http://localhost/watch/demo"),
        ] {
            assert_eq!(route(target).as_deref(), Some(wanted), "{target}");
        }
        for target in ["/", "/watch/demo", "/lively", "*", "/?a=/"] {
            assert_eq!(route(target), None, "{target}");
        }
    }

    #[test]
    fn a_base_path_that_is_called_like_a_route_is_taken_off_by_the_proxy_alone() {
        let base = BasePath::parse("/watch").unwrap();
        assert_eq!(route_of(&"/watch/demo".parse().unwrap(), &base), None);
    }
}
