//! Clients whose DTLS is OpenSSL's, of which the worker is the server or the client: with a P-384 certificate, and with one
//! that is longer than any buffer, in DTLS 1.2. ICE is the test's; OpenSSL sends no media.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};

use crate::support::client::{MediaClient, Parameters};
use crate::support::media::watching;
use crate::support::process::WorkerProcess;
use chappe_sfu_api::{self as api, DtlsRole, Event, SessionState};
use chappe_sfu_core::{DatagramKind, Fingerprint, FingerprintHash, classify};

/// Files of a certificate and of its key.
type Own = (&'static str, &'static str);

const P384: Own = ("p384_certificate", "p384_key");
const LONG: Own = ("long_certificate", "long_certificate_key");
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/src/crypto/dtls/tests");

#[test]
fn openssl_connects_as_client_and_as_server_with_a_certificate_of_p384_and_with_one_of_3_kilobytes() {
    let worker = WorkerProcess::start();
    let mut control = worker.connect();
    let certificates = [P384, LONG].into_iter().flat_map(|own| [(own, DtlsRole::Server), (own, DtlsRole::Client)]);
    for (number, (certificate, role)) in (1..).zip(certificates) {
        let parameters = Parameters { role, ..Parameters::new(number) };
        let mut spec = parameters.spec(watching(None));
        let der = std::fs::read(format!("{FIXTURES}/{}.der", certificate.0)).expect("a fixture");
        let fingerprint = Fingerprint::of(FingerprintHash::Sha256, &der);
        let (hash, value) = (fingerprint.hash().name().to_owned(), fingerprint.to_string());
        spec.dtls.remote_fingerprints = vec![api::Fingerprint { hash, value }];
        control.call(api::Command::OpenSession(Box::new(spec))).expect("open");

        let media = MediaClient::udp(&parameters, &control.hello, worker.media("127.0.0.1")).check_and_leave();
        let _openssl = match role {
            DtlsRole::Server => OpenSsl::client(media, certificate),
            DtlsRole::Client => OpenSsl::server(media, certificate),
        };
        let session = parameters.session;
        let reached = control.wait_for(|event| match event {
            Event::StateChanged { session: of, state: SessionState::Connected } if *of == session => Some(None),
            Event::Closed { session: of, reason } if *of == session => Some(Some(*reason)),
            _ => None,
        });
        assert_eq!(reached, None, "{certificate:?}, the worker is the DTLS {role:?}");
    }
}

/// One that runs until this is dropped.
struct OpenSsl(Child);

impl OpenSsl {
    /// It greets the worker.
    fn client(media: UdpSocket, certificate: Own) -> OpenSsl {
        let near = UdpSocket::bind("127.0.0.1:0").expect("bind");
        let port = near.local_addr().expect("an address").port();
        let connect = format!("127.0.0.1:{port}");
        let child = openssl("s_client", certificate).args(["-connect", &connect]).spawn().expect("openssl is there");
        carry(media, near, Arc::new(OnceLock::new()));
        OpenSsl(child)
    }

    /// It waits for the worker's greeting at a port that it says.
    fn server(media: UdpSocket, certificate: Own) -> OpenSsl {
        // Without `-verify` it would not ask for the worker's certificate, as a client of WebRTC does.
        let mut command = openssl("s_server", certificate);
        command.args(["-accept", "127.0.0.1:0", "-verify", "1"]).stdout(Stdio::piped());
        let mut child = command.spawn().expect("openssl is there");
        let mut said = BufReader::new(child.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
        let port = said.find_map(|line| line.strip_prefix("ACCEPT ")?.rsplit(':').next()?.parse().ok());
        // What it says later has somewhere to go.
        std::thread::spawn(move || said.for_each(drop));
        let to = SocketAddr::from(([127, 0, 0, 1], port.expect("it says where it waits")));
        let near = UdpSocket::bind("127.0.0.1:0").expect("bind");
        carry(media, near, Arc::new(OnceLock::from(to)));
        OpenSsl(child)
    }
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn openssl(program: &str, (certificate, key): Own) -> Command {
    let mut command = Command::new("openssl");
    command.args([program, "-dtls1_2", "-use_srtp", "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80"]);
    command.args(["-certform", "DER", "-cert", &format!("{FIXTURES}/{certificate}.der")]);
    command.args(["-keyform", "DER", "-key", &format!("{FIXTURES}/{key}.der")]);
    // Its input stays open, or it would leave.
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Records go to and fro between the worker and OpenSSL, whose address is known from the start or with the first of its
/// records. The threads end with the test.
fn carry(media: UdpSocket, near: UdpSocket, openssl: Arc<OnceLock<SocketAddr>>) {
    media.set_read_timeout(None).expect("no timeout");
    let (to_media, to_near) = (media.try_clone().expect("a socket"), near.try_clone().expect("a socket"));
    let known = Arc::clone(&openssl);
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = near.recv_from(&mut buffer) {
            known.get_or_init(|| from);
            let _ = to_media.send(&buffer[..length]);
        }
    });
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length) = media.recv(&mut buffer) {
            if let (Some(DatagramKind::Dtls), Some(to)) = (classify(&buffer[..length]), openssl.get()) {
                let _ = to_near.send_to(&buffer[..length], to);
            }
        }
    });
}
