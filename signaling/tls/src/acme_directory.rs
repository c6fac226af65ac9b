//! Owns what is kept of one authority that gives certificates by ACME: our account there, and the certificate with its
//! key. Never asks it for anything.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::TlsError;
use crate::files::PemFiles;
use crate::put::put;
use crate::requested::placeholder;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcmeDirectory(PathBuf);

impl AcmeDirectory {
    /// That of the server with this name, made if there is none. What can't be served in it makes way for a certificate
    /// of our own.
    pub fn open(under: &Path, server: &str, domains: &[String], now: SystemTime) -> Result<AcmeDirectory, TlsError> {
        let directory = AcmeDirectory(under.join(server));
        let keep = |why| TlsError::Keep { directory: directory.0.clone(), why };
        DirBuilder::new().recursive(true).mode(0o700).create(&directory.0).map_err(keep)?;
        if directory.files().check().is_err() {
            directory.keep_certificate(&placeholder(domains, now)?, "").map_err(keep)?;
        }
        Ok(directory)
    }

    /// Of a certificate in it.
    pub fn of(files: &PemFiles) -> AcmeDirectory {
        AcmeDirectory(files.certificate.parent().unwrap_or(Path::new("")).to_owned())
    }

    /// One file, so that a certificate is never seen with the key of another one.
    pub fn files(&self) -> PemFiles {
        PemFiles { certificate: self.certificate(), key: self.certificate() }
    }

    /// What was kept of the account; none if there is none.
    pub fn account(&self) -> io::Result<Option<String>> {
        match fs::read_to_string(self.0.join(ACCOUNT_FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        }
    }

    pub fn keep_account(&self, text: &str) -> io::Result<()> {
        put(&self.0.join(ACCOUNT_FILE), text.as_bytes(), 0o600)
    }

    /// The server does not know it any more.
    pub fn forget_account(&self) -> io::Result<()> {
        fs::remove_file(self.0.join(ACCOUNT_FILE))
    }

    pub fn keep_certificate(&self, chain_pem: &str, key_pem: &str) -> io::Result<()> {
        put(&self.certificate(), format!("{chain_pem}{key_pem}").as_bytes(), 0o600)
    }

    fn certificate(&self) -> PathBuf {
        self.0.join("certificate.pem")
    }
}

const ACCOUNT_FILE: &str = "account.json";
