//! Claims about certificates, with an authority of the test's own.

use std::fs;
use std::path::Path;

use chappe_engine::{Engine, EngineError, Nats, NatsConfig};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::support::server::{Directory, Server};
use crate::support::{bytes, connected, key, until_down};

/// Puts `ca.pem`, and what it has signed for a server and for a client, into `folder`.
fn write_certificates(folder: &Path) {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(vec![]).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    fs::write(folder.join("ca.pem"), ca.self_signed(&ca_key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(ca, ca_key);
    for name in ["server", "client"] {
        let pair = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&pair, &issuer).unwrap();
        fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
        fs::write(folder.join(format!("{name}.key")), pair.serialize_pem()).unwrap();
    }
}

fn start(verify_clients: bool) -> (Server, Directory) {
    let folder = Directory::new();
    write_certificates(folder.path());
    let path = folder.path().display();
    let configuration = format!(
        "tls {{ cert_file: \"{path}/server.pem\", key_file: \"{path}/server.key\", ca_file: \"{path}/ca.pem\", \
         verify: {verify_clients}, timeout: 5 }}\nauthorization {{ user: u, password: p }}"
    );
    (Server::start_with(&configuration), folder)
}

#[tokio::test]
async fn a_server_of_a_trusted_authority_is_used() {
    let (server, folder) = start(false);
    let ca = folder.path().join("ca.pem");
    for scheme in ["tls", "nats"] {
        let url = format!("{scheme}://u:p@127.0.0.1:{}?tls_ca={}", server.port, ca.display());
        let engine = connected(&url).await;
        engine.create(&key(scheme), bytes("v")).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_of_an_unknown_authority_is_not_used() {
    let (server, _folder) = start(false);
    let other = Directory::new();
    write_certificates(other.path());
    let ca = other.path().join("ca.pem");
    let url = format!("tls://u:p@127.0.0.1:{}?tls_ca={}", server.port, ca.display());
    let engine = Nats::connect(NatsConfig::parse(&url).unwrap()).await.unwrap();
    until_down(&*engine, "certificate").await;
}

#[tokio::test]
async fn a_server_that_speaks_in_the_clear_is_not_used_when_tls_is_asked_for() {
    let server = Server::start();
    let folder = Directory::new();
    write_certificates(folder.path());
    let url = format!("tls://127.0.0.1:{}?tls_ca={}", server.port, folder.path().join("ca.pem").display());
    let engine = Nats::connect(NatsConfig::parse(&url).unwrap()).await.unwrap();
    until_down(&*engine, &server.port.to_string()).await;
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_gets_one() {
    let (server, folder) = start(true);
    let path = folder.path().display();
    let without = format!("tls://u:p@127.0.0.1:{}?tls_ca={path}/ca.pem", server.port);
    let engine = Nats::connect(NatsConfig::parse(&without).unwrap()).await.unwrap();
    until_down(&*engine, &server.port.to_string()).await;
    let with = format!("{without}&tls_cert={path}/client.pem&tls_key={path}/client.key");
    connected(&with).await;
}

#[tokio::test]
async fn a_file_that_is_missing_is_named() {
    for option in ["tls_ca", "creds", "nkey"] {
        let url = format!("nats://127.0.0.1:1?{option}=/nowhere/file");
        match Nats::connect(NatsConfig::parse(&url).unwrap()).await {
            Err(error @ EngineError::BadFile { .. }) => assert!(error.to_string().contains("/nowhere/file"), "{error}"),
            other => panic!("{option}: {other:?}"),
        }
    }
}
