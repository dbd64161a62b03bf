//! Signing with keys that never leave a token: SoftHSM2 (Debian's `softhsm2`), set up with its own tools and OpenSC's.
#![cfg(feature = "pkcs11")]

mod common;

use common::{command, copy};
use std::fs;
use std::path::Path;
use std::process::Command;

const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
const PIN: &str = "horse-4711";

/// Runs a shell in the folder, with `cumulate` in `$C`, the module in `$M`, and the tokens of this folder alone.
fn shell(dir: &Path, script: &str) -> (Option<i32>, String) {
    let mut sh = Command::new("sh");
    sh.args(["-c", script]).current_dir(dir).env("C", command(dir).get_program());
    sh.env("M", MODULE).env("SOFTHSM2_CONF", dir.join("softhsm2.conf"));
    let out = sh.output().unwrap();
    (out.status.code(), String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr))
}

fn must(dir: &Path, script: &str) -> String {
    let (code, text) = shell(dir, script);
    assert_eq!(code, Some(0), "{script}: {text}");
    text
}

/// Two tokens: one with a key that was made on it and one that openssl made, one without any.
fn tokens(dir: &Path) {
    let folder = dir.join("tokens");
    fs::create_dir(&folder).unwrap();
    let conf = format!("directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n", folder.display());
    fs::write(dir.join("softhsm2.conf"), conf).unwrap();
    fs::write(dir.join("pin"), format!("{PIN}\n")).unwrap();
    fs::write(dir.join("wrong"), "horse-1147\n").unwrap();
    copy(Path::new("testdata/demo"), &dir.join("lantern"));
    must(dir, &format!("softhsm2-util --init-token --free --label acme --so-pin 12345678 --pin {PIN}"));
    must(dir, &format!("softhsm2-util --init-token --free --label spare --so-pin 12345678 --pin {PIN}"));
    let tool = format!("pkcs11-tool --module $M --token-label acme --login --pin {PIN}");
    must(dir, &format!("{tool} --keypairgen --key-type EC:edwards25519 --label release --id 01"));
    must(dir, &format!("{tool} --keypairgen --key-type EC:prime256v1 --label p256 --id 03"));
    must(dir, "pkcs11-tool --module $M --token-label acme --read-object --type pubkey --id 01 -o release.pub");
    must(
        dir,
        "openssl genpkey -algorithm ed25519 -out vetter.key && openssl pkey -in vetter.key -pubout -out vetter.pub",
    );
    must(dir, &format!("softhsm2-util --import vetter.key --token acme --pin {PIN} --label vetter --id 02"));
    let policy = "[[key]]\nfile = 'release.pub'\nroles = ['release']\n[[key]]\nfile = 'vetter.pub'\nroles = ['vetter']\n[roles.vetter]\n";
    fs::write(dir.join("trust.toml"), policy).unwrap();
    let with_root = policy.replace("['release']", "['release', 'root']") + "[roles.root]\n";
    fs::write(dir.join("first.toml"), with_root).unwrap();
}

#[test]
#[ignore = "needs softhsm2 and opensc; .ci/run installs them"]
fn keys_on_a_token_sign_wherever_keys_sign() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    tokens(dir);
    let release = "--key \"pkcs11:token=acme;object=release?module-path=$M\"";
    let vetter = "--key \"pkcs11:token=acme;id=%02;type=private?module-path=$M\"";

    must(dir, &format!("$C build lantern -o l.cup {release} --passphrase file:pin"));
    must(dir, &format!("$C sign l.cup --role vetter {vetter} --passphrase fd:3 3< pin"));
    let again = must(dir, &format!("cat pin | $C sign l.cup --role vetter {vetter} --passphrase -"));
    assert!(again.contains("was signed already"), "Ed25519 is deterministic, on tokens too: {again}");
    // The stock path: any cumulate, the public halves, and openssl over the same bytes.
    must(dir, "$C verify l.cup --policy trust.toml --bases lantern/bases");
    must(dir, "$C trust status l.cup --policy trust.toml");
    must(dir, "$C sign l.cup --role vetter --emit message");
    let tool = format!("pkcs11-tool --module $M --token-label acme --login --pin {PIN}");
    must(dir, &format!("{tool} --sign -m EDDSA --id 02 -i message -o signature"));
    must(dir, "openssl pkeyutl -verify -rawin -pubin -inkey vetter.pub -in message -sigfile signature");
    let same = must(dir, "$C sign l.cup --role vetter --attach signature --pub vetter.pub");
    assert!(same.contains("was signed already"), "what pkcs11-tool makes of it is the same signature: {same}");

    must(dir, &format!("$C trust init --policy first.toml -o trust.root {release} --passphrase file:pin"));
    let tester = "--key \"pkcs11:token=acme;object=tester?module-path=$M\"";
    must(dir, &format!("{tool} --keypairgen --key-type EC:edwards25519 --label tester --id 07"));
    must(dir, &format!("$C vet l.cup --bases lantern/bases {tester} --passphrase file:pin -- true"));
    must(dir, "$C verify l.cup --policy trust.root");
    must(dir, "cp -r lantern/bases/1.0.1 i && $C apply l.cup i --policy trust.root");
}

