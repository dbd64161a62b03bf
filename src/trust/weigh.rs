//! One signature at a time: what it is worth to a policy.

use super::policy::{Evidence, PolicyKey};
use super::time::show_time;
use super::{Claim, Delegation, Envelope, Judged, KeyId, Outcome, Policy, Said, SignatureState, Statement};
use super::{TestResult, Vetting, Waiver, Word};
use crate::tree::Digest;

/// What became of a signature that its key did make: the role, the verdict, and the bases that it covers.
struct Verdict {
    role: String,
    outcome: Outcome,
    reason: String,
    covers: Vec<String>,
    waiver: Option<Waiver>,
}

impl Verdict {
    fn new(role: &str, outcome: Outcome, reason: impl Into<String>) -> Self {
        Self { role: role.to_owned(), outcome, reason: reason.into(), covers: Vec::new(), waiver: None }
    }
}

impl Policy {
    /// Every signature of one envelope. `wider` is this policy with the delegates of the bundle in it.
    pub(super) fn weigh_all(
        &self,
        wider: &Policy,
        id: Digest,
        envelope: &Envelope,
        judged: &Judged,
        now: u64,
        out: &mut Vec<SignatureState>,
    ) {
        let state = |key: String, name: &str, v: Verdict| SignatureState {
            envelope: id,
            key,
            name: name.to_owned(),
            role: v.role,
            outcome: v.outcome,
            reason: v.reason,
            covers: v.covers,
            waiver: v.waiver,
        };
        let message = envelope.message();
        for (hint, signature) in &envelope.signatures {
            let shown: String = hint.chars().filter(|c| !c.is_control()).take(128).collect();
            let Some((key_id, key)) = wider.keys.iter().find(|(k, _)| k.to_string() == *hint) else {
                let revoked = self.revoked.iter().any(|id| id.to_string() == *hint);
                let why = if revoked { "the key was revoked" } else { "no key of the policy has this id" };
                out.push(state(shown, "", Verdict::new("", Outcome::UnknownKey, why)));
                continue;
            };
            let verdict = if key.key.verifies(&message, signature) {
                match Delegation::read(envelope) {
                    Some(delegation) => self.weigh_delegation(delegation, envelope, judged, now),
                    None => wider.weigh(envelope, *key_id, key, judged, now),
                }
            } else {
                Verdict::new("", Outcome::BadSignature, "the signature is not this key's over this payload")
            };
            out.push(state(shown, &key.name, verdict));
        }
    }

    /// A delegation is no signature under the release: it only says whose signatures count.
    fn weigh_delegation(
        &self,
        delegation: Result<Delegation, String>,
        envelope: &Envelope,
        judged: &Judged,
        now: u64,
    ) -> Verdict {
        match delegation {
            Err(why) => Verdict::new("", Outcome::OtherStatement, why),
            Ok(d) => match self.void(&d, envelope, &judged.says.component, now) {
                Some(why) => Verdict::new(&d.role, Outcome::OtherStatement, why),
                None => {
                    let until = show_time(d.expires);
                    Verdict::new(&d.role, Outcome::Delegates, format!("'{}' may speak until {until}", d.name))
                }
            },
        }
    }

    fn weigh(&self, envelope: &Envelope, id: KeyId, key: &PolicyKey, judged: &Judged, now: u64) -> Verdict {
        if envelope.payload_type != super::PAYLOAD_TYPE {
            return Verdict::new("", Outcome::OtherStatement, "the payload is of another type");
        }
        let said = match Said::read(&envelope.payload) {
            Ok(said) => said,
            Err(why) => return Verdict::new("", Outcome::OtherStatement, why),
        };
        let waiver = match &said {
            Said::Vetting(v) => waived(v, judged),
            Said::Release(_) => None,
        };
        Verdict { waiver, ..self.weigh_said(&said, id, key, judged, now) }
    }

