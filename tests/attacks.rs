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
use support::forge::Forge;

const NOW: u64 = 1_800_000_000;

fn forge() -> Forge {
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
    verify(forge()).unwrap();
    let mut f = forge();
    f.root["format"]["minor"] = 9.into();
    f.root["a newer field"] = json!({"of": "minor 9"});
    f.bases[0]["another"] = 1.into();
    verify(f).unwrap();
}

fn step_at(steps: &mut Value, path: &str) -> usize {
    steps["steps"].as_array().unwrap().iter().position(|s| s["path"] == path).unwrap()
}

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
    ("a next major version", 3, E::UnknownFormat, "2.0", |f| f.root["format"]["major"] = 2.into()),
    ("major version 0", 3, E::UnknownFormat, "0.0", |f| f.root["format"]["major"] = 0.into()),
    ("a base of a next major version", 3, E::UnknownFormat, "2.0", |f| f.bases[1]["format"]["major"] = 2.into()),
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
    ("a base that hides a fix", 4, E::BadBundle, "fixes", |f| drop(f.bases[0]["fixes"].as_array_mut().unwrap().pop())),
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
        let mut blob = f.root["graph"].clone();
        blob["mediaType"] = "application/vnd.cumulate.graph.v1+zstd".into();
        f.extra_layers.push(blob);
    }),
    ("two root manifests", 4, E::BadBundle, "exactly one root", |f| {
        let mut blob = f.put(b"{}".to_vec());
        blob["mediaType"] = bundle::MEDIA_ROOT.into();
        f.extra_layers.push(blob);
    }),
    ("a layer left out", 4, E::BadBundle, "layers", |f| f.without.push("steps".into())),
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
        for at in 0..2 {
            f.change(at, "listing", |l| l["lib/evil"] = l["lib/a.txt"].clone());
        }
    }),
    ("a file of the target exchanged", 8, E::BadBundle, "tree digest", |f| {
        for at in 0..2 {
            f.change(at, "listing", |l| l["lib/a.txt"]["digest"] = format!("sha256:{:064}", 1).into());
        }
    }),
    ("a size in the target that lies", 8, E::Limit, "limits", |f| {
        for at in 0..2 {
            f.change(at, "listing", |l| l["lib/a.txt"]["size"] = (u64::MAX - 4).into());
        }
    }),
    ("a path out of the tree", 8, E::BadBundle, "leaves the tree", |f| {
        for at in 0..2 {
            f.change(at, "listing", |l| l["../../etc/passwd"] = l["lib/a.txt"].clone());
        }
    }),
    ("an absolute path", 8, E::BadBundle, "absolute", |f| {
        for at in 0..2 {
            f.change(at, "listing", |l| l["/etc/passwd"] = l["lib/a.txt"].clone());
        }
    }),
    ("a path into the installer's own folder", 8, E::BadBundle, ".cumulate", |f| {
        for at in 0..2 {
            f.change(at, "listing", |l| l[".cumulate/journal"] = l["lib/a.txt"].clone());
        }
    }),
    ("a path twice with two contents", 8, E::BadBundle, "twice", |f| {
        let text = f.document(&f.bases[0]["listing"]).to_string();
        let twice = text.replacen('{', "{\"bin/agent\":{\"kind\":\"folder\"},", 1);
        for at in 0..2 {
            f.bases[at]["listing"] = f.put_document(&twice);
            f.fix_download(at);
        }
    }),
    ("a zstd bomb", 8, E::BadBundle, "larger than a chunk", |f| {
        for at in 0..2 {
            f.bases[at]["listing"] = f.put(zstd::bulk::compress(&vec![b' '; 8 << 20], 3).unwrap());
            f.fix_download(at);
        }
        f.root["limits"]["blob"] = (1 << 20).into();
    }),
    ("a zstd bomb in small frames", 8, E::Limit, "larger than", |f| {
        let frame = zstd::bulk::compress(&vec![b' '; 4 << 20], 3).unwrap();
        for at in 0..2 {
            f.bases[at]["listing"] = f.put(frame.repeat(5));
            f.fix_download(at);
        }
        f.root["limits"]["blob"] = (1 << 20).into();
    }),
    ("a bottomless JSON", 8, E::BadBundle, "recursion", |f| {
        let deep = format!("{{\"edges\":[{{\"fix\":\"FIX-1\",\"reason\":{}", "[".repeat(100_000));
        f.root["graph"] = f.put_document(&deep);
    }),
    ("a graph that names a fix nobody has", 8, E::BadBundle, "does not have", |f| {
        let text = f.document(&f.root["graph"]).to_string().replace("FIX-2", "FIX-3");
        f.root["graph"] = f.put_document(&text);
    }),
    ("another target for one base of a track", 8, E::BadBundle, "another listing", |f| {
        f.change(1, "listing", |l| l["lib/a.txt"]["exec"] = true.into());
    }),
    ("a step that deletes what the target has", 9, E::BadBundle, "misses the target", |f| {
        f.change(0, "steps", |s| {
            let at = step_at(s, "lib/a.txt");
            drop(s["steps"][at].as_object_mut().unwrap().remove("after"));
            s["steps"][at]["action"] = json!({"do": "delete"});
        });
    }),
    ("a step at a path out of the tree", 9, E::BadBundle, "leaves the tree", |f| {
        f.change(0, "steps", |s| s["steps"][0]["path"] = "a/../../b".into());
    }),
    ("a step left out", 9, E::BadBundle, "tree digest", |f| {
        f.change(0, "steps", |s| drop(s["steps"].as_array_mut().unwrap().remove(0)));
    }),
    ("a step twice", 9, E::BadBundle, "twice", |f| {
        f.change(0, "steps", |s| {
            let twice = s["steps"][0].clone();
            s["steps"].as_array_mut().unwrap().insert(0, twice);
        });
    }),
    ("a step that changes nothing", 9, E::BadBundle, "changes nothing", |f| {
        f.change(0, "steps", |s| s["steps"][0]["before"] = s["steps"][0]["after"].clone());
    }),
    ("a copy of something else", 9, E::BadBundle, "copies something else", |f| {
        f.change(0, "steps", |s| s["steps"][0]["action"] = json!({"do": "copy", "from": "run.sh"}));
    }),
    ("a delta against a link", 9, E::BadBundle, "no files", |f| {
        f.change(0, "steps", |s| {
            let at = s["steps"][0]["action"]["at"].clone();
            s["steps"][0]["action"] = json!({"do": "delta", "from": "lib/link", "codec": "zstd", "at": at});
        });
    }),
    ("a slice past the end of its pack", 9, E::BadBundle, "outside its pack", |f| {
        f.change(0, "steps", |s| s["steps"][0]["action"]["at"]["length"] = 1_000_000.into());
    }),
    ("a slice whose end overflows", 9, E::BadBundle, "outside its pack", |f| {
        f.change(0, "steps", |s| s["steps"][0]["action"]["at"]["offset"] = u64::MAX.into());
    }),
    ("a slice of another base's pack", 9, E::BadBundle, "pack that is not there", |f| {
        f.change(0, "steps", |s| s["steps"][0]["action"]["at"]["pack"] = 1.into());
    }),
    ("an action with a field that nobody reads", 9, E::BadBundle, "unknown field", |f| {
        f.change(0, "steps", |s| s["steps"][0]["run"] = "rm -rf /".into());
    }),
    ("a mode change that changes content", 9, E::BadBundle, "more than the mode", |f| {
        f.change(0, "steps", |s| s["steps"][0]["action"] = json!({"do": "mode"}));
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
        // The deltas of the first two changed files change places: both slices are inside the pack.
        f.change(0, "steps", |s| {
            let other = step_at(s, "lib/a.txt");
            let at = s["steps"][other]["action"]["at"].clone();
            s["steps"][0]["action"]["at"] = at;
        });
    }),
    ("a delta of another codec than its step says", 10, E::BadBundle, "another codec", |f| {
        f.change(0, "steps", |s| {
            let at = s["steps"][0]["action"]["at"].clone();
            s["steps"][0]["action"] = json!({"do": "delta", "from": "bin/agent", "codec": "bsdiff", "at": at});
        });
    }),
];

#[test]
fn every_named_attack_is_stopped_by_its_step() {
    let mut wrong = Vec::new();
    let honest = forge();
    for (name, step, code, word, deed) in ATTACKS {
        let mut f = honest.clone();
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
    let mut honest = forge();
    let both = vec![good(&mut honest, &alice), good(&mut honest, &bob)];
    verify(&mut honest, both).unwrap();
    for (name, code, deed) in deeds {
        let mut f = forge();
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
    forge().write(dir.path());
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
