//! Owns whether what a sender of sound would send is left out because others are louder. Never decides it.

/// Of one m-line that is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Hearing {
    #[default]
    Heard,
    Silenced,
    /// It goes on with the next packet, whose number follows the last one that was sent.
    Resumes,
}

impl Hearing {
    pub fn is_silenced(self) -> bool {
        self == Hearing::Silenced
    }

    /// Whether a packet passes, with which the numbers go on if `resume` says so.
    #[inline]
    pub fn passes(&mut self, resume: impl FnOnce() -> bool) -> bool {
        if *self == Hearing::Resumes && resume() {
            *self = Hearing::Heard;
        }
        *self == Hearing::Heard
    }
}