    fn weigh_said(&self, said: &Said, id: KeyId, key: &PolicyKey, judged: &Judged, now: u64) -> Verdict {
        let role = said.role();
        let (wrong, evidence) = match said {
            Said::Release(s) => (other_release(s, judged), Evidence::Signature),
            Said::Vetting(v) => (other_vetting(v, judged), Evidence::TestResult),
        };
        if let Some(why) = wrong {
            return Verdict::new(role, Outcome::OtherStatement, why);
        }
        let Some(mine) = self.roles.get(role).filter(|r| r.keys.contains(&id)) else {
            let why = format!("the policy does not let '{}' sign as '{:.80}'", key.name, role.escape_debug());
            return Verdict::new(role, Outcome::WrongRole, why);
        };
        if mine.evidence != evidence {
            let why = match mine.evidence {
                Evidence::Signature => "this role gives signatures, and this is a test result",
                Evidence::TestResult => "this role gives test results, and this is a signature",
            };
            return Verdict::new(role, Outcome::WrongRole, why);
        }
        let (mut outcome, mut reason, mut covers) = (Outcome::Counted, String::new(), Vec::new());
        if let Said::Vetting(v) = said {
            (outcome, reason) = worth(&v.word, mine.waivers, now);
            if outcome == Outcome::Counted {
                covers = covered(v, judged);
            }
        }
        if let Some(why) = key.span.outside(now) {
            (outcome, reason) = (Outcome::Expired, format!("the key {why}"));
        }
        Verdict { covers, ..Verdict::new(role, outcome, reason) }
    }
}

impl Judged {
    /// Why an envelope can count for this under no policy and at no time, whoever signed it.
    pub fn hopeless(&self, envelope: &Envelope) -> Option<String> {
        if envelope.signatures.is_empty() {
            return Some("nobody has signed it".into());
        }
        if let Some(delegation) = Delegation::read(envelope) {
            return match delegation {
                Err(why) => Some(why),
                Ok(d) if d.component != self.says.component => {
                    Some(format!("the delegation is for the component '{:.80}'", d.component.escape_debug()))
                }
                Ok(d) => d.possible().err().map(|e| e.message),
            };
        }
        if envelope.payload_type != super::PAYLOAD_TYPE {
            return Some(format!("the payload is of another type: {:.80}", envelope.payload_type.escape_debug()));
        }
        match Said::read(&envelope.payload) {
            Err(why) => Some(why),
            Ok(Said::Release(s)) => other_release(&s, self),
            Ok(Said::Vetting(v)) => other_vetting(&v, self).or_else(|| unpassed(&v.word)),
        }
    }
}

fn unpassed(word: &Word) -> Option<String> {
    match word {
        Word::Tested { result: TestResult::Warned | TestResult::Failed, warned, failed, .. } => {
            let first = failed.first().or(warned.first()).map_or("a test", String::as_str);
            Some(format!("the tests did not pass: {:.200}", first.escape_debug()))
        }
        _ => None,
    }
}

fn other_release(statement: &Statement, judged: &Judged) -> Option<String> {
    let Claim { component, version, sequence, .. } = &statement.claim;
    let says = &judged.says;
    if statement.subject != judged.subject {
        return Some(format!("it is about another root manifest, {}", statement.subject));
    }
    let same = (component, version, sequence) == (&says.component, &says.version, &says.sequence);
    (!same).then(|| "it states another component, version or sequence than the root manifest".into())
}

fn other_vetting(vetting: &Vetting, judged: &Judged) -> Option<String> {
    if vetting.component != judged.says.component {
        return Some("it is about another component".into());
    }
    let mine = !covered(vetting, judged).is_empty();
    (!mine).then(|| "it is about other bases, targets or hooks than this bundle has".into())
}

/// Names of the bundle's bases whose base, target and hooks are the very ones that were vetted.
fn covered(vetting: &Vetting, judged: &Judged) -> Vec<String> {
    let vetted: std::collections::BTreeSet<_> = vetting.bindings().collect();
    judged.routes.iter().filter(|(_, b)| vetted.contains(b)).map(|(name, _)| name.clone()).collect()
}

fn waived(vetting: &Vetting, judged: &Judged) -> Option<Waiver> {
    let Word::Waived { owner, reason, expires } = &vetting.word else { return None };
    let (owner, reason, expires) = (owner.clone(), reason.clone(), show_time(*expires));
    Some(Waiver { owner, reason, expires, bases: covered(vetting, judged) })
}

fn worth(word: &Word, waivers: bool, now: u64) -> (Outcome, String) {
    match word {
        Word::Tested { .. } => match unpassed(word) {
            None => (Outcome::Counted, String::new()),
            Some(why) => (Outcome::NotPassed, why),
        },
        Word::Waived { owner, reason, expires } => {
            let words = format!(
                "waived by {:.80} until {}: {:.200}",
                owner.escape_debug(),
                show_time(*expires),
                reason.escape_debug()
            );
            if !waivers {
                (Outcome::NotPassed, format!("the policy takes no waivers: {words}"))
            } else if now > *expires {
                (Outcome::NotPassed, format!("the waiver has expired: {words}"))
            } else {
                (Outcome::Counted, words)
            }
        }
    }
}
