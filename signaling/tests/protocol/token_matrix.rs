//! The table of tokens: what each kind of token gets at each front door.

use chappe_signaling::AdminAuth;
use chappe_signaling_access::{ApiKey, Minted, inspect, mint};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::http::{PATIENCE, Response, request};
use crate::server::{Server, session_of};
use crate::tokens::{ask, hello, key, now_s, of, with_tokens};
use crate::{issuer, offer};

/// What a token is like in each of the ways that count, and what it therefore gets at each door.
#[derive(Debug)]
struct Case {
    role: &'static str,
    room: &'static str,
    streams: &'static [&'static str],
    time: &'static str,
    signed: &'static str,
}

/// Own keys sign with HS256, the provider's with the others.
const GOOD: [&str; 3] = ["hs256", "eddsa", "es256"];
/// Good for nothing, whatever they say.
const BAD: [&str; 11] = [
    "hs512",
    "other key",
    "unknown key",
    "none",
    "stranger's eddsa",
    "stranger's es256",
    "eddsa named es256",
    "es256 named eddsa",
    "eddsa named as an own key",
    "hs256 named as the provider",
    "public key as secret",
];

impl Case {
    fn all() -> Vec<Case> {
        let (rooms, streams) = (["demo", "dem*", "*", "other"], [&[][..], &["cam"], &["c*", "x"], &["screen"]]);
        let good = Case::each(&GOOD, &rooms, &streams);
        let bad = Case::each(&BAD, &["demo", "other"], &[&[], &["cam"]]);
        good.into_iter().chain(bad).collect()
    }

