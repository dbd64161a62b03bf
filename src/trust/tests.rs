use super::*;
use crate::report::ErrorCode;
use crate::tree::Digest;
use std::path::Path;

fn says() -> Claim {
    Claim { role: "release".into(), component: "acme".into(), version: "1.0".into(), sequence: Some(7) }
}

fn judged(subject: Digest, says: Claim) -> Judged {
    Judged { subject, says, routes: Default::default(), best_before: None }
}

fn key() -> SecretKey {
    SecretKey::generate().unwrap()
}

fn parse(text: &str) -> crate::report::Result<Policy> {
    Policy::parse(text, "trust.toml", Path::new("."))
}

fn pem(k: &SecretKey) -> String {
    format!("[[key]]\npem = '''{}'''\n", k.public().to_pem())
}

#[test]
fn keys_come_back_from_their_files() {
    let k = key();
    let text = k.to_pem();
    let back = SecretKey::from_pem(&text, "k").unwrap();
    assert_eq!(back.id(), k.id());
    assert_eq!(PublicKey::from_pem(&k.public().to_pem(), "p").unwrap(), *k.public());
    assert!(k.public().verifies(b"m", &k.sign(b"m")));
    assert!(!k.public().verifies(b"n", &k.sign(b"m")));
    assert!(!k.public().verifies(b"m", &k.sign(b"m")[..63]));
    assert!(!format!("{k:?}").contains(text.lines().nth(1).unwrap()), "a secret is never shown");
}

