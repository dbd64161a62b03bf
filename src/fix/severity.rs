//! What people call a severity: the stated word, or what a CVSS vector of version 3 or 4 comes to.

use super::types::Severity;
use cvss::Cvss;

/// Severity words, the least first.
pub const WORDS: [&str; 5] = ["none", "low", "medium", "high", "critical"];

const OF_VERSION_3: [&str; 8] = ["AV", "AC", "PR", "UI", "S", "C", "I", "A"];
const OF_VERSION_4: [&str; 11] = ["AV", "AC", "AT", "PR", "UI", "VC", "VI", "VA", "SC", "SI", "SA"];

impl Severity {
    /// `none`, `low`, `medium`, `high` or `critical`; `None` where nothing is stated, or in a form that is not known.
    pub fn known(&self) -> Option<&'static str> {
        WORDS.into_iter().find(|w| *w == self.word).or_else(|| rated(&self.vector).ok())
    }

    /// Whether it is known to be this word or worse.
    pub fn at_least(&self, word: &str) -> bool {
        let rank = |w: &str| WORDS.iter().position(|k| *k == w);
        self.known().and_then(rank).zip(rank(word)).is_some_and(|(mine, least)| mine >= least)
    }
}

/// What the score of a whole vector is called, or what is wrong with the vector.
pub(super) fn rated(vector: &str) -> Result<&'static str, String> {
    let read: Cvss = vector.parse().map_err(|e: cvss::Error| e.to_string())?;
    let wanted: &[&str] = match read {
        Cvss::CvssV30(_) | Cvss::CvssV31(_) => &OF_VERSION_3,
        _ => &OF_VERSION_4,
    };
    // The library rates what is missing as harmless.
    let stated =
        |name: &&str| vector.split('/').filter_map(|m| m.split_once(':')).any(|m| m.0.eq_ignore_ascii_case(name));
    let missing: Vec<&str> = wanted.iter().filter(|name| !stated(name)).copied().collect();
    if missing.is_empty() {
        Ok(read.severity().as_str())
    } else {
        Err(format!("it does not state {}", missing.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors with the scores that NVD and FIRST publish for them.
    #[test]
    fn vectors_are_called_what_is_published_for_them() {
        let table = [
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", Some("critical")), // 9.8
            ("CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", Some("high")),     // 7.5
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", Some("medium")),   // 6.1
            ("CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N", Some("low")),      // 1.8
            ("CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:N/I:N/A:N", Some("none")),
            ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", Some("critical")), // 9.3
            ("CVSS:4.0/AV:L/AC:L/AT:P/PR:L/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", Some("high")),     // 7.3
            ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:N/SC:N/SI:N/SA:N", Some("none")),
            ("CVSS:3.1/AV:N", None),
            ("CVSS:4.0/AV:N/AC:L", None),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:Q", None),
            ("CVSS:9/xx", None),
            ("CVSS:9.0/AV:N", None),
            ("", None),
        ];
        for (vector, word) in table {
            assert_eq!(rated(vector).ok(), word, "{vector}");
        }
        assert_eq!(rated("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H").unwrap_err(), "it does not state I, A");
    }

    #[test]
    fn words_win_and_what_is_not_known_is_at_least_nothing() {
        let word = |w: &str| Severity { word: w.into(), vector: String::new() };
        assert!(word("high").at_least("medium") && !word("low").at_least("medium") && !word("").at_least("none"));
        let vector = Severity { word: String::new(), vector: "CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:N/I:N/A:H".into() };
        assert_eq!(vector.known(), Some("medium"));
    }
}
