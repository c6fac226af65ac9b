//! The circles of files that are still there. A circle may lose files, and never win one: whoever frees a file takes it
//! off its list, and the last one takes the exception along.

/// The files of one circle, and what ties them.
pub struct Exception<'a> {
    pub files: &'a [&'a str],
    pub because: &'a str,
}

pub const EXCEPTIONS: &[Exception<'static>] = &[];

/// The same by the methods of one type.
pub const METHOD_EXCEPTIONS: &[Exception<'static>] = &[];