#[test]
#[ignore = "needs softhsm2 and opensc; .ci/run installs them"]
fn what_a_token_cannot_do_is_said_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    tokens(dir);
    must(dir, "$C build lantern -o l.cup");
    let before = fs::read(dir.join("l.cup")).unwrap();
    let pin = "--passphrase file:pin";
    // Of the second half of a pair there is none, or another key's.
    let tool = format!("pkcs11-tool --module $M --token-label acme --login --pin {PIN}");
    must(dir, &format!("softhsm2-util --import vetter.key --token acme --pin {PIN} --label alone --id 04"));
    must(dir, &format!("{tool} --delete-object --type pubkey --id 04"));
    must(dir, &format!("softhsm2-util --import vetter.key --token acme --pin {PIN} --label mixed --id 05"));
    must(dir, &format!("{tool} --delete-object --type pubkey --id 05"));
    must(dir, &format!("{tool} --keypairgen --key-type EC:edwards25519 --label other --id 06"));
    must(dir, &format!("{tool} --type pubkey --id 06 --set-id 05"));
    must(dir, &format!("{tool} --keypairgen --key-type EC:edwards25519 --label every --id 08 --always-auth"));
    let table = [
        ("a wrong PIN", "token=acme;object=release?module-path=$M", "--passphrase file:wrong", 4, "PIN"),
        ("no PIN", "token=acme;object=release?module-path=$M", "", 4, "wants a PIN"),
        ("no such token", "token=nobody;object=release?module-path=$M", pin, 4, "'spare'"),
        ("two tokens", "object=release?module-path=$M", pin, 4, "2 tokens fit"),
        ("no such key", "token=acme;object=nobody?module-path=$M", pin, 4, "no private Ed25519 key"),
        ("a key of another kind", "token=acme;object=p256?module-path=$M", pin, 4, "no private Ed25519 key"),
        ("a token without keys", "token=spare;object=release?module-path=$M", pin, 4, "no private Ed25519 key"),
        ("no public half", "token=acme;object=alone?module-path=$M", pin, 4, "no public key"),
        (
            "another key's public half",
            "token=acme;object=mixed?module-path=$M",
            pin,
            4,
            "no signature of the public key",
        ),
        ("a PIN for every signature", "token=acme;object=every?module-path=$M", pin, 4, "CKA_ALWAYS_AUTHENTICATE"),
        ("no such module", "token=acme;object=release?module-path=/nowhere.so", pin, 6, "/nowhere.so"),
        ("no module at all", "token=acme;object=release?module-path=/etc/passwd", pin, 6, "/etc/passwd"),
        ("the PIN in the URI", "token=acme;object=release;pin-value=horse-4711?module-path=$M", "", 2, "pin-value"),
    ];
    for (name, uri, more, code, word) in table {
        let (got, text) = shell(dir, &format!("$C sign l.cup --key \"pkcs11:{uri}\" {more}"));
        assert_eq!(got, Some(code), "{name}: {text}");
        assert!(text.contains(word), "{name}: {text}");
        assert!(!text.contains("horse-"), "{name}: {text}");
        assert!(text.contains("Next") || text.contains("next"), "{name}: {text}");
        assert_eq!(fs::read(dir.join("l.cup")).unwrap(), before, "{name}");
    }
}
