//! `chappe-fuzz MINUTES [TARGET…]` looks for inputs that make a target panic, in the time given for all of them. It
//! says each few seconds how far it is, goes on with the next target when one fails, and fails in the end if one did.

#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use chappe_fuzz::hunt::{corpus, hunt};
use chappe_fuzz::{TARGETS, Target, target};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let Some(minutes) = args.next().and_then(|minutes| minutes.parse::<f64>().ok()).filter(|minutes| *minutes > 0.0)
    else {
        eprintln!("chappe-fuzz MINUTES [TARGET…]: how long, and at what");
        return ExitCode::FAILURE;
    };
    let names: Vec<String> = args.collect();
    let named: Result<Vec<Target>, &String> = names.iter().map(|name| target(name).ok_or(name)).collect();
    let targets = match named {
        Ok(named) if named.is_empty() => TARGETS.to_vec(),
        Ok(named) => named,
        Err(name) => {
            eprintln!("no target is called \"{name}\": they are {}", TARGETS.map(|target| target.name).join(", "));
            return ExitCode::FAILURE;
        }
    };
    let share = Duration::from_secs_f64(minutes * 60.0 / targets.len() as f64);
    let failed: Vec<&str> =
        targets.iter().filter(|target| !survives(target, share)).map(|target| target.name).collect();
    match failed.is_empty() {
        true => println!("nothing found"),
        false => println!("failed: {}", failed.join(", ")),
    }
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn survives(target: &Target, share: Duration) -> bool {
    let inputs = match corpus(target) {
        Ok(inputs) if !inputs.is_empty() => inputs,
        Ok(_) | Err(_) => {
            println!("{}: no corpus in fuzz/corpus", target.name);
            return false;
        }
    };
    inputs.iter().for_each(|bytes| (target.run)(bytes));
    let (began, mut tried, mut said) = (Instant::now(), 0_u64, Instant::now());
    while began.elapsed() < share {
        if let Err(found) = hunt(target, &inputs, CASES) {
            println!("{found}");
            return false;
        }
        tried += u64::from(CASES);
        if said.elapsed() >= PROGRESS || began.elapsed() >= share {
            said = Instant::now();
            let (seconds, of) = (began.elapsed().as_secs_f64(), share.as_secs_f64());
            println!("{}: {tried} inputs in {seconds:.0} of {of:.0} s", target.name);
        }
    }
    true
}

/// Inputs between two looks at the clock.
const CASES: u32 = 50;
const PROGRESS: Duration = Duration::from_secs(10);
