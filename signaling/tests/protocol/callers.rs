//! From where the listeners may be used: foreign origins and names are refused on every path.

use std::net::SocketAddr;
use std::sync::OnceLock;

use chappe_signaling::{BasePath, Host};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::http::{Response, request};
use crate::offer::publisher;
use crate::server::{Server, session_of};

const JSON: (&str, &str) = ("content-type", "application/json");

const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// Those that may change something.
const CHANGES: [&str; 4] = ["POST", "PUT", "PATCH", "DELETE"];

/// Every address of the admin listener, and one that leads nowhere, with names filled in.
fn admin() -> Vec<String> {
    filled(chappe_signaling_edge::admin::paths())
}

/// Every address of the public listener, and one that leads nowhere.
fn public() -> Vec<String> {
    filled(chappe_signaling_edge::http::paths())
}

fn filled(templates: Vec<&'static str>) -> Vec<String> {
    assert!(templates.len() > 10);
    let fill = |part: &str| match part {
        "{node}" => "n1".to_owned(),
        "{index}" => "0".to_owned(),
        "{*path}" => "client/room.js".to_owned(),
        part if part.starts_with('{') => "demo".to_owned(),
        part => part.to_owned(),
    };
    let fill_all = |template: &str| template.split('/').map(fill).collect::<Vec<_>>().join("/");
    templates.into_iter().chain(["/nothing"]).map(fill_all).collect()
}

/// Each address with each method.
fn requests<'a>(
    addresses: &'a [String],
    methods: &'static [&'static str],
) -> impl Iterator<Item = (&'static str, &'a str)> {
    addresses.iter().flat_map(move |address| methods.iter().map(move |method| (*method, address.as_str())))
}

const FOREIGN_ORIGINS: [&str; 10] = [
    "https://evil.example",
    "http://localhost.evil.example",
    "http://127.0.0.1.evil.example",
    "http://0.0.0.0",
    "http://192.0.2.1",
    "http://localhost@evil.example",
    "chrome-extension://localhost",
    "null",
    "file://",
    "",
];

const FOREIGN_HOSTS: [&str; 8] = [
    "evil.example",
    "evil.example:8080",
    "localhost.evil.example",
    "127.0.0.1.evil.example:80",
    "evil-localhost",
    "0.0.0.0",
    "192.0.2.1",
    "[2001:db8::1]:8080",
];

async fn ask(to: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut all = vec![JSON];
    all.extend_from_slice(headers);
    request(to, method, path, &all, "").await
}

fn is_refused(response: &Response, code: &str) -> bool {
    response.status == 403
        && (response.body.is_empty() || response.error() == code)
        && !response.headers.contains_key("access-control-allow-origin")
}

#[tokio::test]
async fn a_website_reaches_nothing_of_the_admin_listener() {
    let server = Server::start().await;
    for (method, path) in requests(&admin(), &METHODS) {
        for origin in FOREIGN_ORIGINS.into_iter().chain(["http://localhost:3000"]) {
            let response = ask(server.admin, method, path, &[("origin", origin)]).await;
            assert!(is_refused(&response, "forbidden_origin"), "{method} {path} {origin}: {}", response.text());
        }
        for host in FOREIGN_HOSTS {
            let response = ask(server.admin, method, path, &[("host", host)]).await;
            assert!(is_refused(&response, "forbidden_host"), "{method} {path} {host}: {}", response.text());
        }
    }
    assert_eq!(server.get("/readyz").await.status, 200, "nothing of it drained the node");
}

#[tokio::test]
async fn an_operator_reaches_the_admin_listener_by_its_names() {
    let server =
        Server::configured(|config| config.access.admin_hosts = vec![Host::parse("ops.example").unwrap()]).await;
    let address = server.admin.to_string();
    for host in
        ["localhost", "LocalHost.:8081", "[::1]:1", "127.0.0.1", &address, "n1:8081", "ops.example", "OPS.example:443"]
    {
        assert_eq!(ask(server.admin, "GET", "/api/v1/nodes", &[("host", host)]).await.status, 200, "{host}");
        let own = [("host", host), ("origin", &*format!("http://{host}"))];
        assert_eq!(ask(server.admin, "GET", "/metrics", &own).await.status, 200, "its own page at {host}");
    }
    let behind_a_proxy = [("host", address.as_str()), ("origin", "https://ops.example")];
    assert_eq!(ask(server.admin, "GET", "/metrics", &behind_a_proxy).await.status, 200);
    let forwarded = [("host", "evil.example"), ("x-forwarded-host", "localhost")];
    assert_eq!(ask(server.admin, "GET", "/metrics", &forwarded).await.status, 403);
}

