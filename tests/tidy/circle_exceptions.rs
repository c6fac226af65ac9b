//! The circles of files that are still there. A circle may lose files, and never win one: whoever frees a file takes it
//! off its list, and the last one takes the exception along.

/// The files of one circle, and what ties them.
pub struct Exception<'a> {
    pub files: &'a [&'a str],
    pub because: &'a str,
}

pub const EXCEPTIONS: &[Exception<'static>] = &[
    Exception {
        files: &[
            "load/src/simulation.rs",
            "load/src/simulation/fleet.rs",
            "load/src/simulation/outcome.rs",
            "load/src/simulation/room.rs",
            "load/src/simulation/tree.rs",
        ],
        because: "parts take the plan from the simulation that has them",
    },
    Exception {
        files: &[
            "load/src/clients.rs",
            "load/src/clients/broadcaster.rs",
            "load/src/clients/joiner.rs",
            "load/src/clients/subscriber.rs",
        ],
        because: "clients take their limits from the program that runs them",
    },
];

/// The same by the methods of one type.
pub const METHOD_EXCEPTIONS: &[Exception<'static>] = &[Exception {
    files: &["sfu/core/src/clients/lifecycle.rs", "sfu/core/src/clients/routing.rs"],
    because: "keys settle whose an address is, and a transport that loses one has something to send",
}];
