//! Which files are served, which are refused, and when.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::*;
use crate::development::make_development_certificate;

/// A directory that goes with the test.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Dir {
        let path = std::env::temp_dir().join(format!("chappe-tls-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Dir(path)
    }

    fn made(&self, host: &str) -> PemFiles {
        let hosts = [host.to_owned(), "192.0.2.7".to_owned()];
        make_development_certificate(&self.0, &hosts, SystemTime::now()).unwrap().files
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn what_was_made_for_development_is_good_for_its_names_and_for_a_year() {
    let dir = Dir::new("made");
    let facts = dir.made("studio.local").check().unwrap();
    assert_eq!(facts.hosts(), ["studio.local", "192.0.2.7"]);
    let year = Duration::from_secs(365 * 86_400);
    assert!(facts.good_for(SystemTime::now()).is_some_and(|left| left > year));
    assert_eq!(facts.good_for(SystemTime::now() + 2 * year), None);
    assert!(facts.is_not_yet_good(SystemTime::UNIX_EPOCH));
}

#[test]
fn the_authority_is_the_same_at_the_next_start_and_another_one_without_its_key() {
    let dir = Dir::new("authority");
    let authority = || fs::read(dir.0.join("authority.pem")).unwrap();
    let first = (dir.made("a.local"), authority());
    let leaf = fs::read(&first.0.certificate).unwrap();
    let second = (dir.made("b.local"), authority());
    assert_eq!(first, second);
    assert_ne!(fs::read(&second.0.certificate).unwrap(), leaf);
    fs::remove_file(dir.0.join("authority-key.pem")).unwrap();
    dir.made("b.local");
    assert_ne!(authority(), first.1);
}

#[test]
fn files_that_can_not_be_served_are_named() {
    let (one, other) = (Dir::new("one"), Dir::new("other"));
    let (files, others) = (one.made("a.local"), other.made("a.local"));
    let refusal = |files: PemFiles| files.check().unwrap_err().to_string();
    let mixed = refusal(PemFiles { key: others.key, ..files.clone() });
    assert!(mixed.contains("is not that of the certificate in"), "{mixed}");
    let swapped = refusal(PemFiles { certificate: files.key.clone(), key: files.certificate.clone() });
    assert!(swapped.contains("key.pem has no certificate"), "{swapped}");
    let missing = refusal(PemFiles { certificate: one.0.join("nowhere.pem"), ..files.clone() });
    assert!(missing.contains("nowhere.pem can't be read"), "{missing}");
    fs::write(&files.key, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap();
    let broken = refusal(files.clone());
    assert!(broken.contains("key.pem holds a private key that can't be used"), "{broken}");
    fs::write(&files.certificate, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    let broken = refusal(files);
    assert!(broken.contains("certificate.pem holds a certificate that can't be understood"), "{broken}");
}

#[test]
fn a_renewed_certificate_is_taken_at_the_second_look_and_a_bad_one_never() {
    let dir = Dir::new("renewed");
    let files = dir.made("a.local");
    let (mut served, _) = ServedCertificate::load(files.clone()).unwrap();
    let now = |served: &ServedCertificate| served.now.certificate.read().unwrap().end_entity_cert().unwrap().to_vec();
    let first = now(&served);
    assert!(matches!(served.look_again(), Renewal::Unchanged));
    dir.made("b.local");
    assert!(matches!(served.look_again(), Renewal::Unchanged), "it may be half written");
    assert!(matches!(served.look_again(), Renewal::Renewed(facts) if facts.names == ["b.local"]));
    let second = now(&served);
    assert_ne!(first, second);
    fs::write(&files.certificate, "half").unwrap();
    assert!(matches!(served.look_again(), Renewal::Unchanged));
    assert!(matches!(served.look_again(), Renewal::Refused(TlsError::NoCertificate(_))));
    assert!(matches!(served.look_again(), Renewal::Unchanged), "said once");
    assert_eq!(now(&served), second, "the one of before is served on");
}