    fn each(signatures: &[&'static str], rooms: &[&'static str], all_streams: &[&'static [&'static str]]) -> Vec<Case> {
        let mut cases = Vec::new();
        for role in ["none", "watch", "publish", "both", "admin", "operate"] {
            for room in rooms {
                for streams in all_streams {
                    for time in ["good", "expired", "early", "without end"] {
                        cases.extend(signatures.iter().map(|signed| Case { role, room, streams, time, signed }));
                    }
                }
            }
        }
        cases
    }

    fn token(&self) -> String {
        let claims = self.claims();
        let hs = |algorithm, secret: &str| {
            encode(&Header::new(algorithm), &claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
        };
        let own = key();
        match self.signed {
            "hs512" => hs(Algorithm::HS512, own.secret.expose()),
            "other key" | "unknown key" => hs(Algorithm::HS256, &"x".repeat(40)),
            // {"alg":"none"}
            "none" => {
                format!("eyJhbGciOiJub25lIn0.{}.", hs(Algorithm::HS256, own.secret.expose()).split('.').nth(1).unwrap())
            }
            "eddsa" | "eddsa named as an own key" => issuer::signed(Algorithm::EdDSA, &claims),
            "es256" => issuer::signed(Algorithm::ES256, &claims),
            "stranger's eddsa" => issuer::signed_by_a_stranger(Algorithm::EdDSA, &claims),
            "stranger's es256" => issuer::signed_by_a_stranger(Algorithm::ES256, &claims),
            "eddsa named es256" => issuer::signed_under_another_name(Algorithm::EdDSA, &claims),
            "es256 named eddsa" => issuer::signed_under_another_name(Algorithm::ES256, &claims),
            "public key as secret" => issuer::signed_with_the_public_key(&claims),
            _ => hs(Algorithm::HS256, own.secret.expose()),
        }
    }

    fn claims(&self) -> Value {
        let minted = Minted {
            room: self.room.to_owned(),
            streams: self.streams.iter().map(|name| (*name).to_owned()).collect(),
            publish: matches!(self.role, "publish" | "both" | "admin"),
            subscribe: matches!(self.role, "watch" | "both" | "admin"),
            data: self.may_say(),
            admin: self.role == "admin",
            operate: self.role == "operate",
            identity: Some(HOLDER.to_owned()),
            expires_s: if self.time == "expired" { now_s() - 1 } else { now_s() + 60 },
            not_before_s: (self.time == "early").then(|| now_s() + 30),
            ..Minted::default()
        };
        let mut claims = inspect(&mint(&key(), minted).unwrap()).unwrap()["claims"].clone();
        match self.signed {
            "unknown key" => claims["iss"] = json!(ApiKey::from_random([8; 6], [2; 32]).id),
            "hs256 named as the provider" | "public key as secret" => claims["iss"] = json!(issuer::NAME),
            "eddsa named as an own key" => {}
            signed if signed.contains("eddsa") || signed.contains("es256") => claims["iss"] = json!(issuer::NAME),
            _ => {}
        }
        if self.time == "without end" {
            claims.as_object_mut().unwrap().remove("exp");
        }
        claims
    }

    fn is_the_providers(&self) -> bool {
        matches!(self.signed, "eddsa" | "es256")
    }

    fn may_say(&self) -> bool {
        matches!(self.role, "both" | "admin")
    }

    /// Code of the refusal at a door; none: it opens.
    fn expected(&self, door: &str) -> Option<&'static str> {
        if BAD.contains(&self.signed) {
            return Some("unauthorized");
        }
        match self.time {
            "expired" => return Some("token_expired"),
            "early" | "without end" => return Some("unauthorized"),
            _ => {}
        }
        // Who operates nodes is nobody in a room, and the other way round. A provider vouches for nobody there.
        let is_operator = self.role == "operate";
        match door {
            "operate" => return (!is_operator || self.is_the_providers()).then_some("unauthorized"),
            _ if is_operator => return Some("unauthorized"),
            // Whatever the token permits by which it is gone on with.
            "list" | "patch own" | "delete own" => return None,
            "patch another's" | "delete another's" | "patch a namesake's" | "delete a namesake's" => {
                return Some("no_such_session");
            }
            _ => {}
        }
        let in_room = self.room != "other";
        let may = match door {
            "join" => true,
            "say" => self.may_say(),
            "whip" | "page publishes" | "takeover" => matches!(self.role, "publish" | "both" | "admin"),
            _ => matches!(self.role, "watch" | "both" | "admin"),
        };
        let of_stream = matches!(door, "join" | "say") || self.covers(if door == "takeover" { "cab" } else { "cam" });
        if !(in_room && may && of_stream) {
            return Some("forbidden");
        }
        (door == "takeover" && self.role != "admin").then_some("stream_exists")
    }

    fn covers(&self, stream: &str) -> bool {
        self.streams.is_empty() || self.streams.iter().any(|name| *name == stream || *name == "c*")
    }
}

/// The code with which a door stays shut.
fn code_of(response: &Response) -> Option<String> {
    (response.status >= 400).then(|| response.error())
}

fn code_in(reply: &Value) -> Option<String> {
    (reply["type"] == "error").then(|| reply["error"].as_str().unwrap().to_owned())
}

/// What is live while the doors are tried: a stream of somebody else, and a session each of whoever the tokens say they
/// are, by an own key and by the provider.
struct Live {
    theirs: String,
    by_own_key: String,
    by_provider: String,
}

impl Live {
    async fn start(server: &Server) -> Live {
        let theirs = Live::theirs(server).await;
        let (by_own_key, by_provider) = (Live::own(server, false).await, Live::own(server, true).await);
        Live { theirs, by_own_key, by_provider }
    }

    /// Connected: before that whoever has it yields.
    async fn theirs(server: &Server) -> String {
        let session = published(server, "cab", &of("owner")).await;
        server.worker().connect(session.parse().unwrap());
        let operator = Case { role: "operate", room: "demo", streams: &[], time: "good", signed: "hs256" }.token();
        let (path, bearer) = (format!("/api/v1/sessions/{session}"), format!("Bearer {operator}"));
        let asking = async {
            loop {
                let told = request(server.admin, "GET", &path, &[("authorization", &bearer)], "").await;
                if told.json()["state"] == "connected" {
                    return;
                }
            }
        };
        timeout(PATIENCE, asking).await.expect("it is connected");
        session
    }

