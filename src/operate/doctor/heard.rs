//! Owns what came of asking at a door. Never asks.

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Clients may have something against it.
    Answer(Option<Complaint>),
    /// Each client has something against it, and breaks off.
    Distrust(Complaint),
    Refusal(String),
    Silence,
}

impl Heard {
    pub fn is_answer(&self) -> bool {
        matches!(self, Heard::Answer(_))
    }

    /// What is in the way, where something is.
    pub fn complaint(&self) -> Option<&Complaint> {
        match self {
            Heard::Answer(complaint) => complaint.as_ref(),
            Heard::Distrust(complaint) => Some(complaint),
            Heard::Refusal(_) | Heard::Silence => None,
        }
    }
}

/// What clients have against a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    pub found: String,
    pub remedy: String,
}

impl Complaint {
    pub fn new(found: &str, remedy: &str) -> Complaint {
        Complaint { found: found.to_owned(), remedy: remedy.to_owned() }
    }
}
