//! Owns how keys are written in a file and in the environment: `id: secret`, a line or a comma apart.

use crate::key::{ApiKey, BadKey, KeyId, Secret};

/// A line that is no key. It is not repeated: it may have a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKeyText {
    #[error("line {line}: {why}")]
    Line { line: usize, why: BadKey },
    #[error("line {0}: a key is written as `id: secret`")]
    Form(usize),
    #[error("line {0}: its id stands in an earlier line already")]
    Twice(usize),
    #[error("more than {KEYS_MAX} keys")]
    TooMany,
}

/// Empty lines, and those that begin with `#`, are left out. Quotes around a secret are, too: YAML has them.
pub fn parse_keys(text: &str) -> Result<Vec<ApiKey>, BadKeyText> {
    let mut keys: Vec<ApiKey> = Vec::new();
    for (number, line) in (1..).zip(text.split(['\n', ','])) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (id, secret) = line.split_once(':').ok_or(BadKeyText::Form(number))?;
        let bad = |why| BadKeyText::Line { line: number, why };
        let id = KeyId::parse(id.trim()).map_err(bad)?;
        let secret = Secret::parse(secret.trim().trim_matches(['"', '\''])).map_err(bad)?;
        if keys.iter().any(|known| known.id == id) {
            return Err(BadKeyText::Twice(number));
        }
        keys.push(ApiKey { id, secret });
        if keys.len() > KEYS_MAX {
            return Err(BadKeyText::TooMany);
        }
    }
    Ok(keys)
}

/// The line of a file, with its end.
pub fn render_key(key: &ApiKey) -> String {
    format!("{}: {}\n", key.id, key.secret.expose())
}

/// Of one file, of the environment, and of a cluster's store.
pub(crate) const KEYS_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn what_is_written_is_read_again_beside_comments_and_quotes() {
        let key = ApiKey::from_random([7; 6], [9; 32]);
        let text = format!("# ours\n\n{}other: \"{LONG}\"\n", render_key(&key));
        let keys = parse_keys(&text).unwrap();
        assert_eq!(keys[0], key);
        assert_eq!((keys[1].id.as_str(), keys[1].secret.expose()), ("other", LONG));
        assert_eq!(parse_keys(&format!("a:{LONG},b:{LONG}")).unwrap().len(), 2, "as the environment has them");
    }

    #[test]
    fn a_bad_line_is_named_and_not_repeated() {
        for (text, said) in [
            ("a", "line 1: a key is written"),
            ("\na: short", "line 2: the secret"),
            (&format!(".a: {LONG}"), "line 1: the id"),
            (&format!("a: {LONG}\na: {LONG}"), "line 2: its id stands"),
        ] {
            let error = parse_keys(text).unwrap_err().to_string();
            assert!(error.starts_with(said) && !error.contains("short") && !error.contains(LONG), "{error}");
        }
    }
}
