//! Owns the figures that the kernel keeps of a process: time on a core and resident memory.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};

/// What one process has used so far.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// Time on a core, from `/proc/PID/schedstat` (nanoseconds, exact; `/proc/PID/stat` only counts ticks).
    pub cpu: Duration,
    /// The part of [`Usage::cpu`] in user space (split by tick counts, hence only good over seconds).
    pub user: Duration,
    pub rss_bytes: u64,
}

impl Usage {
    /// Reads the main thread of `pid`. A worker has no other.
    pub fn of(pid: u32) -> Result<Usage> {
        let schedstat = read(pid, "schedstat")?;
        let nanos: u64 = field(&schedstat, 0).context("schedstat")?;
        let stat = read(pid, "stat")?;
        let after_name = stat.rsplit_once(')').context("stat has no command name")?.1;
        let user: u64 = field(after_name, 11).context("utime")?;
        let system: u64 = field(after_name, 12).context("stime")?;
        let pages: u64 = field(&read(pid, "statm")?, 1).context("statm")?;
        Ok(Usage {
            cpu: Duration::from_nanos(nanos),
            user: Duration::from_nanos((nanos as f64 * user as f64 / (user + system).max(1) as f64) as u64),
            rss_bytes: pages * rustix::param::page_size() as u64,
        })
    }
}

/// Time on a core of the thread that asks.
pub fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Time that the thread that asks was ready to run and had no core.
pub fn thread_waited() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(field(&text, 1).unwrap_or_default())
}

fn read(pid: u32, file: &str) -> Result<String> {
    let path = format!("/proc/{pid}/{file}");
    fs::read_to_string(&path).with_context(|| format!("cannot read {path}: has the process gone?"))
}

fn field<T: std::str::FromStr>(line: &str, position: usize) -> Option<T> {
    line.split_ascii_whitespace().nth(position)?.parse().ok()
}

/// A sorted sample with its quantiles.
#[derive(Debug, Clone, Default)]
pub struct Sample(Vec<f64>);

impl Sample {
    pub fn new(mut values: Vec<f64>) -> Sample {
        values.sort_by(f64::total_cmp);
        Sample(values)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value that a share `q` (0–1) of the sample does not exceed; NaN when empty.
    pub fn quantile(&self, q: f64) -> f64 {
        let last = match self.0.len() {
            0 => return f64::NAN,
            n => n - 1,
        };
        self.0[(last as f64 * q.clamp(0.0, 1.0)).round() as usize]
    }

    /// The same where there are so many values that one of them lies beyond it: what is called p99 is one of a hundred.
    pub fn quantile_of_many(&self, q: f64) -> Option<f64> {
        (self.len() as f64 * (1.0 - q) >= 1.0 - ROUNDING).then(|| self.quantile(q))
    }

    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }
}

/// 1 − 0.99 is not quite 0.01 in binary.
const ROUNDING: f64 = 1e-9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_members_of_the_sample() {
        let sample = Sample::new(vec![3.0, 1.0, 2.0]);
        assert_eq!((sample.median(), sample.quantile(1.0), sample.quantile(0.0)), (2.0, 3.0, 1.0));
        assert_eq!((sample.quantile_of_many(0.5), sample.quantile_of_many(0.99)), (Some(2.0), None));
        let of = |n: u32| Sample::new((0..n).map(f64::from).collect());
        assert_eq!((of(99).quantile_of_many(0.99), of(100).quantile_of_many(0.99)), (None, Some(98.0)));
        assert_eq!((of(999).quantile_of_many(0.999), of(1_000).quantile_of_many(0.999)), (None, Some(998.0)));
    }

    #[test]
    fn a_busy_process_is_seen_to_use_its_core() {
        let mut busy = std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().expect("a shell");
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        let mut used = Duration::ZERO;
        while used < Duration::from_millis(20) && std::time::Instant::now() < deadline {
            used = Usage::of(busy.id()).expect("its usage").cpu;
        }
        busy.kill().expect("our own child");
        busy.wait().expect("our own child");
        assert!(used >= Duration::from_millis(20), "saw only {used:?}");
    }
}
