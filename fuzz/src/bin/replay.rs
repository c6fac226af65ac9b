//! `chappe-replay TARGET FILE…` runs a target on files, one after the other: it panics where `make fuzz` did.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let name = args.next().unwrap_or_default();
    let Some(target) = chappe_fuzz::target(&name) else {
        let names: Vec<&str> = chappe_fuzz::TARGETS.iter().map(|target| target.name).collect();
        eprintln!("no target is called \"{name}\": they are {}", names.join(", "));
        return ExitCode::FAILURE;
    };
    for path in args {
        match std::fs::read(&path) {
            Ok(bytes) => (target.run)(&bytes),
            Err(error) => {
                eprintln!("{path} can't be read: {error}");
                return ExitCode::FAILURE;
            }
        }
        println!("{path}: {name} takes it");
    }
    ExitCode::SUCCESS
}
