//! Reads the file of settings. Its keys are the flags, so that a value is checked by the same code and refused
//! in the same words wherever it stands. With figment the file would have a schema and errors of its own beside clap's.

use std::path::Path;

use clap::{CommandFactory, Parser};
use toml::{Table, Value};

use crate::failure::{Failure, one_line};
use crate::nearest::nearest;
use crate::node::flags::{Cli, Flags};

pub fn read(path: &Path) -> Result<Flags, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| Failure::Usage(format!("cannot read --config {}: {e}", path.display())))?;
    parse(&text).map_err(|problem| Failure::Usage(format!("{}: {problem}", path.display())))
}

fn parse(text: &str) -> Result<Flags, String> {
    let table: Table = text.parse().map_err(|e: toml::de::Error| one_line_of_toml(&e, text))?;
    let known = known_keys();
    let mut args = vec!["chappe".to_owned()];
    for (key, value) in &table {
        if !known.contains(key) {
            let hint = nearest(key, known.iter().map(String::as_str));
            return Err(match hint {
                Some(near) => format!("unknown key `{key}`; did you mean `{near}`?"),
                None => format!("unknown key `{key}`; there are {}", known.join(", ")),
            });
        }
        args.push(format!("--{key}={}", plain(key, value)?));
    }
    Cli::try_parse_from(args).map(|cli| cli.flags).map_err(|e| one_line(&e))
}

/// Every flag but those that make no sense in a file.
fn known_keys() -> Vec<String> {
    let command = Cli::command();
    let longs = command.get_arguments().filter_map(|argument| argument.get_long());
    longs.filter(|long| !matches!(*long, "help" | "version" | "config")).map(str::to_owned).collect()
}

fn plain(key: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Array(items) => {
            let items: Result<Vec<String>, String> = items.iter().map(|item| plain(key, item)).collect();
            items.map(|items| items.join(","))
        }
        _ => Err(format!("key `{key}` wants a string, a number or a list of strings")),
    }
}

fn one_line_of_toml(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    format!("line {line}: {}", error.message().replace('\n', " "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::flags::Workers;

    #[test]
    fn every_flag_is_a_key() {
        let flags = parse(
            "http = \"0.0.0.0:80\"\nworkers = 3\nmedia-port = 9000\npublic-ip = [\"192.0.2.1\", \"2001:db8::1\"]\n",
        )
        .unwrap();
        assert_eq!(flags.http, Some("0.0.0.0:80".parse().unwrap()));
        assert_eq!(flags.workers, Some(Workers::Count(3)));
        assert_eq!(flags.media_port, Some(9000));
        assert_eq!(flags.public_ip.unwrap().len(), 2);
    }

    #[test]
    fn an_unknown_key_is_refused_and_the_nearest_named() {
        let error = parse("media_port = 7000").unwrap_err();
        assert_eq!(error, "unknown key `media_port`; did you mean `media-port`?");
        assert!(parse("config = \"other.toml\"").unwrap_err().contains("unknown key"));
    }

    #[test]
    fn a_bad_value_is_refused_in_the_words_of_the_flag() {
        let error = parse("workers = 0").unwrap_err();
        assert!(error.contains("--workers") && error.contains("chappe signaling"), "{error}");
        assert!(parse("http = true").unwrap_err().contains("key `http`"));
    }

    #[test]
    fn what_is_no_toml_is_refused_with_its_line() {
        let error = parse("http = \"127.0.0.1:1\"\nadmin = \n").unwrap_err();
        assert!(error.starts_with("line 2: ") && !error.contains('\n'), "{error}");
    }

    #[test]
    fn the_example_file_names_every_key_with_the_default_it_really_has() {
        let example = include_str!("../../../chappe.example.toml");
        let uncommented: String =
            example.lines().filter_map(|line| line.strip_prefix("#: ")).map(|line| format!("{line}\n")).collect();
        let table: Table = uncommented.parse().unwrap();
        let mut keys: Vec<&String> = table.keys().collect();
        keys.sort();
        let mut known = known_keys();
        known.sort();
        assert_eq!(keys, known.iter().collect::<Vec<_>>());
        // Those that have a default say it, and a node with all of them is the node without any.
        let defaults: Table = table.into_iter().filter(|(_, value)| value.as_str() != Some("")).collect();
        let from_file = parse(&defaults.to_string()).unwrap();
        let plan = |flags| super::super::plan(crate::node::flags::Program::Up, flags).unwrap();
        let bare = Flags { node: Some("n".to_owned()), ..Flags::default() };
        assert_eq!(plan(Flags { node: Some("n".to_owned()), ..from_file }), plan(bare));
    }
}
