//! Dates of policies as seconds since 1970, and back for messages. UTC, proleptic Gregorian calendar.

use toml::value::{Datetime, Offset};

const DAY: i64 = 86_400;

/// Seconds since 1970. A day without a time means its first second, or its last with `end`;
/// a time without an offset is UTC.
pub(super) fn seconds(value: &Datetime, end: bool) -> Option<u64> {
    let date = value.date?;
    let days = days_from_civil(i64::from(date.year), i64::from(date.month), i64::from(date.day));
    let within = match value.time {
        None if end => DAY - 1,
        None => 0,
        Some(t) => {
            let minutes = match value.offset {
                Some(Offset::Custom { minutes }) => i64::from(minutes),
                _ => 0,
            };
            i64::from(t.hour) * 3600 + i64::from(t.minute) * 60 + i64::from(t.second.unwrap_or(0)) - minutes * 60
        }
    };
    u64::try_from(days * DAY + within).ok()
}

/// Seconds since 1970 of a day such as `2027-12-31`, which counts until its end, or an RFC 3339 time.
pub fn parse_time(text: &str) -> Option<u64> {
    seconds(&text.parse().ok()?, true)
}

/// `2027-12-31T23:59:59Z`.
pub fn show_time(seconds: u64) -> String {
    // A year beyond 9999 is shown as the last second of that year.
    let s = i64::try_from(seconds).unwrap_or(i64::MAX).min(253_402_300_799);
    let (year, month, day) = civil_from_days(s.div_euclid(DAY));
    let t = s.rem_euclid(DAY);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", t / 3600, t / 60 % 60, t % 60)
}

/// Days since 1970-01-01; years are shifted to begin in March so that the leap day comes last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z - era * 146_097;
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1)
}
