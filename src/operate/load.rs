//! `chappe load`: synthetic publishers and viewers against any WHIP and WHEP servers, and what they saw.

use std::time::Duration;

use chappe_load::http::Server;
use chappe_load::measure::Sample;
use chappe_load::offer::Kind;
use chappe_load::publisher::{Pacing, Shape};
use chappe_load::trial::{self, Settings, TrialProgress, TrialReport};

use clap::ValueEnum as _;
use serde_json::{Value, json};

use super::commands::{Load, Profile};
use super::progress::Progress;
use super::table::{self, Column, Field};
use super::{interrupt, trust, units};
use crate::failure::Failure;
use crate::output;
use crate::values;

pub fn run(order: &Load) -> Result<(), Failure> {
    let settings = settings(order)?;
    reach(&settings)?;
    let viewers = settings.rooms * settings.publishers * settings.viewers;
    let mut line = Progress::begin();
    interrupt::watch();
    let tell = |progress: TrialProgress| {
        let time = progress.elapsed.map_or("connecting".to_owned(), |elapsed| {
            format!("{} s of {}", elapsed.as_secs(), settings.duration.as_secs())
        });
        let rate = progress.packets_per_second;
        line.tell(&format!(
            "{time}: {} publishers on air, {} of {viewers} viewers watch, {rate:.0} packets/s",
            progress.on_air, progress.watching
        ));
    };
    let report = trial::run(&settings, tell, interrupt::came);
    drop(line);
    let stopped = || "stopped by Ctrl-C: nothing was measured after that".to_owned();
    let report = match report {
        Ok(report) => report,
        Err(error) => {
            interrupt::check(stopped)?;
            return Err(Failure::Refused(format!("{error:#}")));
        }
    };
    if order.json {
        let mut told = report.json();
        told["plan"] = plan(order);
        told["stopped"] = interrupt::came().into();
        output::line(format_args!("{told:#}"))?;
    } else {
        table::print(COLUMNS, &rows(&report))?;
        for doubt in &report.doubts {
            output::line(format_args!("This machine may have been the bottleneck, not the server: {doubt}."))?;
        }
    }
    interrupt::check(stopped)?;
    match report.watched {
        watched if watched == report.viewers => Ok(()),
        watched => Err(Failure::Refused(format!(
            "{} of {} viewers never had a packet{}",
            report.viewers - watched,
            report.viewers,
            report.last_error.map(|why| format!(": {why}")).unwrap_or_default()
        ))),
    }
}

fn settings(order: &Load) -> Result<Settings, Failure> {
    let urls = |own: &[String]| -> Result<Vec<String>, Failure> {
        let urls = if own.is_empty() { &order.urls } else { own };
        urls.iter().map(|url| checked(url)).collect()
    };
    if order.ramp > order.duration {
        return Err(Failure::Usage("--ramp is longer than --duration: the last viewers would never come".to_owned()));
    }
    let token = order.token.as_deref().map(values::token).transpose();
    let token = token.map_err(|why| Failure::Usage(format!("--token {why}")))?.filter(|token| !token.is_empty());
    let (whip, whep) = (urls(&order.whip)?, urls(&order.whep)?);
    let is_over_tls = whip.iter().chain(&whep).any(|url| url.starts_with("https://"));
    let tls = is_over_tls.then(|| trust::tls_config("--ca", order.ca.as_deref())).transpose()?;
    Ok(Settings {
        whip,
        whep,
        room: order.room.clone(),
        rooms: order.rooms.into(),
        publishers: order.publishers.into(),
        viewers: order.viewers.into(),
        shape: shape(order.profile),
        ramp: order.ramp,
        duration: order.duration,
        token,
        tls,
    })
}

/// What is wrong would else be found out when the patience of all publishers is over. Servers that are down are no
/// mistake as long as one is up: clients go from one to the other.
fn reach(settings: &Settings) -> Result<(), Failure> {
    for urls in [&settings.whip, &settings.whep] {
        let mut last = None;
        for url in urls {
            match Server::one_of_many(url, PATIENCE, settings.tls.clone()).answers() {
                Ok(()) => {
                    last = None;
                    break;
                }
                Err(error) => last = Some((url, error)),
            }
        }
        if let Some((url, error)) = last {
            return Err(Failure::NotReached(format!(
                "no server answers at {url} ({error:#}): start one with `chappe`, or name the public listener of another one"
            )));
        }
    }
    Ok(())
}

