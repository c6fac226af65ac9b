//! Owns the `%40` of URLs. Never guesses: what is not well formed is nothing.

/// `text` with each `%` and two hexadecimal digits replaced by the byte they name.
pub(super) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%' {
            let (digits, after) = after.split_at_checked(2)?;
            bytes.push(hex(digits[0])? * 16 + hex(digits[1])?);
            rest = after;
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_percent_sign_stands_for_is_read() {
        assert_eq!(decode("p%40ss%3a%E2%82%AC"), Some("p@ss:€".to_owned()));
        assert_eq!(decode("plain+text"), Some("plain+text".to_owned()));
        for bad in ["%", "%4", "%4g", "%+1", "%ff"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
