//! Owns who is in a room across nodes, and what they say to each other. Pure: no sockets, no clock. Never
//! touches media.

#![forbid(unsafe_code)]