#[test]
fn other_keys_are_refused_by_name() {
    let k = key();
    let private = k.to_pem().to_string();
    let public = k.public().to_pem();
    let secret = |text: &str| SecretKey::from_pem(text, "f").unwrap_err();
    let shown = |text: &str| PublicKey::from_pem(text, "f").unwrap_err();
    for (e, word) in [
        (secret(&public), "public key"),
        (shown(&private), "private key"),
        (secret(&private.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY")), "encrypted"),
        (secret("-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n"), "RSA PRIVATE KEY"),
        (secret("hello"), "not a PEM file"),
        (shown(""), "not a PEM file"),
        (shown(&public.replace("MCow", "MCox")), "not a usable"),
        (secret(&private.replace("MC4C", "MC4D")), "not a usable"),
    ] {
        assert_eq!(e.code, ErrorCode::BadKey);
        assert!(e.message.contains(word), "{word}: {}", e.message);
    }
}

/// A point of small order verifies signatures that nobody made; a second spelling of a point would
/// be a second id of one key.
#[test]
fn weak_and_non_canonical_points_are_refused() {
    let spki = |point: [u8; 32]| {
        use base64::Engine as _;
        let mut der = vec![0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
        der.extend_from_slice(&point);
        let body = base64::engine::general_purpose::STANDARD.encode(der);
        PublicKey::from_pem(&format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n"), "f")
    };
    let mut one = [0; 32];
    one[0] = 1;
    assert!(spki(one).unwrap_err().message.contains("small order"));
    assert!(spki([0; 32]).unwrap_err().message.contains("small order"));
    let mut points = 0;
    for low in 0xed..=0xff {
        let mut y = [0xff; 32];
        (y[0], y[31]) = (low, 0x7f);
        assert!(spki(y).is_err(), "y = p + {}", low - 0xed);
        points += usize::from(spki(y).unwrap_err().message.contains("canonical"));
    }
    assert!(points > 0, "some of them are points of full order in a second spelling");
}

#[test]
fn the_encoding_before_signing_is_the_published_one() {
    let e = Envelope {
        payload_type: "http://example.com/HelloWorld".into(),
        payload: b"hello world".into(),
        signatures: vec![],
    };
    assert_eq!(e.message(), b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
}

#[test]
fn policies_that_cannot_work_are_refused_when_read() {
    let (a, b) = (key(), key());
    let (pa, pb) = (pem(&a), pem(&b));
    for (text, word) in [
        (String::new(), "0 keys"),
        (format!("{pa}{pa}"), "named"),
        (format!("{pa}name = 'x'\n{pa}name = 'y'"), "same key"),
        (format!("{pa}roles = ['vetter']"), "no [roles.vetter]"),
        (format!("{pa}[roles.release]\nthreshold = 2"), "threshold 2"),
        (format!("{pa}[roles.release]\nthreshold = 0"), "threshold 0"),
        (format!("{pa}[roles.release]\nkeys = ['carol']"), "unknown key"),
        (format!("{pa}[roles.release]\nthreshhold = 1"), "threshhold"),
        (format!("expires = 10:00:00\n{pa}"), "not a date"),
        (format!("{pa}role = 'release'\nroles = ['release']"), "both"),
        (format!("{pa}file = 'x.pub'"), "either"),
        (format!("{pa}[roles.vetter]\n"), "role 'vetter' has 0 keys"),
    ] {
        let e = parse(&text).unwrap_err();
        assert_eq!(e.code, ErrorCode::Config, "{text}");
        assert!(e.message.contains(word), "{word}: {}", e.message);
    }
    let p = parse(&format!("{pa}role = 'vetter'\n{pb}[roles.vetter]\n")).unwrap();
    assert_eq!(p.roles()["vetter"].keys.iter().collect::<Vec<_>>(), [&a.id()]);
    assert_eq!(p.roles()["release"].keys.iter().collect::<Vec<_>>(), [&b.id()]);
    assert_eq!(Policy::of_keys([]).unwrap_err().code, ErrorCode::NoTrust);
}

#[test]
fn days_end_at_their_last_second() {
    let k = key();
    let subject = Digest::of(b"root");
    let envelope = Envelope::sign(Statement { subject, claim: says() }.to_payload(), &k).to_json();
    // 2027-12-31T23:59:59Z and 2027-01-01T00:00:00Z
    let (last, first) = (1_830_297_599, 1_798_761_600);
    assert_eq!((show_time(last), show_time(first)), ("2027-12-31T23:59:59Z".into(), "2027-01-01T00:00:00Z".into()));
    let words = "valid-from = 2027-01-01\nexpires = 2027-12-31\n";
    for (text, what) in [(format!("{words}{}", pem(&k)), "policy"), (format!("{}{words}", pem(&k)), "key")] {
        let p = parse(&text).unwrap();
        let at = |now| p.verify("a.cup", &judged(subject, says()), &[&envelope], now).map(|_| ()).map_err(|e| e.code);
        assert_eq!(at(first - 1), Err(ErrorCode::Expired), "{what}");
        assert_eq!(at(first), Ok(()), "{what}");
        assert_eq!(at(last), Ok(()), "{what}");
        assert_eq!(at(last + 1), Err(ErrorCode::Expired), "{what}");
    }
    let p = parse(&pem(&k)).unwrap();
    let mut fresh = judged(subject, says());
    fresh.best_before = Some(last);
    let at = |now| p.verify("a.cup", &fresh, &[&envelope], now).map(|_| ()).map_err(|e| e.code);
    assert_eq!((at(0), at(last), at(last + 1)), (Ok(()), Ok(()), Err(ErrorCode::Expired)), "best-before");
    let offset = parse(&format!("expires = 2027-12-31T23:59:59+01:00\n{}", pem(&k))).unwrap();
    assert!(offset.verify("a.cup", &judged(subject, says()), &[&envelope], last - 3600).is_ok());
    assert!(offset.verify("a.cup", &judged(subject, says()), &[&envelope], last - 3599).is_err());
}

#[test]
fn every_way_to_borrow_a_signature_has_its_answer() {
    let (a, b) = (key(), key());
    let subject = Digest::of(b"root");
    let policy = parse(&format!(
        "component = 'acme'\n{}{}[roles.release]\nthreshold = 2\nkeys = ['{}','{}']",
        pem(&a),
        pem(&b),
        a.id(),
        b.id()
    ))
    .unwrap();
    let statement = |claim: Claim, subject| Statement { subject, claim }.to_payload();
    let good = |k: &SecretKey| Envelope::sign(statement(says(), subject), k);
    let other = |change: &dyn Fn(&mut Claim)| {
        let mut c = says();
        change(&mut c);
        Envelope::sign(statement(c, subject), &b)
    };
    let mut twice = good(&a);
    twice.signatures.push(twice.signatures[0].clone());
    let mut relabelled = good(&a);
    relabelled.signatures[0].0 = b.id().to_string();
    let mut retyped = good(&b);
    retyped.payload_type = "application/json".into();
    let mut tampered = good(&b);
    tampered.payload.push(b' ');
    let swapped = Envelope::sign(statement(says(), Digest::of(b"other")), &b);
    let two_subjects = {
        let mut v: serde_json::Value = serde_json::from_slice(&statement(says(), subject)).unwrap();
        let s = v["subject"][0].clone();
        v["subject"].as_array_mut().unwrap().push(s);
        Envelope::sign(v.to_string().into_bytes(), &b)
    };
    let foreign = Envelope::sign(
        br#"{"_type":"https://in-toto.io/Statement/v1","subject":[],"predicateType":"x","predicate":{}}"#.to_vec(),
        &b,
    );
    let first = good(&a).to_json();
    for (name, second, want) in [
        ("the same key twice in one envelope", twice, Outcome::Counted),
        ("another's id on a signature", relabelled, Outcome::BadSignature),
        ("another payload type", retyped, Outcome::BadSignature),
        ("a changed payload", tampered, Outcome::BadSignature),
        ("about another document", swapped, Outcome::OtherStatement),
        ("two subjects", two_subjects, Outcome::OtherStatement),
        ("another predicate", foreign, Outcome::OtherStatement),
        ("another role", other(&|c| c.role = "vetter".into()), Outcome::WrongRole),
        ("another component", other(&|c| c.component = "redis".into()), Outcome::OtherStatement),
        ("another version", other(&|c| c.version = "2".into()), Outcome::OtherStatement),
        ("another sequence", other(&|c| c.sequence = None), Outcome::OtherStatement),
        ("nobody's", good(&key()), Outcome::UnknownKey),
    ] {
        let second = second.to_json();
        let report = policy.look(&judged(subject, says()), &[&first, &second], 0);
        assert_eq!(report.signatures.last().unwrap().outcome, want, "{name}");
        let e = policy.verify("a.cup", &judged(subject, says()), &[&first, &second], 0).unwrap_err();
        assert_eq!(e.code, ErrorCode::Untrusted, "{name}");
        assert!(e.message.contains("1 of 2"), "{name}: {}", e.message);
    }
    let second = good(&b).to_json();
    assert_eq!(
        policy.verify("a.cup", &judged(subject, says()), &[&first, &second], 0).unwrap().roles[0].signed_by.len(),
        2
    );
    let mut elsewhere = says();
    elsewhere.component = "redis".into();
    assert_eq!(
        policy.verify("a.cup", &judged(subject, elsewhere), &[&first, &second], 0).unwrap_err().code,
        ErrorCode::Untrusted
    );
}

#[test]
fn envelopes_are_bounded_and_strict_base64() {
    let k = key();
    let good = String::from_utf8(Envelope::sign(b"{}".to_vec(), &k).to_json()).unwrap();
    assert!(Envelope::from_json(good.as_bytes()).is_ok());
    assert!(Envelope::from_json(&vec![b' '; MAX_ENVELOPE as usize + 1]).is_err());
    // "e30=" is "{}"; "e31=" would be the same bytes with other bits in the padding.
    assert!(Envelope::from_json(good.replace("e30=", "e31=").as_bytes()).is_err());
    assert!(Envelope::from_json(good.replace("e30=", "e30").as_bytes()).is_err());
    let many = format!(r#"{{"payloadType":"x","payload":"","signatures":[{}]}}"#, vec![r#"{"sig":""}"#; 17].join(","));
    assert!(Envelope::from_json(many.as_bytes()).unwrap_err().contains("16"));
    assert!(
        Envelope::from_json(r#"{"payloadType":"x","payload":"","payload":"","signatures":[]}"#.as_bytes()).is_err()
    );
}
