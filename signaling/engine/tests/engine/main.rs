//! The engine as nodes use it, against real servers; one program, because most of what is compiled for it is shared.

mod conformance;
mod faults;
mod support;