/// Without the names that stand for others.
fn is_url(url: &str) -> bool {
    let plain = url.replace(['{', '}'], "");
    let Ok(uri) = plain.parse::<ureq::http::Uri>() else { return false };
    let port = uri.authority().and_then(|authority| authority.as_str().rsplit_once(':')).map_or("", |(_, port)| port);
    let is_port = port.is_empty() || port.ends_with(']') || port.parse::<u16>().is_ok_and(|port| port != 0);
    is_port && uri.host().is_some_and(|host| !host.is_empty())
}

fn checked(url: &str) -> Result<String, Failure> {
    match url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")) {
        Some(_) if is_url(url) => Ok(url.trim_end_matches('/').to_owned()),
        _ => Err(Failure::Usage(format!(
            "{url}: wants http://HOST:PORT or https://HOST, or for other servers a URL with {{room}} and {{stream}} in it"
        ))),
    }
}

fn shape(profile: Profile) -> Shape {
    let video = |packets_per_frame| Shape {
        kind: Kind::Video,
        packets_per_frame,
        packet_bytes: 1_200,
        frame_period: Duration::from_nanos(1_000_000_000 / 30),
        pacing: Pacing::Burst,
    };
    match profile {
        // Opus at 32 kbit/s.
        Profile::Audio => Shape {
            kind: Kind::Audio,
            packets_per_frame: 1,
            packet_bytes: 92,
            frame_period: Duration::from_millis(20),
            pacing: Pacing::Burst,
        },
        Profile::P360 => video(2),
        Profile::P720 => video(8),
    }
}

/// What was asked for, so that a kept result says what it is of.
fn plan(order: &Load) -> Value {
    let profile = order.profile.to_possible_value().map(|profile| profile.get_name().to_owned());
    json!({
        "rooms": order.rooms, "publishers": order.publishers, "viewers": order.viewers, "profile": profile,
        "ramp_ms": units::ms(order.ramp), "duration_ms": units::ms(order.duration),
    })
}

fn rows(report: &TrialReport) -> Vec<(&'static str, String)> {
    let quantiles = |sample: &Sample| match (sample.is_empty(), sample.quantile_of_many(0.99)) {
        (true, _) => "-".to_owned(),
        (false, None) => format!("median {:.1} ms, max {:.1} ms", sample.median(), sample.quantile(1.0)),
        (false, Some(p99)) => {
            let rest = sample
                .quantile_of_many(0.999)
                .map_or_else(|| format!("max {:.1} ms", sample.quantile(1.0)), |p999| format!("p99.9 {p999:.1} ms"));
            format!("p50 {:.1} ms, p99 {p99:.1} ms, {rest}", sample.median())
        }
    };
    let failover = match report.rejoins {
        0 => "-".to_owned(),
        _ => format!("{} ms", report.longest_failover.as_millis()),
    };
    vec![
        ("publishers", report.publishers.to_string()),
        ("viewers", format!("{} of {} watched", report.watched, report.viewers)),
        ("packets sent", report.sent.to_string()),
        ("packets expected by viewers", report.expected().to_string()),
        ("packets received", report.received.to_string()),
        ("packets missing", format!("{} ({:.3}%)", report.missing, report.loss() * 100.0)),
        ("duplicates, reordered, broken", format!("{}, {}, {}", report.duplicates, report.reordered, report.broken)),
        ("latency", quantiles(&report.latency_ms)),
        ("connected after", quantiles(&report.connect_ms)),
        ("first packet after", quantiles(&report.first_packet_ms)),
        ("freezes", format!("{} over 250 ms, the longest {} ms", report.standstills, report.longest_gap.as_millis())),
        ("longest failover gap", failover),
        ("sessions that had to be made anew", report.rejoins.to_string()),
    ]
}

/// For a server to answer at all.
const PATIENCE: Duration = Duration::from_secs(10);
const COLUMNS: &[Column<(&str, String)>] =
    &[Column::new("", 0, |row| Field::text(row.0)), Column::new("seen by the clients", 0, |row| Field::text(&row.1))];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_of_a_server_or_a_pattern() {
        assert_eq!(checked("http://127.0.0.1:8080/").unwrap(), "http://127.0.0.1:8080");
        assert_eq!(checked("http://m/whip?s={room}-{stream}").unwrap(), "http://m/whip?s={room}-{stream}");
        assert_eq!(checked("https://a/").unwrap(), "https://a");
        assert_eq!(checked("http://[::1]:8080").unwrap(), "http://[::1]:8080");
        for text in [
            "",
            "http://",
            "https://",
            "ftp://a",
            "media.example",
            "http://a b",
            "http://a:99999",
            "http://a:x",
            "http://:1",
        ] {
            assert!(checked(text).is_err(), "{text}");
        }
    }
}
