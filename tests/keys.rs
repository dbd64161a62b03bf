//! Private keys that openssl encrypted (`testdata/keys`, passphrase "correct horse"), and the places they come from.

mod common;

use common::command;
use cumulate::report::{Error, ErrorCode as E};
use cumulate::trust::{KeySource, Place, PublicKey, SecretKey};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn at(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/keys").join(name)
}

/// Reads a key with the text as its passphrase file.
fn read(key: &Path, passphrase: Option<&str>) -> Result<SecretKey, Error> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pass");
    fs::write(&file, passphrase.unwrap_or("")).unwrap();
    let passphrase = passphrase.map(|_| Place::File(file));
    SecretKey::read(KeySource { key: Place::File(key.to_owned()), passphrase })
}

#[test]
fn keys_that_openssl_encrypted_are_read() {
    let public = PublicKey::read(&at("pub.pem")).unwrap();
    for file in ["pbkdf2.pem", "scrypt.pem"] {
        for pass in ["correct horse", "correct horse\n", "correct horse\r\n", "correct horse\nand a second line"] {
            assert_eq!(read(&at(file), Some(pass)).unwrap().id(), public.id(), "{file}");
        }
    }
    assert_eq!(read(&at("plain.pem"), None).unwrap().id(), public.id());
}

#[test]
fn what_is_refused_costs_nothing_and_shows_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    // 32767 * 127 * 128 bytes: half a GB of memory, where openssl asked for 16 MB.
    let text = fs::read_to_string(at("scrypt.pem")).unwrap();
    let body: String = text.lines().filter(|l| !l.starts_with('-')).collect();
    let mut der = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, body).unwrap();
    let cost = der.windows(7).position(|w| w == [2, 2, 0x40, 0, 2, 1, 8]).unwrap();
    der[cost..cost + 7].copy_from_slice(&[2, 2, 0x7f, 0xff, 2, 1, 0x7f]);
    let body = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &der);
    let lines: Vec<_> = body.as_bytes().chunks(64).map(|c| std::str::from_utf8(c).unwrap()).collect();
    let bomb = dir.path().join("bomb.pem");
    let label = "ENCRYPTED PRIVATE KEY";
    fs::write(&bomb, format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))).unwrap();
    let cut = dir.path().join("cut.pem");
    fs::write(&cut, text.replace("MIG", "MIH")).unwrap();

    let pass = Some("correct horse");
    let table = [
        ("a wrong passphrase", at("pbkdf2.pem"), Some("wrong"), E::BadKey, "cannot be decrypted"),
        ("a wrong passphrase for scrypt", at("scrypt.pem"), Some("wrong"), E::BadKey, "cannot be decrypted"),
        ("no passphrase", at("scrypt.pem"), None, E::BadKey, "no passphrase is given"),
        ("an empty passphrase", at("scrypt.pem"), Some("\nsecond line"), E::BadKey, "empty"),
        ("a passphrase for a plain key", at("plain.pem"), pass, E::BadKey, "not encrypted"),
        ("DES of PKCS#12", at("v1.pem"), pass, E::BadKey, "encrypted PKCS#8"),
        ("twenty million rounds", at("rounds.pem"), pass, E::Limit, "more work"),
        ("scrypt over half a gigabyte", bomb, pass, E::Limit, "more work"),
        ("a length that lies", cut, pass, E::BadKey, "encrypted PKCS#8"),
        ("a passphrase of a megabyte", at("scrypt.pem"), Some(&"x".repeat(1 << 20)), E::BadKey, "longer than"),
        ("a file without an end", PathBuf::from("/dev/zero"), None, E::BadKey, "longer than"),
    ];
    let started = std::time::Instant::now();
    for (name, key, pass, code, word) in &table {
        let e = read(key, *pass).expect_err(name);
        assert_eq!(e.code, *code, "{name}: {e}");
        assert!(e.message.contains(word), "{name}: {e}");
        assert!(!format!("{e:?}").contains("correct horse"), "{name}");
    }
    assert!(started.elapsed().as_secs() < 20, "costs are bounded before they are paid");
    let same = KeySource { key: Place::Stdin, passphrase: Some(Place::Stdin) };
    assert_eq!(SecretKey::read(same).unwrap_err().code, E::Usage);
    let e = Place::of_passphrase("correct horse".as_ref()).unwrap_err();
    assert!(e.code == E::Usage && !format!("{e:?}").contains("correct"), "{e:?}");
}

/// A bundle, and a shell in its folder with `cumulate` in `$C`.
fn shell(dir: &Path, script: &str) -> std::process::Output {
    let mut sh = Command::new("sh");
    sh.args(["-c", script]).current_dir(dir).env("C", command(dir).get_program()).stdin(Stdio::null());
    sh.output().unwrap()
}

#[test]
fn keys_come_from_descriptors_and_standard_input() {
    let dir = tempfile::tempdir().unwrap();
    common::copy(Path::new("testdata/demo"), &dir.path().join("lantern"));
    common::copy(&at("."), dir.path());
    fs::write(dir.path().join("pass"), "correct horse\n").unwrap();
    let id = PublicKey::read(&at("pub.pem")).unwrap().id().to_string();
    let build = shell(dir.path(), "cat plain.pem | $C build lantern -o l.cup --key - --role built");
    assert!(build.status.success(), "{}", String::from_utf8_lossy(&build.stderr));
    let table = [
        ("standard input", "$C sign l.cup --role a --key - < plain.pem", 0, id.as_str()),
        ("a pipe", "cat scrypt.pem | $C sign l.cup --role b --key - --passphrase file:pass", 0, &id),
        ("a descriptor", "$C sign l.cup --role c --key fd:3 3< plain.pem", 0, &id),
        ("two descriptors", "$C sign l.cup --role d --key fd:3 --passphrase fd:4 3< scrypt.pem 4< pass", 0, &id),
        ("the passphrase piped", "cat pass | $C sign l.cup --role e --key pbkdf2.pem --passphrase -", 0, &id),
        ("descriptor 0", "$C sign l.cup --role f --key fd:0 < plain.pem", 0, &id),
        ("nothing comes", "$C sign l.cup --key - < /dev/null", 4, "bad-key"),
        ("a descriptor that is closed", "$C sign l.cup --key fd:77", 6, "file descriptor 77"),
        ("both from one place", "$C sign l.cup --key - --passphrase - < scrypt.pem", 2, "one place"),
        ("the passphrase itself", "$C sign l.cup --key scrypt.pem --passphrase 'correct horse'", 2, "usage"),
        ("a passphrase without a key", "$C sign l.cup --emit x --passphrase file:pass", 2, "--passphrase"),
    ];
    for (name, script, code, word) in table {
        let out = shell(dir.path(), script);
        let all = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(code), "{name}: {all}");
        assert!(all.contains(word), "{name}: {all}");
        assert!(!all.contains("correct horse") && !all.contains("MC4C"), "{name}: {all}");
    }
    let made = shell(dir.path(), "$C keygen --out mine --passphrase file:pass && $C sign l.cup --key mine.key");
    assert_eq!(made.status.code(), Some(4), "an encrypted key does not sign without its passphrase");
    let used =
        shell(dir.path(), "$C sign l.cup --key mine.key --passphrase file:pass && $C verify l.cup --pub mine.pub");
    assert!(used.status.success(), "{}", String::from_utf8_lossy(&used.stderr));
    assert!(fs::read_to_string(dir.path().join("mine.key")).unwrap().starts_with("-----BEGIN ENCRYPTED PRIVATE"));
}
