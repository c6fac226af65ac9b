//! `chappe doctor`: what keeps a node from being reached, or from carrying load, with the remedy of each. Ends with 1
//! where something fails.

mod ask;
mod finding;
mod handshake;
mod heard;
mod node;
mod patient;
mod reach;
mod stun;
mod system;

use finding::{Finding, Verdict};

use super::commands::Listing;
use super::table::{self, Column, Field};
use crate::failure::Failure;
use crate::output;

pub fn run(listing: &Listing) -> Result<(), Failure> {
    let findings: Vec<Finding> = node::examine(&listing.target)?.into_iter().chain(system::examine()).collect();
    if listing.json {
        output::line(serde_json::to_string_pretty(&findings).unwrap_or_default())?;
    } else {
        table::print(COLUMNS, &findings)?;
        for finding in findings.iter().filter(|finding| !finding.remedy.is_empty()) {
            output::line(format_args!("{}: {}", finding.what, finding.remedy))?;
        }
    }
    let failed = findings.iter().filter(|finding| finding.verdict == Verdict::Fail).count();
    match failed {
        0 => Ok(()),
        _ => Err(Failure::Refused(format!("findings that keep the node from working: {failed}"))),
    }
}

const COLUMNS: &[Column<Finding>] = &[
    Column::new("what", 0, |row| Field::text(row.what)),
    Column::new("verdict", 0, |row| Field::state(verdict(row.verdict))),
    Column::new("found", 0, |row| Field::text(&row.found)),
];

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "ok",
        Verdict::Warn => "warning",
        Verdict::Fail => "fails",
    }
}
