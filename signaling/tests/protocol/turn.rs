//! TURN servers: who is told of them, and with which credentials.

use chappe_signaling::{TurnSecret, TurnServers, TurnUrl};
use chappe_signaling_rooms::SessionAlias;
use serde_json::json;

use crate::offer::{publisher, viewer};
use crate::page::Page;
use crate::server::{Server, session_of};

async fn server() -> Server {
    Server::configured(|config| {
        let urls =
            ["turn:turn.example:3478?transport=udp", "turns:turn.example:443"].map(|url| TurnUrl::parse(url).unwrap());
        config.turn = TurnServers::new(&urls, TurnSecret::parse("a secret of sixteen").unwrap());
    })
    .await
}

#[tokio::test]
async fn a_page_is_told_the_servers_with_credentials_of_its_own() {
    let server = server().await;
    let (one, other) = (Page::join(&server, "demo").await, Page::join(&server, "demo").await);
    let told = &one.welcome["ice_servers"][0];
    assert_eq!(told["urls"], json!(["turn:turn.example:3478?transport=udp", "turns:turn.example:443"]));
    let username = told["username"].as_str().unwrap();
    assert!(username.ends_with(one.welcome["member"].as_str().unwrap()), "{username}");
    assert_ne!(told["credential"], other.welcome["ice_servers"][0]["credential"]);
}

#[tokio::test]
async fn whip_and_whep_clients_are_told_in_link_headers_when_they_have_a_session() {
    let server = server().await;
    for (path, offer) in [("/whip/demo/cam", publisher("vp8")), ("/whep/demo/cam", viewer("vp8"))] {
        let made = server.post(path, &offer).await;
        assert_eq!(made.status, 201, "{}", made.text());
        let links: Vec<&str> = made.headers.get_all("link").iter().map(|line| line.to_str().unwrap()).collect();
        assert_eq!(links.len(), 2, "{links:?}");
        assert!(links[1].starts_with("<turns:turn.example:443>; rel=\"ice-server\"; username=\""), "{links:?}");
        let session = session_of(&made);
        // The user name goes over the network in clear, and whoever has the id may end the session, or take its place.
        let alias = SessionAlias::of(session.parse().unwrap());
        assert!(links[0].contains(&format!(":{alias}\"; credential=\"")), "{alias}: {links:?}");
        assert!(links.iter().all(|line| !line.contains(&session[8..])), "{session}: {links:?}");
        assert!(links[0].ends_with("credential-type=\"password\""), "{links:?}");
    }
    let refused = server.post("/whip/demo/cam", "no offer").await;
    assert_eq!((refused.status, refused.header("link")), (400, ""));
}