#[tokio::test]
async fn changes_are_taken_as_json_only() {
    let server = Server::start().await;
    for (method, path) in requests(&admin(), &CHANGES) {
        for content_type in
            [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("multipart/form-data"), Some("")]
        {
            let headers: Vec<_> = content_type.iter().map(|value| ("content-type", *value)).collect();
            for body in ["", "{}"] {
                let response = request(server.admin, method, path, &headers, body).await;
                let told = (response.status, response.error());
                assert_eq!(told, (415, "unsupported_media_type".to_owned()), "{method} {path} {content_type:?}");
            }
        }
    }
    assert_eq!(server.get("/readyz").await.status, 200);
    let drained = request(
        server.admin,
        "POST",
        "/api/v1/nodes/n1/drain",
        &[("content-type", "Application/JSON; charset=utf-8")],
        "",
    );
    assert_eq!(drained.await.status, 202);
    assert_eq!(ask(server.admin, "DELETE", "/api/v1/nodes/n1/drain", &[]).await.status, 200);
}

#[tokio::test]
async fn a_change_with_a_query_is_refused_instead_of_passing_over_what_it_says() {
    let server = Server::start().await;
    let json = [("content-type", "application/json")];
    for (method, path) in requests(&admin(), &CHANGES) {
        let response = request(server.admin, method, &format!("{path}?cancel=true"), &json, "").await;
        assert_eq!(response.status, 400, "{method} {path}");
        assert!(response.text().contains("?cancel=true"), "{}", response.text());
    }
    assert_eq!(server.get("/readyz").await.status, 200, "nothing of it drained the node");
}

#[tokio::test]
async fn a_website_reaches_nothing_of_an_open_server() {
    let server = Server::start().await;
    for (method, path) in requests(&public(), &METHODS) {
        for origin in FOREIGN_ORIGINS {
            let response = ask(server.public, method, path, &[("origin", origin)]).await;
            assert!(is_refused(&response, "forbidden_origin"), "{method} {path} {origin}: {}", response.text());
        }
        // A name of its own that it points at this machine: to a browser both are one origin.
        for host in FOREIGN_HOSTS {
            let origin = format!("http://{host}");
            let response = ask(server.public, method, path, &[("host", host), ("origin", &origin)]).await;
            assert!(is_refused(&response, "forbidden_host"), "{method} {path} {host}: {}", response.text());
        }
    }
    assert_eq!(server.worker().sessions(), 0);
}

#[tokio::test]
async fn pages_of_this_machine_use_an_open_server_and_read_its_answers() {
    let server = Server::start().await;
    let own = format!("http://{}", server.public);
    for origin in
        [own.as_str(), "http://localhost:3000", "https://localhost", "http://[::1]:5173", "http://app.localhost"]
    {
        let headers = [("content-type", "application/sdp"), ("origin", origin), ("host", "localhost:8080")];
        let made = request(server.public, "POST", "/whip/demo/cam", &headers, publisher("vp8")).await;
        assert_eq!(made.header("access-control-allow-origin"), origin);
        assert!(made.header("vary").contains("Origin"));
        let path = format!("/session/{}", session_of(&made));
        for (method, path) in [("OPTIONS", path.as_str()), ("DELETE", &path), ("GET", "/assets/client/room.js")] {
            let response = ask(server.public, method, path, &[("origin", origin)]).await;
            assert!(response.status < 300, "{method} {path}: {}", response.status);
            assert_eq!(response.header("access-control-allow-origin"), origin, "{method} {path}");
        }
        let websocket = [
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("origin", origin),
        ];
        assert_eq!(request(server.public, "GET", "/ws", &websocket, "").await.status, 101, "{origin}");
    }
}

