//! What people call a severity: the stated word, or what a CVSS 3 vector comes to.

use super::types::Severity;

/// Severity words, the least first.
pub const WORDS: [&str; 5] = ["none", "low", "medium", "high", "critical"];

impl Severity {
    /// `none`, `low`, `medium`, `high` or `critical`; `None` where nothing is stated, or in a form that is not known.
    pub fn known(&self) -> Option<&'static str> {
        if let Some(word) = WORDS.into_iter().find(|w| *w == self.word) {
            return Some(word);
        }
        Some(match base_score(&self.vector)? {
            0 => "none",
            1..40 => "low",
            40..70 => "medium",
            70..90 => "high",
            _ => "critical",
        })
    }

    /// Whether it is known to be this word or worse.
    pub fn at_least(&self, word: &str) -> bool {
        let rank = |w: &str| WORDS.iter().position(|k| *k == w);
        self.known().and_then(rank).zip(rank(word)).is_some_and(|(mine, least)| mine >= least)
    }
}

/// The base score of a CVSS 3.0 or 3.1 vector in tenths, as its specification computes it.
fn base_score(vector: &str) -> Option<u32> {
    let metrics = vector.strip_prefix("CVSS:3.1/").or_else(|| vector.strip_prefix("CVSS:3.0/"))?;
    let value =
        |name: &str| metrics.split('/').find_map(|m| m.split_once(':').filter(|(n, _)| *n == name)).map(|m| m.1);
    let pick = |name: &str, table: &[(&str, f64)]| {
        let v = value(name)?;
        table.iter().find(|(k, _)| *k == v).map(|(_, w)| *w)
    };
    let changed = match value("S")? {
        "U" => false,
        "C" => true,
        _ => return None,
    };
    let privileges: &[(&str, f64)] =
        if changed { &[("N", 0.85), ("L", 0.68), ("H", 0.5)] } else { &[("N", 0.85), ("L", 0.62), ("H", 0.27)] };
    let loss = [("N", 0.0), ("L", 0.22), ("H", 0.56)];
    let easy = 8.22
        * pick("AV", &[("N", 0.85), ("A", 0.62), ("L", 0.55), ("P", 0.2)])?
        * pick("AC", &[("L", 0.77), ("H", 0.44)])?
        * pick("PR", privileges)?
        * pick("UI", &[("N", 0.85), ("R", 0.62)])?;
    let kept = (1.0 - pick("C", &loss)?) * (1.0 - pick("I", &loss)?) * (1.0 - pick("A", &loss)?);
    let lost = 1.0 - kept;
    let impact =
        if changed { 7.52 * (lost - 0.029) - 3.25 * (0..15).fold(1.0, |p, _| p * (lost - 0.02)) } else { 6.42 * lost };
    if impact <= 0.0 {
        return Some(0);
    }
    let sum = if changed { 1.08 * (impact + easy) } else { impact + easy };
    Some(tenths_up(sum.min(10.0)))
}

/// The next tenth above, by whole hundred-thousandths, so that no rounding of the machine lifts it (CVSS 3.1, appendix A).
fn tenths_up(score: f64) -> u32 {
    let whole = (score * 100_000.0).round() as u32;
    whole.div_ceil(10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors with the scores that NVD publishes for them.
    #[test]
    fn vectors_have_their_published_scores() {
        let table = [
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", Some(98)),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", Some(100)),
            ("CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", Some(75)),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", Some(61)),
            ("CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", Some(78)),
            ("CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:N/I:N/A:H", Some(59)),
            ("CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:N/I:N/A:N", Some(0)),
            ("CVSS:3.1/AV:N", None),
            ("CVSS:4.0/AV:N/AC:L", None),
        ];
        for (vector, score) in table {
            assert_eq!(base_score(vector), score, "{vector}");
        }
    }

    #[test]
    fn words_win_and_what_is_not_known_is_at_least_nothing() {
        let word = |w: &str| Severity { word: w.into(), vector: String::new() };
        assert!(word("high").at_least("medium") && !word("low").at_least("medium") && !word("").at_least("none"));
        let vector = Severity { word: String::new(), vector: "CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:N/I:N/A:H".into() };
        assert_eq!(vector.known(), Some("medium"));
    }
}
