//! Reads what a person writes as a value, where the parser of the library would not say what it wants.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// A number of this range.
pub fn number<T>(range: RangeInclusive<T>) -> impl Fn(&str) -> Result<T, String> + Clone
where
    T: FromStr + PartialOrd + Display + Clone,
{
    move |text| match text.trim().parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        Ok(_) | Err(_) => Err(format!("wants a number from {} to {}", range.start(), range.end())),
    }
}

/// The name of a node, and of all that is named like one.
pub fn name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if (1..=NAME_CHARS_MAX).contains(&text.len()) && text.chars().all(plain) {
        return Ok(text.to_owned());
    }
    Err(format!("wants 1 to {NAME_CHARS_MAX} of A–Z a–z 0–9 . _ -"))
}

/// The id of a session, which goes into a path as it is.
pub fn session_id(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if (1..=NAME_CHARS_MAX).contains(&text.len()) && text.chars().all(is_plain) {
        return Ok(text.to_owned());
    }
    Err("is no id of a session: `chappe session --list` lists those that there are".to_owned())
}

/// What is shown in `Authorization`; nothing is no token.
pub fn token(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.len() <= TOKEN_CHARS_MAX && text.chars().all(|c| c.is_ascii_graphic()) {
        return Ok(text.to_owned());
    }
    Err("is no token: `chappe token --keys FILE …` makes one".to_owned())
}

/// Words of a person, which are not empty.
pub fn words(text: &str) -> Result<String, String> {
    let is_told = !text.trim().is_empty() && text.len() <= WORDS_BYTES_MAX && !text.contains(char::is_control);
    if is_told { Ok(text.to_owned()) } else { Err(format!("wants 1 to {WORDS_BYTES_MAX} bytes of text")) }
}

const NAME_CHARS_MAX: usize = 64;
/// Longer ones are refused by every listener.
const TOKEN_CHARS_MAX: usize = 8 << 10;
const WORDS_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_of_its_range_and_what_is_none_is_told_the_range() {
        let read = number(1u16..=256);
        assert_eq!((read("1"), read(" 256 ")), (Ok(1), Ok(256)));
        for text in ["", "x", "0", "257", "-1", "1.5", "99999999999999999999"] {
            assert_eq!(read(text).unwrap_err(), "wants a number from 1 to 256", "{text}");
        }
    }

    #[test]
    fn an_id_can_only_be_one_step_of_a_path() {
        assert!(session_id(&"0".repeat(32)).is_ok());
        for text in ["", "..", "a/b", "a b", "a%2f", &"0".repeat(65)] {
            assert!(session_id(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_token_goes_into_a_header_as_it_is() {
        assert_eq!((token(" a.b.c\n"), token("")), (Ok("a.b.c".to_owned()), Ok(String::new())));
        assert!(token("a\nb").is_err() && token("Bearer x").is_err() && token(&"x".repeat(8_193)).is_err());
    }
}