/// The status of a request as it stands.
async fn raw(to: SocketAddr, head: &str) -> u16 {
    let mut socket = TcpStream::connect(to).await.unwrap();
    socket.write_all(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{head}: {answer:?}"))
}

#[tokio::test]
async fn no_second_name_and_no_missing_one_gets_past_the_check() {
    let server = Server::start().await;
    for to in [server.public, server.admin] {
        let path = "/healthz";
        for (head, status) in [
            (format!("GET {path} HTTP/1.1\r\nHost: localhost"), 200),
            (format!("GET http://localhost{path} HTTP/1.1\r\nHost: localhost"), 200),
            (format!("GET http://evil.example{path} HTTP/1.1\r\nHost: localhost"), 403),
            (format!("GET http://localhost{path} HTTP/1.1\r\nHost: evil.example"), 403),
            (format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nHost: evil.example"), 400),
            (format!("GET {path} HTTP/1.1\r\nHost: localhost, evil.example"), 400),
            (format!("GET {path} HTTP/1.1\r\nHost: evil.example@localhost"), 400),
            (format!("GET {path} HTTP/1.1\r\nHost:"), 400),
            (format!("GET {path} HTTP/1.1"), 400),
            (format!("GET {path} HTTP/1.0"), 400),
            (format!("GET {path} HTTP/1.0\r\nHost: localhost"), 200),
            (
                format!(
                    "GET {path} HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nOrigin: http://evil.example"
                ),
                403,
            ),
            (format!("GET {path} HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: localhost"), 403),
        ] {
            assert_eq!(raw(to, &head).await, status, "{head}");
        }
    }
}

#[tokio::test]
async fn a_slash_at_the_end_of_an_address_leads_to_the_same() {
    let server = Server::start().await;
    let sdp = [("content-type", "application/sdp")];
    let made = request(server.public, "POST", "/whip/demo/cam/", &sdp, publisher("vp8")).await;
    let session = session_of(&made);
    let path = format!("/session/{session}/");
    let headers = [("content-type", "application/trickle-ice-sdpfrag"), ("if-match", made.header("etag"))];
    let patched = request(server.public, "PATCH", &path, &headers, crate::offer::fragment(1, 1)).await;
    assert_eq!(patched.status, 204, "{}", patched.text());
    assert_eq!(request(server.public, "OPTIONS", &path, &[], "").await.status, 204);
    let kicked = request(server.admin, "DELETE", &format!("/api/v1/sessions/{session}/"), &[JSON], "").await;
    assert_eq!(kicked.status, 204);
    assert_eq!(request(server.public, "DELETE", &path, &[], "").await.status, 200);
    assert_eq!(request(server.public, "OPTIONS", "/whep/demo/cam/?wait=1", &[], "").await.status, 204);
    for page in ["/publish/", "/watch/demo/", "/watch/demo/cam//", "/room/demo/", "/api/rooms/", "/readyz/"] {
        assert_eq!(server.get(page).await.status, 200, "{page}");
    }
}

/// Of the configuration of a server that [`Server::configured`] starts.
fn live() -> BasePath {
    static LIVE: OnceLock<BasePath> = OnceLock::new();
    LIVE.get_or_init(|| BasePath::parse("/live").unwrap()).clone()
}

#[tokio::test]
async fn session_urls_and_pages_begin_with_the_path_below_which_a_proxy_shows_them() {
    let plain = Server::start().await;
    let based = Server::configured(|config| config.access.base_path = live()).await;
    let prefix = [("x-forwarded-prefix", "/live/")];
    for (server, headers, path) in [(&plain, &prefix[..], ""), (&based, &[][..], ""), (&based, &[][..], "/live")] {
        let mut post = vec![("content-type", "application/sdp")];
        post.extend_from_slice(headers);
        let made = request(server.public, "POST", &format!("{path}/whip/demo/cam"), &post, publisher("vp8")).await;
        assert_eq!(made.status, 201, "{}", made.text());
        let location = made.header("location").to_owned();
        assert!(location.starts_with("/live/session/"), "{location}");
        let page = request(server.public, "GET", &format!("{path}/watch/demo"), headers, "").await;
        for address in ["\"/live/assets/", "href=\"/live/\""] {
            assert!(page.text().contains(address), "{address} in {}", page.text());
        }
        assert!(!page.text().contains("=\"/assets"), "{}", page.text());
        let plain = request(server.public, "GET", "/watch/demo", &[("x-forwarded-prefix", "/")], "").await;
        assert_ne!(page.header("etag"), plain.header("etag"), "a cache must not take one for the other");
        let deleted = if path.is_empty() { location.strip_prefix("/live").unwrap() } else { &location };
        assert_eq!(request(server.public, "DELETE", deleted, headers, "").await.status, 200);
    }
    let unsafe_prefix = request(plain.public, "GET", "/", &[("x-forwarded-prefix", "//evil.example")], "").await;
    assert_eq!((unsafe_prefix.status, unsafe_prefix.error().as_str()), (400, "bad_request"));
}
