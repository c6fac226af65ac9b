//! Owns the process that the tests of the worker start: a worker and nothing else, with inherited sockets.
//! The product's own is the hidden subcommand `chappe worker`.

mod silent;

use std::error::Error;

use chappe_sfu_api::WorkerIndex;
use chappe_sfu_io::process;
use chappe_sfu_worker::{Parent, WorkerConfig, run};
use silent::Silent;

/// Arguments: parent process id, UDP, TCP and control descriptor, media port, sessions at most.
fn main() -> Result<(), Box<dyn Error>> {
    let numbers: Vec<i32> = std::env::args().skip(1).map(|number| number.parse()).collect::<Result<_, _>>()?;
    let [parent, udp, tcp, control, port, sessions_max] = numbers[..] else {
        return Err("six numbers are needed".into());
    };
    process::die_with_parent(u32::try_from(parent)?)?;
    let config = WorkerConfig::from_inherited(
        WorkerIndex(3),
        u16::try_from(port)?,
        udp,
        tcp,
        control,
        u32::try_from(sessions_max)?,
    )?;
    Ok(run(config, Box::new(Silent(std::fs::File::open("/dev/null")?)))?)
}
