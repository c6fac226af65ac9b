//! Looks at the machine that the command is given on: clock, open files, socket buffers, segmentation offload.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use chappe_sfu_io::clock;
use chappe_sfu_io::udp::Offload;
use rustix::process::{Resource, getrlimit};

use super::finding::Finding;

pub fn examine() -> Vec<Finding> {
    vec![clock(), open_files(), buffer("net.core.rmem_max"), buffer("net.core.wmem_max"), offload()]
}

/// Tokens and the order of nodes go by it. What sets it (chrony, systemd-timesyncd, ntpd) tells the kernel.
fn clock() -> Finding {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let found = format!("{} UTC", crate::operate::units::utc(seconds));
    if seconds < BUILT_AFTER {
        return Finding::fail("clock", found, "set it: it is years behind");
    }
    match clock::is_synchronized() {
        Some(true) => Finding::ok("clock", format!("{found}, synchronized")),
        Some(false) => Finding::warn(
            "clock",
            found,
            "the kernel knows nobody who synchronizes it: run chrony or systemd-timesyncd",
        ),
        None => Finding::warn("clock", found, "the kernel does not say whether it is synchronized: look on the host"),
    }
}

fn open_files() -> Finding {
    let hard = getrlimit(Resource::Nofile).maximum;
    let found = hard.map_or("no limit".to_owned(), |limit| limit.to_string());
    match hard {
        Some(limit) if limit < FILES_MIN => {
            let remedy = format!("raise the hard limit: LimitNOFILE={FILES_MIN} in the unit, or ulimit -Hn");
            Finding::warn("open files", found, remedy)
        }
        _ => Finding::ok("open files", found),
    }
}

/// A worker asks for as much as the system gives it.
fn buffer(name: &'static str) -> Finding {
    let path = format!("/proc/sys/{}", name.replace('.', "/"));
    // Containers do not show it.
    let Some(bytes) = fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<u64>().ok()) else {
        return Finding::warn(name, "unknown", format!("see that it is {BUFFER_MIN} at least on the host"));
    };
    match bytes < BUFFER_MIN {
        true => Finding::warn(name, bytes.to_string(), format!("sysctl -w {name}={BUFFER_MIN}, and in /etc/sysctl.d/")),
        false => Finding::ok(name, bytes.to_string()),
    }
}

/// As a worker's socket gets them.
fn offload() -> Finding {
    let Ok(Offload { gso, gro }) = Offload::of_system() else {
        return Finding::warn("UDP GSO and GRO", "unknown", "no UDP socket can be opened here: see why");
    };
    let has = |it: bool| if it { "yes" } else { "no" };
    let found = format!("GSO {}, GRO {}", has(gso), has(gro));
    match gso && gro {
        true => Finding::ok("UDP GSO and GRO", found),
        false => {
            Finding::warn("UDP GSO and GRO", found, "take a kernel from 5.0 on: without them a worker carries less")
        }
    }
}

/// 2025: a machine without a battery clock begins at 1970.
const BUILT_AFTER: u64 = 1_735_689_600;
const FILES_MIN: u64 = 65_536;
/// 2 MiB: 100 ms of what a worker receives at most.
const BUFFER_MIN: u64 = 2_097_152;
