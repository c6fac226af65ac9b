//! The table of tokens: what each kind of token gets at each front door.

use chappe_signaling::AdminAuth;
use chappe_signaling_access::{ApiKey, Minted, mint};
use serde_json::{Value, json};

use crate::http::{Response, request};
use crate::offer;
use crate::server::{Server, session_of};
use crate::tokens::{ask, hello, key, now_s, of, with_tokens};

/// What a token is like in each of the ways that count, and what it therefore gets at each door.
#[derive(Debug)]
struct Case {
    role: &'static str,
    room: &'static str,
    streams: &'static [&'static str],
    time: &'static str,
    signed: &'static str,
}

impl Case {
    fn all() -> Vec<Case> {
        let mut cases = Vec::new();
        for role in ["none", "watch", "publish", "both", "admin", "operate"] {
            for room in ["demo", "dem*", "*", "other"] {
                for streams in [&[][..], &["cam"], &["c*", "x"], &["screen"]] {
                    for time in ["good", "expired", "early"] {
                        for signed in ["hs256", "hs512", "other key", "unknown key", "none"] {
                            cases.push(Case { role, room, streams, time, signed });
                        }
                    }
                }
            }
        }
        cases
    }

    fn token(&self) -> String {
        let mut key = key();
        if self.signed == "other key" {
            key = ApiKey { id: key.id, ..ApiKey::from_random([0; 6], [9; 32]) };
        } else if self.signed == "unknown key" {
            key = ApiKey::from_random([8; 6], [2; 32]);
        }
        let minted = Minted {
            room: self.room.to_owned(),
            streams: self.streams.iter().map(|name| (*name).to_owned()).collect(),
            publish: matches!(self.role, "publish" | "both" | "admin"),
            subscribe: matches!(self.role, "watch" | "both" | "admin"),
            admin: self.role == "admin",
            operate: self.role == "operate",
            expires_s: if self.time == "expired" { now_s() - 1 } else { now_s() + 60 },
            not_before_s: (self.time == "early").then(|| now_s() + 30),
            ..Minted::default()
        };
        let token = mint(&key, minted).unwrap();
        let body = token.split('.').nth(1).unwrap();
        match self.signed {
            // {"alg":"none"}
            "none" => format!("eyJhbGciOiJub25lIn0.{body}."),
            "hs512" => {
                let claims: Value = chappe_signaling_access::inspect(&token).unwrap()["claims"].clone();
                let secret = jsonwebtoken::EncodingKey::from_secret(key.secret.expose().as_bytes());
                let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS512);
                jsonwebtoken::encode(&header, &claims, &secret).unwrap()
            }
            _ => token,
        }
    }

    /// Code of the refusal at a door; none: it opens.
    fn expected(&self, door: &str) -> Option<&'static str> {
        if self.signed != "hs256" {
            return Some("unauthorized");
        }
        match self.time {
            "expired" => return Some("token_expired"),
            "early" => return Some("unauthorized"),
            _ => {}
        }
        // Who operates nodes is nobody in a room, and the other way round.
        let is_operator = self.role == "operate";
        match door {
            "operate" => return (!is_operator).then_some("unauthorized"),
            _ if is_operator => return Some("unauthorized"),
            "list" => return None,
            "patch another's" | "delete another's" => return Some("no_such_session"),
            _ => {}
        }
        let in_room = self.room != "other";
        let may = match door {
            "join" => true,
            "whip" | "page publishes" => matches!(self.role, "publish" | "both" | "admin"),
            _ => matches!(self.role, "watch" | "both" | "admin"),
        };
        let of_stream =
            door == "join" || self.streams.is_empty() || self.streams.iter().any(|name| name.starts_with('c'));
        (!(in_room && may && of_stream)).then_some("forbidden")
    }
}

/// The code with which a door stays shut.
fn code_of(response: &Response) -> Option<String> {
    (response.status >= 400).then(|| response.error())
}

fn code_in(reply: &Value) -> Option<String> {
    (reply["type"] == "error").then(|| reply["error"].as_str().unwrap().to_owned())
}

/// 6 roles × 4 rooms × 4 lists of streams × 3 times × 5 signatures × 9 doors; and whoever has come in by one may change
/// and end what is its own.
#[tokio::test]
async fn each_token_opens_the_doors_that_the_table_says() {
    let server = Server::configured(|config| {
        with_tokens(config);
        config.admin_auth = AdminAuth::Key;
    })
    .await;
    let theirs = ask(&server, "POST", "/whip/demo/theirs", &of("owner"), &offer::publisher("vp8")).await;
    let theirs = format!("/session/{}", session_of(&theirs));
    let mut opened = 0;
    for case in Case::all() {
        let token = case.token();
        let mut expect = |door: &str, code: Option<String>| {
            assert_eq!(code.as_deref(), case.expected(door), "{door}: {case:?}");
            opened += usize::from(code.is_none());
        };
        over_http(&server, &case, &token, &mut expect).await;
        for (door, method) in [("patch another's", "PATCH"), ("delete another's", "DELETE")] {
            expect(door, code_of(&ask(&server, method, &theirs, &token, FRAGMENT).await));
        }
        let bearer = format!("Bearer {token}");
        let asked = request(server.admin, "GET", "/api/v1/workers", &[("authorization", &bearer)], "").await;
        expect("operate", code_of(&asked));
        over_websocket(&server, &case, &token, &mut expect).await;
    }
    assert!(opened > 250, "{opened} doors were opened");
}

async fn over_http(server: &Server, case: &Case, token: &str, expect: &mut impl FnMut(&str, Option<String>)) {
    let (publisher, viewer) = (offer::publisher("vp8"), offer::viewer("vp8"));
    for (door, path, sdp) in [("whip", "/whip/demo/cam", publisher), ("whep", "/whep/demo/cam?wait=1", viewer)] {
        let response = ask(server, "POST", path, token, &sdp).await;
        expect(door, code_of(&response));
        if response.status == 201 {
            let session = format!("/session/{}", session_of(&response));
            assert_eq!(ask(server, "PATCH", &session, token, FRAGMENT).await.status, 200, "{door}: {case:?}");
            assert_eq!(ask(server, "DELETE", &session, token, "").await.status, 200, "{door}: {case:?}");
        }
    }
    expect("list", code_of(&ask(server, "GET", "/api/rooms", token, "").await));
}

async fn over_websocket(server: &Server, case: &Case, token: &str, expect: &mut impl FnMut(&str, Option<String>)) {
    let mut page = hello(server, "demo", token).await;
    expect("join", code_in(&page.welcome));
    if page.welcome["type"] != "welcome" {
        return;
    }
    let published = page.ask(json!({"type": "publish", "stream": "cam", "sdp": offer::publisher("vp8")})).await;
    expect("page publishes", code_in(&published));
    let slots = json!([{"mid": "0", "stream": "cam", "track": "audio"}]);
    let watched = page.ask(json!({"type": "watch", "sdp": offer::viewer("vp8"), "slots": slots})).await;
    expect("page watches", code_in(&watched));
    for (kind, reply) in [("unpublish", published), ("unwatch", watched)] {
        if reply["type"] == "answer" {
            let ended = page.ask(json!({"type": kind, "session": reply["session"]})).await;
            assert_eq!(ended["type"], "done", "{case:?}");
        }
    }
}

/// With which a client begins anew with other credentials (RFC 8840).
const FRAGMENT: &str = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdef0123456789\r\n";
