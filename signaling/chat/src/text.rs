//! Owns the rule for what a message and a shown name may contain. Never shortens what somebody said.

use crate::error::SayError;
use crate::limits::{NAME_CHARACTERS_MAX, TEXT_CHARACTERS_MAX};

/// Without control characters, except that lines may be broken, and without space around it.
pub(crate) fn clean_text(text: &str) -> Result<String, SayError> {
    let kept: String = text.chars().filter(|&c| is_kept(c)).collect();
    let text = kept.trim();
    if text.is_empty() {
        return Err(SayError::Empty);
    }
    if text.chars().count() > TEXT_CHARACTERS_MAX {
        return Err(SayError::TooLong { max: TEXT_CHARACTERS_MAX });
    }
    Ok(text.to_owned())
}

/// Whether [`clean_text`] can have made it.
pub(crate) fn is_clean_text(text: &str) -> bool {
    // Four bytes per character at most, so a long text is refused before it is counted.
    text.len() <= 4 * TEXT_CHARACTERS_MAX
        && !text.trim().is_empty()
        && text.chars().all(is_kept)
        && text.chars().count() <= TEXT_CHARACTERS_MAX
}

/// A name is a label and not what somebody said, so it is cut where it is too long.
pub(crate) fn clean_name(name: Option<String>) -> Option<String> {
    let kept: String = name?.chars().filter(|c| !c.is_control()).take(NAME_CHARACTERS_MAX).collect();
    let name = kept.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

fn is_kept(c: char) -> bool {
    c == '\n' || !c.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_go_and_line_breaks_stay() {
        assert_eq!(clean_text(" a\u{1b}[31m\r\nb\u{7}\t "), Ok("a[31m\nb".to_owned()));
        assert_eq!(clean_text("\u{0} \n"), Err(SayError::Empty));
    }

    #[test]
    fn a_text_is_measured_in_characters() {
        let longest = "ä".repeat(TEXT_CHARACTERS_MAX);
        assert_eq!(clean_text(&longest), Ok(longest.clone()));
        assert!(is_clean_text(&longest));
        let longer = longest + "ä";
        assert_eq!(clean_text(&longer), Err(SayError::TooLong { max: TEXT_CHARACTERS_MAX }));
        assert!(!is_clean_text(&longer));
        assert!(!is_clean_text(&"x".repeat(1 << 20)));
    }

    #[test]
    fn a_name_is_cut_and_an_empty_one_is_none() {
        assert_eq!(clean_name(Some("x".repeat(100))).map(|name| name.len()), Some(NAME_CHARACTERS_MAX));
        assert_eq!(clean_name(Some("\u{0} ".to_owned())), None);
    }
}