    /// With all rights, which who goes on with it need not have.
    async fn own(server: &Server, is_the_providers: bool) -> String {
        let signed = if is_the_providers { "eddsa" } else { "hs256" };
        let token = Case { role: "admin", room: "demo", streams: &[], time: "good", signed }.token();
        published(server, if is_the_providers { "by-provider" } else { "by-own-key" }, &token).await
    }
}

async fn published(server: &Server, stream: &str, token: &str) -> String {
    session_of(&ask(server, "POST", &format!("/whip/demo/{stream}"), token, &offer::publisher("vp8")).await)
}

/// 6 roles × 4 rooms × 4 lists of streams × 4 times × 3 good signatures, and 11 bad ones with less of the rest, × 15
/// doors; and whoever has come in by one may change and end what is its own.
#[tokio::test]
async fn each_token_opens_the_doors_that_the_table_says() {
    let server = Server::configured(|config| {
        with_tokens(config);
        config.keys.issuers = vec![issuer::source()];
        config.admin_auth = AdminAuth::Key;
    })
    .await;
    let mut live = Live::start(&server).await;
    let mut opened = 0;
    for case in Case::all() {
        let token = case.token();
        let mut expect = |door: &str, code: Option<String>| {
            assert_eq!(code.as_deref(), case.expected(door), "{door}: {case:?}");
            opened += usize::from(code.is_none());
        };
        over_http(&server, &case, &token, &mut expect).await;
        sessions_of_before(&server, &case, &token, &mut live, &mut expect).await;
        let bearer = format!("Bearer {token}");
        let asked = request(server.admin, "GET", "/api/v1/workers", &[("authorization", &bearer)], "").await;
        expect("operate", code_of(&asked));
        over_websocket(&server, &case, &token, &mut expect).await;
    }
    assert!(opened > 1_000, "{opened} doors were opened");
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

/// What others have begun, and what the same holder has with another token. What it ends is begun anew for the next.
async fn sessions_of_before(
    server: &Server,
    case: &Case,
    token: &str,
    live: &mut Live,
    expect: &mut impl FnMut(&str, Option<String>),
) {
    let (own, namesakes) = (&live.by_own_key, &live.by_provider);
    let (own, namesakes) = if case.is_the_providers() { (namesakes, own) } else { (own, namesakes) };
    for (whose, session) in [("another's", &live.theirs), ("a namesake's", namesakes), ("own", own)] {
        let session = format!("/session/{session}");
        for (method, how) in [("PATCH", "patch"), ("DELETE", "delete")] {
            expect(&format!("{how} {whose}"), code_of(&ask(server, method, &session, token, FRAGMENT).await));
        }
    }
    if case.expected("delete own").is_none() {
        let anew = Live::own(server, case.is_the_providers()).await;
        *(if case.is_the_providers() { &mut live.by_provider } else { &mut live.by_own_key }) = anew;
    }
    let taken = ask(server, "POST", "/whip/demo/cab?takeover=1", token, &offer::publisher("vp8")).await;
    expect("takeover", code_of(&taken));
    if taken.status == 201 {
        assert_eq!(ask(server, "DELETE", &format!("/session/{}", session_of(&taken)), token, "").await.status, 200);
        live.theirs = Live::theirs(server).await;
    }
}

async fn over_websocket(server: &Server, case: &Case, token: &str, expect: &mut impl FnMut(&str, Option<String>)) {
    let mut page = hello(server, "demo", token).await;
    expect("join", code_in(&page.welcome));
    if page.welcome["type"] != "welcome" {
        return;
    }
    expect("say", code_in(&page.ask(json!({"type": "say", "text": "hello"})).await));
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

/// Of all tokens of the table (`sub`).
const HOLDER: &str = "ada";
/// With which a client begins anew with other credentials (RFC 8840).
const FRAGMENT: &str = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdef0123456789\r\n";
