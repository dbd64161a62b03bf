//! Named attacks on a bundle, each with the step of `docs/bundle-format.md`, section 6, that stops it.
//!
//! The attacker of most of them holds a trusted key (or could make a victim accept an unsigned
//! bundle): digests and signatures above the change are all right, so that it is the named step and
//! no earlier one that has to notice.

mod support;

use cumulate::bundle;
use cumulate::report::{Error, ErrorCode as E};
use cumulate::trust::{Envelope, PAYLOAD_TYPE, Policy, SecretKey};
use serde_json::{Value, json};
use std::fs;
use support::forge::{self, Forge, whole};

const NOW: u64 = 1_800_000_000;

fn honest() -> Forge {
    let (package, blobs) = support::golden().package();
    Forge::of(&package, &blobs)
}

/// Opens and verifies what was forged, signed by a trusted key.
fn verify(mut f: Forge) -> Result<(), Error> {
    let key = SecretKey::generate().unwrap();
    f.sign(&key, "release");
    let dir = tempfile::tempdir().unwrap();
    f.write(dir.path());
    let policy = Policy::of_keys([key.public().clone()]).unwrap();
    bundle::open(dir.path())?.verify(&policy, NOW).map(drop)
}

/// Name, the step that stops it, the code, a word of the message, and the deed.
type Attack = (&'static str, u32, E, &'static str, fn(&mut Forge));

#[test]
fn an_honest_forgery_verifies() {
    verify(honest()).unwrap();
    let mut f = honest();
    f.root["format"]["minor"] = 9.into();
    f.root["a newer field"] = json!({"of": "minor 9"});
    f.bases[0]["another"] = 1.into();
    verify(f).unwrap();
}

fn hook(id: &str) -> Value {
    json!({"id": id, "when": "after", "run": ["true"], "timeout": 60})
}

/// The step for bin/agent, after those at the top.
const AGENT: usize = 2;

