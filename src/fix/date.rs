//! Days and times as metadata states them.

/// Whether text is a day as `2024-01-31`.
pub fn is_day(text: &str) -> bool {
    let b = text.as_bytes();
    let digits = |from: usize, to: usize| b[from..to].iter().all(u8::is_ascii_digit);
    b.len() == 10
        && (b[4], b[7]) == (b'-', b'-')
        && (digits(0, 4) && digits(5, 7) && digits(8, 10))
        && ("01"..="12").contains(&&text[5..7])
        && ("01"..="31").contains(&&text[8..10])
}

/// `Wed, 18 Mar 2026 09:00:00 +0000` becomes `2026-03-18T09:00:00+00:00`; anything else stays.
pub fn rfc3339(value: &str) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> = value.split_once(',').map_or(value, |(_, r)| r).split_whitespace().collect();
    if let [day, month, year, time, zone, ..] = words.as_slice() {
        let month = MONTHS.iter().position(|m| m.eq_ignore_ascii_case(month));
        let day = day.parse::<u8>().ok().filter(|d| (1..=31).contains(d));
        if let (Some(m), Some(d), 4, 8, 5) = (month, day, year.len(), time.len(), zone.len())
            && zone.is_ascii()
        {
            return format!("{year}-{:02}-{d:02}T{time}{}:{}", m + 1, &zone[..3], &zone[3..]);
        }
    }
    value.to_owned()
}
