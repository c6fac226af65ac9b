//! `chappe load`: synthetic publishers and viewers against any WHIP and WHEP servers, and what they saw.

use std::time::Duration;

use chappe_load::measure::Sample;
use chappe_load::offer::Kind;
use chappe_load::publisher::{Pacing, Shape};
use chappe_load::trial::{self, Report, Settings};

use super::commands::{Load, Profile};
use super::progress::Progress;
use super::table::{self, Column, Field};
use super::trust;
use crate::failure::Failure;

pub fn run(order: &Load) -> Result<(), Failure> {
    let settings = settings(order)?;
    let viewers = settings.rooms * settings.publishers * settings.viewers;
    let mut line = Progress::begin();
    let report = trial::run(&settings, |progress| {
        let time = progress.elapsed.map_or("connecting".to_owned(), |elapsed| {
            format!("{} s of {}", elapsed.as_secs(), settings.duration.as_secs())
        });
        let rate = progress.packets_per_second;
        line.tell(&format!(
            "{time}: {} publishers on air, {} of {viewers} viewers watch, {rate:.0} packets/s",
            progress.on_air, progress.watching
        ));
    });
    drop(line);
    let report = report.map_err(|error| Failure::Refused(format!("{error:#}")))?;
    if order.json {
        println!("{:#}", report.json());
    } else {
        table::print(COLUMNS, &rows(&report));
        for doubt in &report.doubts {
            println!("This machine may have been the bottleneck, not the server: {doubt}.");
        }
    }
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
        token: order.token.clone(),
        tls,
    })
}

fn checked(url: &str) -> Result<String, Failure> {
    match url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")) {
        Some(rest) if !rest.trim_end_matches('/').is_empty() => Ok(url.trim_end_matches('/').to_owned()),
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

fn rows(report: &Report) -> Vec<(&'static str, String)> {
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
    vec![
        ("publishers", report.publishers.to_string()),
        ("viewers", format!("{} of {} watched", report.watched, report.viewers)),
        ("packets sent", report.sent.to_string()),
        ("packets received", report.received.to_string()),
        ("packets missing", format!("{} ({:.3}%)", report.missing, report.loss() * 100.0)),
        ("duplicates, reordered, broken", format!("{}, {}, {}", report.duplicates, report.reordered, report.broken)),
        ("latency", quantiles(&report.latency_ms)),
        ("connected after", quantiles(&report.connect_ms)),
        ("first packet after", quantiles(&report.first_packet_ms)),
        ("longest gap", format!("{} ms, {} over 250 ms", report.longest_gap.as_millis(), report.standstills)),
        ("sessions that had to be made anew", report.rejoins.to_string()),
    ]
}

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
        for text in ["", "http://", "https://", "ftp://a", "media.example"] {
            assert!(checked(text).is_err(), "{text}");
        }
    }
}