const ATTACKS: &[Attack] = &[
    ("two releases in one folder", 1, E::BadBundle, "2 entries", |f| {
        f.top = |top| {
            let twice = top["manifests"][0].clone();
            top["manifests"].as_array_mut().unwrap().push(twice);
        };
    }),
    ("no release at all", 1, E::BadBundle, "0 entries", |f| f.top = |top| top["manifests"] = json!([])),
    ("an index that names no base", 1, E::BadBundle, "no base", |f| f.listed = vec![]),
    ("a huge index by its stated size", 2, E::Limit, "nested index", |f| {
        f.top = |top| top["manifests"][0]["size"] = (1u64 << 40).into();
    }),
    ("an index of another size than stated", 2, E::BadBundle, "are stated", |f| {
        f.top = |top| top["manifests"][0]["size"] = 7.into();
    }),
    ("an index that is not there", 2, E::BadBundle, "missing", |f| {
        f.top = |top| top["manifests"][0]["digest"] = format!("sha256:{:064}", 7).into();
    }),
    ("a negative size", 2, E::BadBundle, "index", |f| f.top = |top| top["manifests"][0]["size"] = (-1).into()),
    ("a digest of another algorithm", 2, E::BadBundle, "digest", |f| {
        f.top = |top| top["manifests"][0]["digest"] = "md5:d41d8cd98f00b204e9800998ecf8427e".into();
    }),
    ("a digest that climbs out of the folder", 2, E::BadBundle, "digest", |f| {
        f.top = |top| top["manifests"][0]["digest"] = format!("sha256:../../../{:055}", 0).into();
    }),
    ("an image of something else", 2, E::BadBundle, "neither", |f| {
        f.top = |top| top["manifests"][0]["mediaType"] = "application/vnd.docker.distribution.manifest.v2+json".into();
    }),
    ("a next major version", 3, E::UnknownFormat, "3.0", |f| f.root["format"]["major"] = 3.into()),
    ("the major version before this", 3, E::UnknownFormat, "1.0", |f| f.root["format"]["major"] = 1.into()),
    ("major version 0", 3, E::UnknownFormat, "0.0", |f| f.root["format"]["major"] = 0.into()),
    ("a base of a next major version", 3, E::UnknownFormat, "3.0", |f| f.bases[1]["format"]["major"] = 3.into()),
    ("a feature that this reader lacks", 3, E::UnknownFormat, "time-travel", |f| {
        f.root["needs"] = json!(["time-travel"])
    }),
    ("a root manifest of another kind", 3, E::UnknownFormat, "cumulate.root", |f| {
        f.root["schema"] = "cumulate.base".into()
    }),
    ("a base of another component", 4, E::BadBundle, "another component", |f| f.bases[0]["component"] = "redis".into()),
    ("a base of another release", 4, E::BadBundle, "another release", |f| f.bases[0]["release"] = "2.9".into()),
    ("a base that goes by another's name", 4, E::BadBundle, "another name", |f| f.bases[0]["name"] = "2.0".into()),
    ("a base that leads to another target", 4, E::BadBundle, "target", |f| {
        f.bases[0]["after"] = f.bases[0]["before"].clone();
    }),
    ("a base that hides a fix", 4, E::BadBundle, "fixes", |f| f.bases[0]["fixes"] = "a".into()),
    ("a fix in a state that nobody knows", 4, E::BadBundle, "unknown state", |f| f.bases[0]["fixes"] = "a?".into()),
    ("a reason for a fix that nobody has", 4, E::BadBundle, "fixes", |f| f.bases[0]["reasons"] = json!([[7, "why"]])),
    ("a hook that the root manifest does not need", 4, E::BadBundle, "does not say so", |f| {
        f.bases[0]["hooks"] = json!([hook("FIX-1#1")]);
    }),
    ("a hook of a fix that nobody has", 4, E::BadBundle, "of no fix", |f| {
        f.root["needs"] = json!(["hooks"]);
        f.bases[0]["hooks"] = json!([hook("FIX-9#1")]);
    }),
    ("a hook twice", 4, E::BadBundle, "stands twice", |f| {
        f.root["needs"] = json!(["hooks"]);
        f.bases[0]["hooks"] = json!([hook("FIX-1#1"), hook("FIX-1#1")]);
    }),
    ("a hook that may take forever", 4, E::BadBundle, "cannot be run", |f| {
        f.root["needs"] = json!(["hooks"]);
        f.bases[0]["hooks"] = json!([hook("FIX-1#1")]);
        f.bases[0]["hooks"][0]["timeout"] = 0.into();
    }),
    ("a base twice", 4, E::BadBundle, "twice", |f| f.listed = vec![0, 1, 0]),
    ("two bases of one name", 4, E::BadBundle, "twice", |f| {
        f.root["bases"][1]["name"] = "1.0".into();
    }),
    ("a base on a track that nobody knows", 4, E::BadBundle, "unknown track", |f| {
        f.root["bases"][0]["track"] = "nowhere".into();
    }),
    ("a component name with a terminal's escape in it", 4, E::BadBundle, "control", |f| {
        f.root["component"] = "acme\u{1b}[2J".into();
    }),
    ("an extra layer", 4, E::BadBundle, "layers", |f| {
        let mut blob = f.put(b"surprise".to_vec());
        blob["mediaType"] = "application/vnd.cumulate.pack.v1".into();
        f.extra_layers.push(blob);
    }),
    ("a layer twice", 4, E::BadBundle, "layers", |f| {
        let mut blob = f.bases[0]["listing"].clone();
        blob["mediaType"] = "application/vnd.cumulate.listing.v2+zstd".into();
        f.extra_layers.push(blob);
    }),
    ("two base manifests", 4, E::BadBundle, "exactly one base", |f| {
        let mut blob = f.put(b"{}".to_vec());
        blob["mediaType"] = bundle::MEDIA_BASE.into();
        f.extra_layers.push(blob);
    }),
    ("a layer left out", 4, E::BadBundle, "layers", |f| f.without.push("listing".into())),
    ("a layer whose size lies", 4, E::BadBundle, "layers", |f| f.size_lie = Some(("pack".into(), 1))),
    ("more envelopes than anybody has", 4, E::Limit, "envelopes", |f| {
        f.envelopes = (0..65).map(|i| format!("{{\"n\":{i}}}").into_bytes()).collect();
    }),
    ("an envelope of a megabyte", 2, E::Limit, "envelope", |f| f.envelopes.push(vec![b' '; 1 << 20])),
    ("a pack that is changed", 7, E::BadBundle, "does not have that digest", |f| {
        let digest = serde_json::from_value(f.bases[0]["packs"][0]["digest"].clone()).unwrap();
        f.blobs.get_mut(&digest).unwrap()[0] ^= 1;
    }),
    ("a pack that is truncated", 7, E::BadBundle, "are stated", |f| {
        let digest = serde_json::from_value(f.bases[0]["packs"][0]["digest"].clone()).unwrap();
        f.blobs.get_mut(&digest).unwrap().truncate(1);
    }),
    ("a file slipped into the target", 8, E::BadBundle, "number of paths", |f| {
        f.change_listing(|_, l| {
            name(l, "lib", "zzz");
            let at = l["kinds"].as_str().unwrap().rfind('l').unwrap();
            let mut kinds = l["kinds"].as_str().unwrap().to_owned();
            kinds.insert(at, 'l');
            l["kinds"] = kinds.into();
            l["links"].as_array_mut().unwrap().push("/etc/passwd".into());
        });
    }),
    ("more paths than kinds", 8, E::BadBundle, "ends before", |f| f.change_listing(|_, l| name(l, "lib", "zzz"))),
    ("more digests than paths", 8, E::BadBundle, "more than its rows", |f| {
        f.change_listing(|plain, _| plain.extend([0; 32]));
    }),
    ("fewer digests than paths", 8, E::BadBundle, "ends before", |f| {
        f.change_listing(|plain, _| plain.truncate(40));
    }),
    ("a listing that ends before its digests", 8, E::BadBundle, "before its digests", |f| {
        for at in 0..2 {
            f.bases[at]["listing"] = f.put(vec![0xff; 9]);
            f.fix_download(at);
        }
    }),
    ("a kind that nobody knows", 8, E::BadBundle, "unknown kind", |f| f.change_listing(|_, l| kind(l, 0, 'q'))),
    ("brief digests of no bytes", 8, E::BadBundle, "0 bytes", |f| f.change_listing(|_, l| l["short"] = 0.into())),
    ("a class of a row that is not there", 8, E::BadBundle, "class", |f| {
        f.change_listing(|_, l| l["classes"] = json!({"config": [99]}));
    }),
    ("a row of two classes", 8, E::BadBundle, "class", |f| {
        f.change_listing(|_, l| l["classes"] = json!({"config": [1], "site": [1]}));
    }),
    ("a size in the target that lies", 8, E::Limit, "limits", |f| {
        f.change_listing(|_, l| l["sizes"][0] = (u64::MAX - 4).into());
    }),
    ("a path out of the tree", 8, E::BadBundle, "leaves the tree", |f| {
        f.change_listing(|_, l| l["folders"][0][0] = "../../etc".into());
    }),
    ("a name that is a path", 8, E::BadBundle, "out of order", |f| {
        f.change_listing(|_, l| l["folders"][0][1][0] = "a/b".into());
    }),
    ("an absolute path", 8, E::BadBundle, "absolute", |f| {
        f.change_listing(|_, l| l["folders"][1][0] = "/etc".into());
    }),
    ("a path into the installer's own folder", 8, E::BadBundle, ".cumulate", |f| {
        f.change_listing(|_, l| l["folders"][1][0] = ".cumulate".into());
    }),
    ("a path twice with two contents", 8, E::BadBundle, "twice", |f| {
        f.change_listing(|_, l| name(l, "lib", "a.txt"));
    }),
    ("a folder twice", 8, E::BadBundle, "twice", |f| {
        f.change_listing(|_, l| l["folders"][1] = l["folders"][0].clone());
    }),
    ("a zstd bomb", 8, E::BadBundle, "larger than a chunk", |f| {
        for at in 0..2 {
            f.bases[at]["listing"] = f.put(whole(&[], &zstd::bulk::compress(&vec![b' '; 8 << 20], 3).unwrap()));
            f.fix_download(at);
        }
        f.root["limits"]["blob"] = (1 << 20).into();
    }),
    ("a zstd bomb in small frames", 8, E::Limit, "larger than", |f| {
        let frame = zstd::bulk::compress(&vec![b' '; 4 << 20], 3).unwrap();
        for at in 0..2 {
            f.bases[at]["listing"] = f.put(whole(&[], &frame.repeat(5)));
            f.fix_download(at);
        }
        f.root["limits"]["blob"] = (1 << 20).into();
    }),
    ("a bottomless JSON", 4, E::BadBundle, "recursion", |f| f.root["graph"]["edges"][0]["reason"] = forge::DEEP.into()),
    ("a graph that names a fix nobody has", 4, E::BadBundle, "does not have", |f| {
        f.root["graph"]["edges"][0]["fix"] = "FIX-3".into();
    }),
    ("a path that a fix nobody has touched", 8, E::BadBundle, "does not have", |f| {
        f.change_listing(|_, l| l["fixes"] = json!([[0, [7]]]));
    }),
    ("another target for one base of a track", 8, E::BadBundle, "another listing", |f| {
        let (plain, mut text) = f.listing(1);
        kind(&mut text, 0, 'f');
        f.put_listing(1, &plain, &text.to_string());
    }),
    ("a step that deletes what the target has", 9, E::BadBundle, "deletes what", |f| does(f, 0, '-')),
    ("a step beyond the listing", 9, E::BadBundle, "beyond the listing", |f| {
        f.bases[0]["steps"]["skip"][0] = u32::MAX.into();
    }),
    ("a step left out", 9, E::BadBundle, "number of paths", |f| {
        // The first one makes a folder that the base has not.
        let made = f.bases[0]["steps"]["had"].as_str().unwrap().find('-').unwrap();
        let steps = &mut f.bases[0]["steps"];
        let next = steps["skip"][made + 1].as_u64().unwrap() + steps["skip"][made].as_u64().unwrap() + 1;
        steps["skip"][made + 1] = next.into();
        steps["skip"].as_array_mut().unwrap().remove(made);
        for column in ["does", "had"] {
            let mut text = steps[column].as_str().unwrap().to_owned();
            let gone = text.remove(made);
            assert!(column == "had" || gone == 'd', "{gone}");
            steps[column] = text.into();
        }
    }),
    ("more done than there are steps", 9, E::BadBundle, "more than there are steps", |f| {
        let does = f.bases[0]["steps"]["does"].as_str().unwrap().to_owned() + "l";
        f.bases[0]["steps"]["does"] = does.into();
    }),
    ("less done than there are steps", 9, E::BadBundle, "end before", |f| f.bases[0]["steps"]["does"] = "f".into()),
    ("a step that nobody knows", 9, E::BadBundle, "unknown action", |f| does(f, 0, '!')),
    ("old digests cut off", 9, E::BadBundle, "end before", |f| f.plain[0].truncate(3)),
    ("a step that changes nothing", 9, E::BadBundle, "changes nothing", |f| {
        // The digest of run.sh comes first, and its step changes only the mode.
        let (listed, _) = f.listing(0);
        f.plain[0][..8].copy_from_slice(&listed[32..40]);
    }),
    ("a copy of something else", 9, E::BadBundle, "copies something else", |f| {
        does(f, AGENT, 'c');
        f.bases[0]["steps"]["from"] = json!([0]);
        f.bases[0]["steps"]["at"].as_array_mut().unwrap().remove(0);
    }),
    ("a copy from beyond the listing", 9, E::BadBundle, "beyond the listing", |f| {
        does(f, AGENT, 'c');
        f.bases[0]["steps"]["from"] = json!([i64::MIN]);
    }),
    ("a slice past the end of its pack", 9, E::BadBundle, "outside its pack", |f| {
        f.bases[0]["steps"]["at"][0][2] = 1_000_000.into();
    }),
    ("a slice before its pack", 9, E::BadBundle, "outside its pack", |f| f.bases[0]["steps"]["at"][0][1] = (-1).into()),
    ("a slice whose end overflows", 9, E::BadBundle, "outside its pack", |f| {
        f.bases[0]["steps"]["at"][0] = json!([0, i64::MAX, u64::MAX]);
    }),
    ("a slice of another base's pack", 9, E::BadBundle, "pack that is not there", |f| {
        f.bases[0]["steps"]["at"][0][0] = 1.into();
    }),
    ("a column that nobody reads", 9, E::BadBundle, "unknown field", |f| {
        f.bases[0]["steps"]["run"] = "rm -rf /".into();
    }),
    ("a mode change of what is no file", 9, E::BadBundle, "no file", |f| {
        let at = f.bases[0]["steps"]["had"].as_str().unwrap().find('l').unwrap();
        does(f, at, 'm');
        had(f, at, 'f');
        f.bases[0]["steps"]["links"] = json!([]);
    }),
    ("a download that lies", 10, E::BadBundle, "download", |f| f.bases[0]["download"] = 1.into()),
    ("a disk need that lies", 10, E::BadBundle, "disk space", |f| f.bases[0]["disk"] = 1.into()),
    ("a memory need that lies", 10, E::BadBundle, "more memory", |f| f.bases[0]["memory"] = 1.into()),
    ("a memory need above the stated limit", 10, E::BadBundle, "limit", |f| f.bases[0]["memory"] = (1u64 << 60).into()),
    ("more paths than the stated limit", 10, E::BadBundle, "limit", |f| f.root["limits"]["paths"] = 2.into()),
    ("a file above the stated limit", 10, E::Limit, "limits", |f| f.root["limits"]["file"] = 3.into()),
    ("a pack above the stated limit", 10, E::BadBundle, "limit", |f| f.root["limits"]["blob"] = 3.into()),
    ("limits that no reader accepts", 10, E::Limit, "any reader", |f| f.root["limits"]["paths"] = u64::MAX.into()),
    ("a delta that makes another size", 10, E::BadBundle, "another size", |f| {
        // The first step reads the second one's delta: the slice is inside the pack.
        let at = &mut f.bases[0]["steps"]["at"];
        let length = at[0][2].as_i64().unwrap();
        at[0] = json!([0, length, at[1][2]]);
        at[1][1] = (-at[1][2].as_i64().unwrap()).into();
    }),
    ("a delta of another codec than its step says", 10, E::BadBundle, "another codec", |f| {
        does(f, AGENT, 'b');
        f.bases[0]["steps"]["from"] = json!([0]);
    }),
];

