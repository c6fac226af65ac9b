//! Owns making a certificate for this machine and its network: a certificate authority that is kept, so that whoever
//! trusts it has to do so once, and a certificate that it signs anew at each start. Never decides which names this
//! machine has.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use time::OffsetDateTime;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use crate::error::TlsError;
use crate::files::PemFiles;
use crate::put::put;

/// What was made, and what people have to trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Development {
    pub files: PemFiles,
    pub authority: PathBuf,
}

/// Names and addresses stand for themselves in `hosts`. The directory is made if there is none.
pub fn make_development_certificate(
    directory: &Path,
    hosts: &[String],
    now: SystemTime,
) -> Result<Development, TlsError> {
    let keep = |why| TlsError::Keep { directory: directory.to_owned(), why };
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(keep)?;
    let authority_key = authority_key(directory)?;
    let authority = directory.join(AUTHORITY_FILE);
    // It begins with its key, and is the same file as long as that is there.
    let params = authority_params(&authority_key);
    if !authority.exists() {
        let made = params.self_signed(&authority_key)?;
        put(&authority, made.pem().as_bytes(), 0o644).map_err(keep)?;
    }
    let key = KeyPair::generate()?;
    let mut leaf = CertificateParams::new(hosts)?;
    leaf.distinguished_name.push(DnType::CommonName, "Chappe on this machine");
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.use_authority_key_identifier_extension = true;
    let now = OffsetDateTime::from(now);
    (leaf.not_before, leaf.not_after) = (now - Duration::from_secs(DAY), now + Duration::from_secs(LEAF_DAYS * DAY));
    let signed = leaf.signed_by(&key, &Issuer::from_params(&params, &authority_key))?;
    let files = PemFiles { certificate: directory.join("certificate.pem"), key: directory.join("key.pem") };
    put(&files.certificate, signed.pem().as_bytes(), 0o644).map_err(keep)?;
    put(&files.key, key.serialize_pem().as_bytes(), 0o600).map_err(keep)?;
    Ok(Development { files, authority })
}

/// Whether this certificate, in DER, says that an authority for development made it.
pub fn is_for_development(certificate: &[u8]) -> bool {
    let Ok(certificate) = Certificate::from_der(certificate) else { return false };
    certificate.tbs_certificate().issuer().to_string().starts_with(&format!("CN={AUTHORITY_NAME} "))
}

/// The one of before, or a new one. Whoever has it can pretend to be any website to those who trust it.
fn authority_key(directory: &Path) -> Result<KeyPair, TlsError> {
    let file = directory.join(AUTHORITY_KEY_FILE);
    match fs::read_to_string(&file) {
        Ok(text) => KeyPair::from_pem(&text).map_err(|why| TlsError::BadKey { file, why: why.to_string() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = KeyPair::generate()?;
            let kept = put(&file, key.serialize_pem().as_bytes(), 0o600);
            // A certificate of another key would stay behind.
            let kept = kept.and_then(|()| match fs::remove_file(directory.join(AUTHORITY_FILE)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            });
            kept.map_err(|why| TlsError::Keep { directory: directory.to_owned(), why })?;
            Ok(key)
        }
        Err(why) => Err(TlsError::Unreadable { file, why: why.to_string() }),
    }
}

/// Of the same key it is always the same authority.
fn authority_params(key: &KeyPair) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut mark = String::new();
    for byte in params.key_identifier(key).iter().take(4) {
        mark += &format!("{byte:02x}");
    }
    params.distinguished_name.push(DnType::CommonName, format!("{AUTHORITY_NAME} {mark}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) = (rcgen::date_time_ymd(2025, 1, 1), rcgen::date_time_ymd(2045, 1, 1));
    params
}

const AUTHORITY_NAME: &str = "Chappe development";
const AUTHORITY_FILE: &str = "authority.pem";
const AUTHORITY_KEY_FILE: &str = "authority-key.pem";

const DAY: u64 = 86_400;
/// What browsers accept of a certificate whose authority was added by hand is 825 days.
const LEAF_DAYS: u64 = 397;
