//! Owns the reading of clocks and of the kernel's randomness. Never keeps a reading.

use std::io;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::rand::{GetRandomFlags, getrandom};
use rustix::time::{ClockId, clock_gettime};

/// One reading of both clocks, taken together once per batch.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    pub mono: Instant,
    /// Since 1970, as RTCP sender reports need it.
    pub unix: Duration,
}

pub fn now() -> Reading {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Reading { mono: Instant::now(), unix }
}

/// User and system time this process has used.
pub fn process_cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Whether somebody keeps the wall clock right, as the kernel was told (adjtimex(2)). None where it does not say.
pub fn is_synchronized() -> Option<bool> {
    // SAFETY: a `timex` is plain numbers, for which zero is a value; with no mode set the call only writes to it.
    let (state, status) = unsafe {
        let mut timex: libc::timex = std::mem::zeroed();
        let state = libc::adjtimex(&raw mut timex);
        (state, timex.status)
    };
    (state != -1).then_some(status & libc::STA_UNSYNC == 0)
}

/// Unpredictable bits from the kernel.
pub fn random_u64() -> io::Result<u64> {
    let mut bytes = [0u8; 8];
    getrandom(&mut bytes, GetRandomFlags::empty())?;
    Ok(u64::from_ne_bytes(bytes))
}