/// One more name in a folder of a listing.
fn name(listing: &mut Value, folder: &str, name: &str) {
    let folders = listing["folders"].as_array_mut().unwrap();
    let names = folders.iter_mut().find(|f| f[0] == folder).unwrap()[1].as_array_mut().unwrap();
    names.push(name.into());
    names.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
}

/// Another letter in a column.
fn letter(column: &mut Value, at: usize, letter: char) {
    let mut text = column.as_str().unwrap().to_owned();
    text.replace_range(at..=at, &letter.to_string());
    *column = text.into();
}

fn kind(listing: &mut Value, at: usize, kind: char) {
    letter(&mut listing["kinds"], at, kind);
}

fn does(f: &mut Forge, at: usize, what: char) {
    letter(&mut f.bases[0]["steps"]["does"], at, what);
}

fn had(f: &mut Forge, at: usize, what: char) {
    letter(&mut f.bases[0]["steps"]["had"], at, what);
}

#[test]
fn every_named_attack_is_stopped_by_its_step() {
    let mut wrong = Vec::new();
    let untouched = honest();
    for (name, step, code, word, deed) in ATTACKS {
        let mut f = untouched.clone();
        deed(&mut f);
        match verify(f) {
            Ok(()) => wrong.push(format!("{name} (step {step}): accepted")),
            Err(e) if e.code != *code || !e.message.contains(word) => wrong.push(format!("{name} (step {step}): {e}")),
            Err(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Step 6, each in a bundle that is otherwise right.
#[test]
fn no_signature_can_be_borrowed() {
    let (alice, bob) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let pem = |k: &SecretKey| format!("[[key]]\npem = '''{}'''\n", k.public().to_pem());
    let two = format!(
        "{}{}[roles.release]\nthreshold = 2\nkeys = ['{}', '{}']",
        pem(&alice),
        pem(&bob),
        alice.id(),
        bob.id()
    );
    let two = Policy::parse(&two, "trust.toml", dir.path()).unwrap();
    let good = |f: &mut Forge, key: &SecretKey| {
        f.sign(key, "release");
        serde_json::from_slice::<Value>(&f.envelopes.pop().unwrap()).unwrap()
    };
    type Deed<'a> = &'a dyn Fn(&mut Forge, &mut Vec<Value>);
    let deeds: &[(&str, E, Deed<'_>)] = &[
        ("nobody signed", E::Unsigned, &|_, e| e.clear()),
        ("too few signed", E::Untrusted, &|_, e| drop(e.pop())),
        ("one key twice in one envelope", E::Untrusted, &|_, e| {
            let twice = e[0]["signatures"][0].clone();
            e[0]["signatures"].as_array_mut().unwrap().push(twice);
            e.pop();
        }),
        ("one key's signature under two key ids", E::Untrusted, &|_, e| {
            let other = e[1]["signatures"][0]["keyid"].clone();
            e[1] = e[0].clone();
            e[1]["signatures"][0]["keyid"] = other;
        }),
        ("a signature of another role", E::Untrusted, &|f, e| {
            f.sign(&bob, "vetter");
            e[1] = serde_json::from_slice(&f.envelopes.pop().unwrap()).unwrap();
        }),
        ("another payload type", E::Untrusted, &|_, e| e[1]["payloadType"] = "application/vnd.in-toto+json ".into()),
        ("a byte moved from type to payload", E::Untrusted, &|_, e| {
            e[1]["payloadType"] = PAYLOAD_TYPE.trim_end_matches('n').into();
        }),
        ("a signature cut short", E::Untrusted, &|_, e| e[1]["signatures"][0]["sig"] = "AAAA".into()),
        ("a signature of zeros", E::Untrusted, &|_, e| {
            e[1]["signatures"][0]["sig"] = format!("{}==", "A".repeat(86)).into();
        }),
        ("an envelope that is none", E::Untrusted, &|_, e| e[1] = json!({"signatures": "all of them"})),
        ("the release changed after signing", E::Untrusted, &|f, _| f.root["fixes"][0]["title"] = "harmless".into()),
        ("an older release's number", E::Untrusted, &|f, _| f.root["release"]["sequence"] = 999.into()),
        ("a base's pack exchanged after signing", E::Untrusted, &|f, _| f.bases[0]["memory"] = 4000.into()),
    ];
    let verify = |f: &mut Forge, envelopes: Vec<Value>| {
        f.envelopes = envelopes.iter().map(|e| e.to_string().into_bytes()).collect();
        let dir = tempfile::tempdir().unwrap();
        f.write(dir.path());
        bundle::open(dir.path())?.verify(&two, NOW).map(drop)
    };
    let mut first = honest();
    let both = vec![good(&mut first, &alice), good(&mut first, &bob)];
    verify(&mut first, both).unwrap();
    for (name, code, deed) in deeds {
        let mut f = honest();
        let mut envelopes = vec![good(&mut f, &alice), good(&mut f, &bob)];
        deed(&mut f, &mut envelopes);
        let e = verify(&mut f, envelopes).expect_err(name);
        assert_eq!(e.code, *code, "{name}: {e}");
    }
    assert!(Envelope::from_json(b"{}").is_err());
}

/// Files in a layout are not read through links, and a pipe does not hold the reader forever.
#[test]
fn links_and_pipes_in_a_layout_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    honest().write(dir.path());
    let index = dir.path().join("index.json");
    fs::rename(&index, dir.path().join("elsewhere.json")).unwrap();
    std::os::unix::fs::symlink("elsewhere.json", &index).unwrap();
    assert_eq!(bundle::open(dir.path()).unwrap_err().code, E::BadBundle);
    fs::remove_file(&index).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&index).status().unwrap();
    assert!(made.success());
    assert_eq!(bundle::open(dir.path()).unwrap_err().code, E::BadBundle);
    fs::remove_file(&index).unwrap();
    assert_eq!(bundle::open(dir.path()).unwrap_err().code, E::BadBundle);
}
