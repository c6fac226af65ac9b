//! Owns the choices of who may use the admin listener of a node. Never judges a request.

use std::fmt;
use std::str::FromStr;

use crate::ParseError;

/// Who may operate a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminAuth {
    /// Whoever reaches the listener.
    Open,
    /// Whoever shows a token of an API key that permits it.
    Key,
}

impl AdminAuth {
    pub const NAMES: [&str; 2] = ["open", "key"];
}

impl fmt::Display for AdminAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AdminAuth::Open => "open",
            AdminAuth::Key => "key",
        })
    }
}

impl FromStr for AdminAuth {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<AdminAuth, ParseError> {
        match text {
            "open" => Ok(AdminAuth::Open),
            "key" => Ok(AdminAuth::Key),
            _ => Err(ParseError(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_names_are_read_again() {
        for name in AdminAuth::NAMES {
            assert_eq!(name.parse::<AdminAuth>().unwrap().to_string(), name);
        }
        assert!("none".parse::<AdminAuth>().is_err());
    }
}
