//! Days and times as metadata states them.

use toml::value::{Datetime, Offset, Time};

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Whether text is a day of the calendar as `2024-01-31`.
pub fn is_day(text: &str) -> bool {
    text.len() == 10 && text.parse::<Datetime>().is_ok_and(|d| d.date.is_some() && d.time.is_none())
}

/// `Wed, 18 Mar 2026 09:00:00 +0000` becomes `2026-03-18T09:00:00+00:00`, and `18 Mar 2026` a day; anything else stays.
pub fn rfc3339(value: &str) -> String {
    let words: Vec<&str> = value.split_once(',').map_or(value, |(_, r)| r).split_whitespace().collect();
    if let [day, month, year, rest @ ..] = words.as_slice() {
        let month = MONTHS.iter().position(|m| m.eq_ignore_ascii_case(month));
        let day = day.parse::<u8>().ok().filter(|d| (1..=31).contains(d));
        if let (Some(m), Some(d), 4) = (month, day, year.len()) {
            let day = format!("{year}-{:02}-{d:02}", m + 1);
            match rest {
                [] if is_day(&day) => return day,
                [time, zone, ..] if time.len() == 8 && zone.len() == 5 && zone.is_ascii() => {
                    return format!("{day}T{time}{}:{}", &zone[..3], &zone[3..]);
                }
                _ => {}
            }
        }
    }
    value.to_owned()
}

/// `2026-03-18` and RFC 3339 times as mails have them: `Wed, 18 Mar 2026 00:00:00 +0000`. A day without a time begins at
/// midnight. `None` for what is no date, or before 1970, which mails to `git am` cannot say.
pub fn rfc2822(value: &str) -> Option<String> {
    let text = rfc3339(value);
    let day = text.get(..10).filter(|d| is_day(d))?;
    let whole = text.parse::<Datetime>().or_else(|_| day.parse()).ok()?;
    let date = whole.date.filter(|d| d.year >= 1970)?;
    let month = MONTHS[usize::from(date.month) - 1];
    let Time { hour, minute, second, .. } =
        whole.time.unwrap_or(Time { hour: 0, minute: 0, second: None, nanosecond: None });
    let zone = match whole.offset {
        Some(Offset::Custom { minutes }) => minutes,
        _ => 0,
    };
    let sign = if zone < 0 { '-' } else { '+' };
    Some(format!(
        "{}, {} {month} {} {hour:02}:{minute:02}:{:02} {sign}{:02}{:02}",
        weekday(date.year, date.month, date.day),
        date.day,
        date.year,
        second.unwrap_or(0),
        zone.abs() / 60,
        zone.abs() % 60
    ))
}

/// Years begin in March, so that the leap day comes last.
fn weekday(year: u16, month: u8, day: u8) -> &'static str {
    let year = if month < 3 { u32::from(year) - 1 } else { u32::from(year) };
    let before = (153 * ((u32::from(month) + 9) % 12) + 2) / 5;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + before + u32::from(day);
    // Day 1 is the first of March of the year 0, a Wednesday.
    ["Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "Mon"][days as usize % 7]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_days_of_the_calendar() {
        for (text, is) in [("2024-02-29", true), ("2023-02-29", false), ("2024-02-30", false), ("2024-04-31", false)] {
            assert_eq!(is_day(text), is, "{text}");
        }
        assert!(!is_day("2024-1-31") && !is_day("10:00:00.0") && !is_day("2024-13-01") && !is_day(""));
    }

    #[test]
    fn dates_go_into_mails_whole() {
        for (from, to) in [
            ("2018-11-19", "Mon, 19 Nov 2018 00:00:00 +0000"),
            ("Wed, 11 Feb 2015", "Wed, 11 Feb 2015 00:00:00 +0000"),
            ("2024-02-29T23:59:01-05:30", "Thu, 29 Feb 2024 23:59:01 -0530"),
            ("2000-03-01T00:00:00Z", "Wed, 1 Mar 2000 00:00:00 +0000"),
            ("Sun, 1 Mar 2026 09:00:00 +0100", "Sun, 1 Mar 2026 09:00:00 +0100"),
            ("2019-12-31 some time", "Tue, 31 Dec 2019 00:00:00 +0000"),
        ] {
            assert_eq!(rfc2822(from).as_deref(), Some(to), "{from}");
        }
        assert_eq!((rfc2822("yesterday"), rfc2822("1969-12-31")), (None, None));
    }
}
