//! Owns whether this thread has the state locked, as the tests know it. Never locks anything.

/// Stands before what takes long, or nobody knows how long: SDP, JSON, files. Tests stop where this thread would make it in
/// its turn, while all other clients wait.
pub fn assert_unlocked() {
    #[cfg(any(test, feature = "harness"))]
    assert_eq!(TURNS.get(), 0, "the state is locked");
}

/// A turn begins on this thread.
pub(crate) fn note_locked() {
    #[cfg(any(test, feature = "harness"))]
    TURNS.set(TURNS.get() + 1);
}

/// It is over.
pub(crate) fn note_unlocked() {
    #[cfg(any(test, feature = "harness"))]
    TURNS.set(TURNS.get() - 1);
}

#[cfg(any(test, feature = "harness"))]
thread_local! {
    /// Turns that this thread has now.
    static TURNS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}
