//! `chappe keys`: makes, lists and revokes API keys, in a file or in the store of the cluster that a node answers for.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use chappe_signaling_access::{ApiKey, KeyId, render_key};
use serde_json::{Value, json};

use super::admin::Admin;
use super::commands::{Keys, KeysOrder};
use crate::failure::{Failure, usage};
use crate::key_file;
use crate::output;

pub fn run(keys: &Keys) -> Result<(), Failure> {
    match (&keys.order, &keys.keys) {
        (KeysOrder::Add, Some(file)) => print_key(keys, &add_to_file(file)?),
        (KeysOrder::Add, None) => {
            let made = Admin::of(&keys.target)?.post("/api/v1/keys", &json!({}))?;
            let key = serde_json::from_value::<ApiKey>(made);
            let key = key.map_err(|error| Failure::Refused(format!("the node answers no key: {error}")))?;
            print_key(keys, &key)?;
            // The store has no file that `chappe token` could sign with.
            output::note(
                "nobody is told the secret again: CHAPPE_API_KEYS=ID:SECRET chappe token --room … signs with it",
            );
            Ok(())
        }
        (KeysOrder::List, Some(file)) => {
            let ids: Vec<String> = read(file)?.iter().map(|key| key.id.to_string()).collect();
            print_ids(keys, &ids)
        }
        (KeysOrder::List, None) => {
            let list: Vec<Value> = Admin::of(&keys.target)?.get("/api/v1/keys")?;
            let ids: Vec<String> = list.iter().filter_map(|key| key["id"].as_str()).map(str::to_owned).collect();
            print_ids(keys, &ids)
        }
        (KeysOrder::Revoke { id }, file) => {
            match file {
                Some(file) => revoke_in_file(file, id)?,
                None => Admin::of(&keys.target)?.delete_only(&format!("/api/v1/keys/{id}"))?,
            }
            print_revoked(keys, id)
        }
    }
}

/// Those of a file, which may not be there. Who can read it can make tokens.
pub fn read(file: &Path) -> Result<Vec<ApiKey>, Failure> {
    let keys = key_file::read(file)?;
    // A pipe is nobody's to protect, and a device must stay as it is.
    let mode = fs::metadata(file).ok().filter(Metadata::is_file).map_or(0, |file| file.mode() & 0o777);
    if mode & 0o077 != 0 {
        let file = file.display();
        output::note(format_args!(
            "chappe: {file} can be read or changed by other users of this machine (mode {mode:03o}): chmod 600 {file}"
        ));
    }
    Ok(keys)
}

fn add_to_file(file: &Path) -> Result<ApiKey, Failure> {
    let known = if file.exists() { read(file)? } else { Vec::new() };
    let key = loop {
        let (mut id, mut secret) = ([0; 6], [0; 32]);
        random(&mut id)?;
        random(&mut secret)?;
        let key = ApiKey::from_random(id, secret);
        if known.iter().all(|other| other.id != key.id) {
            break key;
        }
    };
    let before = fs::read_to_string(file).unwrap_or_default();
    let line_ends = before.is_empty() || before.ends_with('\n');
    let text = format!("{before}{}{}", if line_ends { "" } else { "\n" }, render_key(&key));
    replace(file, &text).map_err(|error| unwritable(file, &error))?;
    Ok(key)
}

/// Comments and the other keys stay as they are.
fn revoke_in_file(file: &Path, id: &KeyId) -> Result<(), Failure> {
    if !read(file)?.iter().any(|key| key.id == *id) {
        let file = file.display();
        return usage(format!(
            "--keys {file} has no key {id}: `chappe keys list --keys {file}` shows those that it has"
        ));
    }
    let cannot = |error: io::Error| unwritable(file, &error);
    let before = fs::read_to_string(file).map_err(cannot)?;
    let is_other = |line: &&str| line.split_once(':').is_none_or(|(name, _)| name.trim() != id.as_str());
    let text: String = before.lines().filter(is_other).map(|line| format!("{line}\n")).collect();
    replace(file, &text).map_err(cannot)
}

/// Whole or not at all: a node may read it at any moment. It keeps its owner and its permissions, and a link stays one.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let file = &fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let before = fs::metadata(file).ok();
    if before.as_ref().is_some_and(|before| !before.is_file()) {
        return Err(io::Error::new(ErrorKind::InvalidFilename, "it is no file, and would become one"));
    }
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let beside = PathBuf::from(name);
    let mut new: File = OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(&beside)?;
    let written = like(&new, before.as_ref())
        .and_then(|()| new.write_all(text.as_bytes()))
        .and_then(|()| new.sync_all())
        .and_then(|()| fs::rename(&beside, file));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Only root can give a file away; who can't and may write it all the same is of its group, and becomes its owner.
fn like(new: &File, before: Option<&Metadata>) -> io::Result<()> {
    let Some(before) = before else { return Ok(()) };
    let _ = fchown(new, Some(before.uid()), Some(before.gid()));
    new.set_permissions(Permissions::from_mode(before.mode() & 0o777))
}

/// A folder that is not there or not ours is a mistake on the command line; a full disk is none.
fn unwritable(file: &Path, error: &io::Error) -> Failure {
    let told = format!("--keys {} can't be written ({error})", file.display());
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Failure::Usage(format!("{told}: make its folder first")),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem | ErrorKind::InvalidFilename => {
            Failure::Usage(format!("{told}: name a file in a folder of yours"))
        }
        _ => Failure::Start(told),
    }
}

fn random(bytes: &mut [u8]) -> Result<(), Failure> {
    let filled = rustix::rand::getrandom(&mut *bytes, rustix::rand::GetRandomFlags::empty());
    match filled {
        Ok(count) if count == bytes.len() => Ok(()),
        Ok(_) | Err(_) => Err(Failure::Start("the system gives no random bytes".to_owned())),
    }
}

fn print_key(keys: &Keys, key: &ApiKey) -> Result<(), Failure> {
    match keys.json {
        true => output::line(json!({ "id": key.id, "secret": key.secret.expose() })),
        false => output::line(format_args!("id      {}\nsecret  {}", key.id, key.secret.expose())),
    }
}

fn print_revoked(keys: &Keys, id: &KeyId) -> Result<(), Failure> {
    match keys.json {
        true => output::line(json!({ "id": id, "revoked": true })),
        false => output::line(format_args!("{id} is void")),
    }
}

fn print_ids(keys: &Keys, ids: &[String]) -> Result<(), Failure> {
    match (keys.json, ids) {
        (true, _) => output::line(json!(ids)),
        (false, []) => {
            output::note("no keys: `chappe keys add` makes one");
            Ok(())
        }
        (false, _) => output::line(ids.join("\n")),
    }
}

const OWNER_ONLY: u32 = 0o600;

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use std::os::unix::fs::FileTypeExt as _;

    /// As root, `chappe keys add --keys /dev/null` left a file there.
    #[test]
    fn what_is_no_file_never_becomes_one() {
        let path = std::env::temp_dir().join(format!("chappe-keys-{}", std::process::id()));
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let error = replace(&path, "a: b\n").unwrap_err();
        let is_pipe_still = fs::metadata(&path).unwrap().file_type().is_fifo();
        fs::remove_file(&path).unwrap();
        assert!(is_pipe_still && matches!(unwritable(&path, &error), Failure::Usage(_)), "{error}");
    }
}
