//! Owns the secrets that events are signed with, and the signature.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// One, or two while a receiver changes from the older to the newer one: it may know either.
#[derive(Clone, PartialEq, Eq)]
pub struct Secrets(Vec<Vec<u8>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSecret {
    #[error("it holds no secret: write whsec_ and, on the same line, what `openssl rand -base64 32` prints")]
    None,
    #[error("line {0} is no secret: it should be whsec_ and 24 to 64 bytes in Base64")]
    Line(usize),
    #[error("it holds more than two secrets: the newest and the one before are enough")]
    TooMany,
}

impl Secrets {
    /// A secret a line; empty lines and those that begin with `#` say nothing.
    pub fn parse(text: &str) -> Result<Secrets, BadSecret> {
        let mut secrets = Vec::new();
        for (number, line) in (1..).zip(text.lines().map(str::trim)) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bytes = line.strip_prefix("whsec_").and_then(|code| STANDARD.decode(code).ok());
            let bytes = bytes.filter(|bytes| BYTES.contains(&bytes.len())).ok_or(BadSecret::Line(number))?;
            secrets.push(bytes);
        }
        match secrets.len() {
            0 => Err(BadSecret::None),
            1 | 2 => Ok(Secrets(secrets)),
            _ => Err(BadSecret::TooMany),
        }
    }

    /// The value of `webhook-signature`: one signature per secret.
    pub fn sign(&self, id: &str, unix_seconds: u64, body: &str) -> String {
        let content = format!("{id}.{unix_seconds}.{body}");
        let signature = |secret: &Vec<u8>| {
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), content.as_bytes());
            format!("v1,{}", STANDARD.encode(tag))
        };
        self.0.iter().map(signature).collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

/// As Standard Webhooks asks for.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn a_signature_is_that_of_the_example_of_the_specification() {
        let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", r#"{"test": 2432232314}"#);
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(Secrets::parse(SECRET).unwrap().sign(id, 1_614_265_330, body), expected);
        let both = format!("# the newest first\n{}\n\n{SECRET}\n", SECRET.replace("MfKQ", "AAAA"));
        let signed = Secrets::parse(&both).unwrap().sign(id, 1_614_265_330, body);
        assert_eq!(signed.split(' ').count(), 2);
        assert!(signed.ends_with(expected));
    }

    #[test]
    fn what_is_no_secret_is_told_by_its_line() {
        assert_eq!(Secrets::parse("\n# none\n"), Err(BadSecret::None));
        assert_eq!(Secrets::parse("\nhello\n"), Err(BadSecret::Line(2)));
        assert_eq!(Secrets::parse("whsec_AAAA"), Err(BadSecret::Line(1)));
        assert_eq!(Secrets::parse(&[SECRET; 3].join("\n")), Err(BadSecret::TooMany));
        assert!(!format!("{:?}", Secrets::parse(SECRET)).contains("MfKQ"));
    }
}
