//! The worker process from outside; one program, because its parts share what is compiled for them.

mod control;
mod media;
mod openssl;
mod support;
