//! Owns a handshake of TLS with a door, and the judgement of its certificate, by the authorities that this machine
//! trusts. One of `--tls dev` is no reason to hang up: whoever is to come has to be helped to trust it.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use chappe_signaling_tls::{crypto_provider, is_for_development, machine_roots};
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{WebPkiServerVerifier, verify_server_name};
use tokio_rustls::rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
};

use super::heard::Complaint;
use super::patient::Patient;

type Stream = StreamOwned<ClientConnection, Patient>;

/// What is said over TLS, with what some clients have against the certificate; or what all have against it.
pub fn shake_hands(stream: Patient, host: &str) -> io::Result<Result<(Stream, Option<Complaint>), Complaint>> {
    let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(name).map_err(io::Error::other)?;
    let judge = Arc::new(Judge::of_machine());
    let config = ClientConfig::builder_with_provider(Arc::clone(&judge.provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&judge) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    match stream.conn.complete_io(&mut stream.sock) {
        Ok(_) => Ok(Ok((stream, judge.doubt()))),
        Err(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(Error::InvalidCertificate(why)) => Ok(Err(complaint(why, host))),
            Some(Error::InvalidMessage(_)) => Err(io::Error::other("it does not speak TLS")),
            Some(other) => Err(io::Error::other(format!("TLS: {other}"))),
            None => Err(error),
        },
    }
}

/// Says whether a certificate is good as a browser on this machine does.
#[derive(Debug)]
struct Judge {
    provider: Arc<CryptoProvider>,
    /// None: this machine trusts nobody.
    authorities: Option<Arc<WebPkiServerVerifier>>,
    /// The certificate is taken though nobody whom this machine trusts vouches for it.
    is_unvouched: AtomicBool,
}

impl Judge {
    fn of_machine() -> Judge {
        let provider = Arc::new(crypto_provider());
        let authorities = AUTHORITIES.get_or_init(|| {
            WebPkiServerVerifier::builder_with_provider(Arc::new(machine_roots()), Arc::clone(&provider)).build().ok()
        });
        Judge { provider, authorities: authorities.clone(), is_unvouched: AtomicBool::new(false) }
    }

    fn doubt(&self) -> Option<Complaint> {
        let is_unvouched = self.is_unvouched.load(Ordering::Relaxed);
        is_unvouched.then(|| match self.authorities {
            Some(_) => Complaint::new("a certificate for development (--tls dev)", DEVELOPMENT_REMEDY),
            None => Complaint::new("whose certificate this machine can't judge", NOBODY_REMEDY),
        })
    }
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged = match &self.authorities {
            Some(authorities) => {
                authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
            None => Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        };
        match judged {
            Err(Error::InvalidCertificate(CertificateError::UnknownIssuer))
                if self.authorities.is_none() || is_for_development(end_entity) =>
            {
                // Which is looked at last, and so not yet.
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                self.is_unvouched.store(true, Ordering::Relaxed);
                Ok(ServerCertVerified::assertion())
            }
            judged => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn complaint(why: &CertificateError, host: &str) -> Complaint {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            Complaint::new("its certificate has expired", EXPIRED_REMEDY)
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Complaint::new(
            "its certificate is not good yet",
            "set the clocks of this machine and of the one that made it",
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            let remedy = format!("get a certificate with {host} among its names (subjectAltName), and reload the node");
            Complaint::new(&format!("its certificate is not for {host}"), &remedy)
        }
        CertificateError::UnknownIssuer => {
            Complaint::new("its certificate is by nobody whom this machine trusts", UNTRUSTED_REMEDY)
        }
        other => Complaint::new(&format!("its certificate is refused ({other})"), UNTRUSTED_REMEDY),
    }
}

/// Reading them takes a while.
static AUTHORITIES: OnceLock<Option<Arc<WebPkiServerVerifier>>> = OnceLock::new();

const EXPIRED_REMEDY: &str = "renew the files of --tls-cert and --tls-key, which are read again, or see why --tls acme \
                              does not (`chappe logs --worker signaling`)";
const UNTRUSTED_REMEDY: &str = "take one of an authority that browsers trust (--tls acme), and name in --tls-cert a file \
                                with all certificates between it and its root (fullchain.pem); those of an authority of \
                                your own need it on each machine, also on this one (SSL_CERT_FILE)";
const DEVELOPMENT_REMEDY: &str = "whoever opens it has to trust its authority once: import the file that `chappe` names \
                                  as `trust` when it starts (authority.pem) as a certificate authority, or accept the \
                                  browser's warning; for everybody take --tls acme";
const NOBODY_REMEDY: &str = "install the authorities that systems trust (ca-certificates), and look again";
