//! Turns numbers into what a person reads, and what a person writes into numbers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

/// `90s`, `10m`, `2h`, `500ms`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || "wants a number and a unit: 500ms, 90s, 10m or 2h".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let ms = match unit {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let ms = ms.and_then(|ms| number.checked_mul(ms)).ok_or_else(wrong)?;
    Ok(Duration::from_millis(ms))
}

/// A time of 100 ms at least, so that nobody asks a node all the time.
pub fn parse_pause(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        pause if pause < Duration::from_millis(100) => Err("wants 100ms or more".to_owned()),
        pause => Ok(pause),
    }
}

/// How long a token is good: what never ends can't be taken back but with its key.
pub fn parse_lifetime(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        time if (1..=LIFETIME_S_MAX).contains(&time.as_secs()) => Ok(time),
        _ => Err(format!("wants a time from 1s to {}h", LIFETIME_S_MAX / 3_600)),
    }
}

/// As the admin API takes times.
pub fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The two largest units: `3d 4h`, `12m 5s`, `7s`.
pub fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    let parts = [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let told = parts.iter().skip_while(|(count, _)| *count == 0).take(2).filter(|(count, _)| *count > 0);
    let text = told.map(|(count, unit)| format!("{count}{unit}")).collect::<Vec<_>>().join(" ");
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// How long ago that was.
pub fn since(unix_ms: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    duration(now_ms.saturating_sub(unix_ms))
}

/// `2026-11-29T14:14:56`. A time that no calendar has is told as the first there is.
pub fn utc(unix_seconds: u64) -> String {
    let at = i64::try_from(unix_seconds).ok().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    at.unwrap_or(OffsetDateTime::UNIX_EPOCH).format(UTC_SECONDS).unwrap_or_default()
}

/// Ten years.
const LIFETIME_S_MAX: u64 = 10 * 365 * 86_400;
const UTC_SECONDS: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");

/// Powers of 1024, as process monitors count: `84 MB`.
pub fn memory(bytes: u64) -> String {
    match bytes {
        0 => "-".to_owned(),
        1..1_048_576 => format!("{} kB", bytes >> 10),
        1_048_576..10_737_418_240 => format!("{} MB", bytes >> 20),
        _ => format!("{:.1} GB", bytes as f64 / f64::from(1 << 30)),
    }
}

pub fn megabits(bits_per_second: u64) -> String {
    let megabits = bits_per_second as f64 / 1e6;
    if megabits < 100.0 { format!("{megabits:.1}") } else { format!("{megabits:.0}") }
}

/// A share of one core.
pub fn percent(share: f64) -> String {
    format!("{:.0}%", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_unit_and_refused_without() {
        let ms = |text: &str| parse_duration(text).unwrap().as_millis();
        assert_eq!((ms("500ms"), ms("90s"), ms("10m"), ms("2h")), (500, 90_000, 600_000, 7_200_000));
        for text in ["", "5", "s", "5 s", "-5s", "5d", "99999999999999999999s", "9999999999999999h"] {
            assert!(parse_duration(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_token_is_good_for_a_second_to_ten_years() {
        assert_eq!(
            (parse_lifetime("1s").unwrap(), parse_lifetime("87600h").unwrap().as_secs()),
            (Duration::from_secs(1), LIFETIME_S_MAX)
        );
        for text in ["0s", "999ms", "87601h", "6"] {
            assert!(parse_lifetime(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_show_their_two_largest_units() {
        let shown = [0, 999, 59_000, 60_000, 725_000, 3_600_000, 90_061_000, 266_400_000].map(duration);
        assert_eq!(shown, ["0s", "0s", "59s", "1m", "12m 5s", "1h", "1d 1h", "3d 2h"]);
    }

    #[test]
    fn sizes_and_rates_have_few_digits() {
        assert_eq!([0, 4096, 88_080_384, 16_106_127_360].map(memory), ["-", "4 kB", "84 MB", "15.0 GB"]);
        assert_eq!([0, 12_340_000, 512_300_000].map(megabits), ["0.0", "12.3", "512"]);
        assert_eq!([0.0, 0.074, 1.0].map(percent), ["0%", "7%", "100%"]);
    }
}
