//! `chappe config`: every setting of a node, as a file that can be edited. Made from the declarations of the flags.

use clap::{Arg, CommandFactory};
use serde::Serialize;

use crate::failure::Failure;
use crate::node::flags::Cli;
use crate::output;

pub fn print(as_json: bool) -> Result<(), Failure> {
    match as_json {
        true => output::line(serde_json::to_string_pretty(&settings()).unwrap_or_default()),
        false => output::print(&text()),
    }
}

/// What can be said of a node in a file.
#[derive(Debug, Serialize)]
struct Setting {
    key: String,
    /// With unit and range.
    meaning: String,
    /// How a value is written.
    values: String,
    /// None where there is none.
    default: Option<String>,
    /// Of the environment.
    variable: String,
}

fn settings() -> Vec<Setting> {
    Cli::command().get_arguments().filter(|argument| is_setting(argument)).map(setting).collect()
}

fn text() -> String {
    format!("{HEAD}{}", settings().iter().map(commented).collect::<String>())
}

/// What stands in a file: every flag but those that make no sense there.
pub fn is_setting(argument: &Arg) -> bool {
    argument.get_long().is_some_and(|long| !matches!(long, "help" | "version" | "config"))
}

fn setting(argument: &Arg) -> Setting {
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let (meaning, default) = match help.split_once(" [default: ") {
        Some((meaning, default)) => (meaning.to_owned(), Some(default.trim_end_matches(']').to_owned())),
        None => (help, None),
    };
    let values = argument.get_value_names().unwrap_or_default().iter().map(ToString::to_string).collect::<Vec<_>>();
    Setting {
        key: argument.get_long().unwrap_or_default().to_owned(),
        meaning,
        values: values.join(" "),
        default,
        variable: argument.get_env().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
    }
}

/// Its meaning with unit and range, its values, its variable; then the key with its default, commented out.
fn commented(Setting { key, meaning, values, default, variable }: &Setting) -> String {
    let mut text = String::from("\n");
    for line in wrapped(meaning) {
        text += &format!("# {line}\n");
    }
    let default = default.as_deref().unwrap_or("none");
    text += &format!("# Values: {values}. Default: {default}. Variable: {variable}\n");
    text + &format!("# {key} = {}\n", example(default))
}

/// What is told in words is no value.
fn example(default: &str) -> String {
    let first = default.split(';').next().unwrap_or_default();
    let is_value = default != "none" && !first.contains(' ');
    match first.parse::<u32>() {
        Ok(number) => number.to_string(),
        Err(_) => format!("\"{}\"", if is_value { first } else { "" }),
    }
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + word.len() < LINE_MAX => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

const LINE_MAX: usize = 100;
const HEAD: &str = "\
# Settings of a Chappe node: chappe --config FILE. Each key is also a flag (--KEY) and an environment variable.
# A flag wins over the variable, and that over this file. Remove the # before a key to set it.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_there_with_its_variable_and_its_default() {
        let text = text();
        for argument in Cli::command().get_arguments().filter(|argument| is_setting(argument)) {
            let (key, variable) = (argument.get_long().unwrap(), argument.get_env().unwrap().to_string_lossy());
            assert!(text.contains(&format!("# {key} = ")), "{key}: {text}");
            assert!(text.contains(&format!("Variable: {variable}\n")), "{variable}: {text}");
        }
        assert!(text.contains("# media-port = 7000\n"), "{text}");
        assert!(text.contains("# http = \"127.0.0.1:8080\"\n"), "{text}");
    }

    #[test]
    fn it_is_a_file_of_comments_that_a_node_starts_with() {
        assert!(text().parse::<toml::Table>().unwrap().is_empty());
    }
}
