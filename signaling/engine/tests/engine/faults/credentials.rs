//! Claims about credentials of each kind, right and wrong, and about what is said of them.

use std::fs;
use std::io::Write;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chappe_engine::{Engine, EngineError, Nats, NatsConfig};
use nkeys::KeyPair;
use serde_json::{Value, json};

use crate::support::server::{Directory, Server};
use crate::support::{bytes, connected, next, subject, until_down, until_up};

async fn assert_refused(url: &str, secret: &str) {
    let engine = Nats::connect(NatsConfig::parse(url).unwrap()).await.unwrap();
    let why = until_down(&*engine, "refuses the credentials").await;
    assert!(!why.contains(secret) && !format!("{engine:?}").contains(secret));
    match engine.publish(&subject("s"), bytes("v")).await {
        Err(EngineError::Unavailable(said)) => assert!(said.contains("credentials"), "{said}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_user_is_known_by_password() {
    let server = Server::start_with("authorization { user: ann, password: \"p@ss,w:rd\" }");
    let at = format!("127.0.0.1:{}", server.port);
    connected(&format!("nats://ann:p%40ss,w%3Ard@{at}")).await;
    assert_refused(&format!("nats://ann:hunter2@{at}"), "hunter2").await;
    assert_refused(&format!("nats://{at}"), "p@ss").await;
}

#[tokio::test]
async fn a_token_opens_the_door() {
    let server = Server::start_with("authorization { token: s3cret }");
    let at = format!("127.0.0.1:{}", server.port);
    connected(&format!("nats://s3cret@{at}")).await;
    connected(&format!("nats://{at}?token=s3cret")).await;
    assert_refused(&format!("nats://{at}?token=hunter2"), "hunter2").await;
}

#[tokio::test]
async fn a_user_is_known_by_nkey() {
    let (known, unknown) = (KeyPair::new_user(), KeyPair::new_user());
    let server = Server::start_with(&format!("authorization {{ users: [ {{ nkey: {} }} ] }}", known.public_key()));
    let folder = Directory::new();
    let url = |name: &str| format!("nats://127.0.0.1:{}?nkey={}", server.port, folder.path().join(name).display());
    let seed = known.seed().unwrap();
    fs::write(folder.path().join("bare"), &seed).unwrap();
    fs::write(folder.path().join("framed"), format!("-----BEGIN USER NKEY SEED-----\n{seed}\n------END------\n"))
        .unwrap();
    fs::write(folder.path().join("unknown"), unknown.seed().unwrap()).unwrap();
    fs::write(folder.path().join("none"), known.public_key()).unwrap();
    connected(&url("bare")).await;
    connected(&url("framed")).await;
    assert_refused(&url("unknown"), &unknown.seed().unwrap()).await;
    match Nats::connect(NatsConfig::parse(&url("none")).unwrap()).await {
        Err(EngineError::BadFile { why, .. }) => assert!(why.contains("SU"), "{why}"),
        other => panic!("{other:?}"),
    }
}

/// A JWT as NATS has them: signed by an nkey, whose public key is the issuer.
fn token(issuer: &KeyPair, subject: &KeyPair, nats: &Value) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({
        "jti": "test", "iat": 1_700_000_000, "name": "test",
        "iss": issuer.public_key(), "sub": subject.public_key(), "nats": nats,
    });
    let signed = format!("{}.{}", part(&json!({ "typ": "JWT", "alg": "ed25519-nkey" })), part(&claims));
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(issuer.sign(signed.as_bytes()).unwrap()))
}

#[tokio::test]
async fn a_user_is_known_by_a_credentials_file() {
    let (operator, account, user) = (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_user());
    let unlimited = json!({ "subs": -1, "conn": -1, "leaf": -1, "imports": -1, "exports": -1, "data": -1,
        "payload": -1, "wildcards": true });
    let account_token =
        token(&operator, &account, &json!({ "type": "account", "version": 2, "limits": unlimited.clone() }));
    let server = Server::start_without_store_with(&format!(
        "operator: {}\nresolver: MEMORY\nresolver_preload: {{ {}: {account_token} }}",
        token(&operator, &operator, &json!({ "type": "operator", "version": 2 })),
        account.public_key(),
    ));
    let user_token = token(
        &account,
        &user,
        &json!({ "type": "user", "version": 2, "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1 }),
    );
    let folder = Directory::new();
    let path = folder.path().join("user.creds");
    let seed = user.seed().unwrap();
    let text = format!(
        "-----BEGIN NATS USER JWT-----\n{user_token}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    );
    fs::write(&path, text).unwrap();
    let url = format!("nats://127.0.0.1:{}?creds={}", server.port, path.display());
    let engine = connected(&url).await;
    let mut received = engine.subscribe(&subject("s")).await.unwrap();
    engine.publish(&subject("s"), bytes("v")).await.unwrap();
    assert_eq!(next("the message", &mut received).await, bytes("v"));
    fs::write(&path, "not a credentials file").unwrap();
    match Nats::connect(NatsConfig::parse(&url).unwrap()).await {
        Err(EngineError::BadFile { why, .. }) => assert!(why.contains("credentials file"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// With everything logged that anybody logs, the client library included.
#[tokio::test]
async fn no_log_has_a_secret_and_an_outage_is_said_once() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).init();
    let mut server = Server::start_with("authorization { user: ann, password: hunter2 }");
    let engine = connected(&format!("nats://ann:hunter2@127.0.0.1:{}", server.port)).await;
    let wrong = NatsConfig::parse(&format!("nats://ann:hunter3@127.0.0.1:{}", server.port)).unwrap();
    let refused = Nats::connect(wrong).await.unwrap();
    until_down(&*refused, "credentials").await;
    drop(refused);
    server.kill();
    until_down(&*engine, "refused").await;
    // Several attempts later.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    server.start_again();
    until_up(&*engine).await;
    let other = Server::start_with("authorization { token: hunter4 }");
    connected(&format!("nats://hunter4@127.0.0.1:{}", other.port)).await;
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for secret in ["hunter2", "hunter3", "hunter4"] {
        assert!(!log.contains(secret), "{:?}", log.lines().find(|line| line.contains(secret)));
    }
    let ours = |what: &str| log.lines().filter(|line| line.contains("chappe_engine") && line.contains(what)).count();
    let said = || log.lines().filter(|line| line.contains("chappe_engine")).collect::<Vec<_>>().join("\n");
    assert_eq!((ours("the connection was lost"), ours("Connection refused")), (1, 1), "{}", said());
    assert_eq!((ours("refuses the credentials"), ours("NATS is connected")), (1, 3), "{}", said());
}
