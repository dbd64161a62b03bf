//! Hostile input as a carrier or a contributor would send it: a golden bundle with bits flipped and its end cut off, and
//! the shapes of published vulnerabilities of other tools, each refused in bounded memory and with nothing written.

#[path = "common/mod.rs"]
mod common;
mod support;

use common::{Numbers, cumulate, exact};
use cumulate::bundle;
use cumulate::delta::{self, DecodeLimits};
use cumulate::disk::Disk;
use cumulate::install::Options;
use cumulate::report::ErrorCode;
use cumulate::tree::{Digest, SourceOptions, read_source};
use cumulate::trust::{Envelope, Policy, SecretKey};
use cumulate::verb::{self, Belief};
use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts bytes that are allocated now, and the most that ever were.
struct Counting;
static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is the system allocator's; this only counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(now, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// One measurement at a time.
static MEASURING: Mutex<()> = Mutex::new(());

/// The result, and the bytes that getting it took at most beyond what was there.
fn measured<T>(run: impl FnOnce() -> T) -> (T, usize) {
    let before = NOW.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    let result = run();
    (result, MOST.load(Ordering::Relaxed).saturating_sub(before))
}

/// What section 7 of the format lets a reader spend on a bundle of this size: its documents, whole, and their chunks.
const CONTRACT: usize = 16 << 20;

/// Applies damaged copies of a signed bundle: `flips` random bits, and every `cut`-th truncation.
fn damage(flips: usize, cut: usize) {
    let _alone = MEASURING.lock().unwrap_or_else(|e| e.into_inner());
    let dir = tempfile::tempdir().unwrap();
    let (file, installed) = (dir.path().join("g.cup"), dir.path().join("installed"));
    let key = SecretKey::generate().unwrap();
    let (mut package, blobs) = support::golden().package();
    package.add_envelope(Envelope::sign(package.statement("release").to_payload(), &key).to_json()).unwrap();
    bundle::write_file(&package, &blobs, &Disk::real(), &file).unwrap();
    let (tree, contents) = support::tree(support::BASE_1);
    for (path, bytes) in &contents {
        let full = path.under(&installed);
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        fs::write(&full, bytes).unwrap();
    }
    assert!(!tree.is_empty());
    let belief = Belief { policy: Some(Policy::of_keys([key.public().clone()]).unwrap()), now: 1, ..Belief::default() };
    let apply = || verb::apply(&Disk::real(), &file, &installed, &belief, Options::default());
    let before = exact(&installed);
    let whole = fs::read(&file).unwrap();
    let refused = |what: &str| {
        let (result, most) = measured(apply);
        let e = result.map(|_| ()).expect_err(what);
        let codes = [ErrorCode::BadBundle, ErrorCode::UnknownFormat, ErrorCode::Limit];
        assert!(codes.contains(&e.code), "{what}: {e}");
        assert!(most <= CONTRACT, "{what}: {most} bytes");
    };
    let mut numbers = Numbers(20_261_125);
    for n in 0..flips {
        let (at, bit) = (numbers.below(whole.len()), numbers.below(8));
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << bit;
        fs::write(&file, &damaged).unwrap();
        refused(&format!("flip {n}: bit {bit} of byte {at}"));
    }
    let mut cuts = 0;
    for end in (0..whole.len()).step_by(cut) {
        fs::write(&file, &whole[..end]).unwrap();
        refused(&format!("cut at {end}"));
        cuts += 1;
    }
    assert_eq!(exact(&installed), before, "not one byte was written");
    println!("{} bytes: {flips} flips and {cuts} truncations refused", whole.len());
}

#[test]
fn a_damaged_bundle_is_refused_before_a_byte_is_written() {
    damage(300, 97);
}

#[test]
#[ignore = "long: ten thousand flipped bits and every truncation"]
fn ten_thousand_flipped_bits_and_every_truncation_are_refused() {
    damage(10_000, 1);
}

fn varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// A `bsdiff` delta with these control tuples, as `docs/delta-format.md` spells it, over `old`.
fn bsdiff(old: &[u8], new_size: u64, tuples: &[(u64, u64, i64)], extra: &[u8]) -> Vec<u8> {
    let mut out = vec![0x12];
    varint(&mut out, new_size);
    varint(&mut out, 1024);
    out.extend(&Digest::of(old).0[..4]);
    out.extend([0; 4]);
    out.push(0);
    let mut control = Vec::new();
    for (add, copy, seek) in tuples {
        varint(&mut control, *add);
        varint(&mut control, *copy);
        varint(&mut control, ((seek << 1) ^ (seek >> 63)) as u64);
    }
    for stream in [&control[..], &vec![0; old.len()], extra] {
        varint(&mut out, stream.len() as u64 * 2);
        out.extend(stream);
    }
    out
}

/// CVE-2014-9862 and CVE-2020-14315: bspatch believed lengths that are negative as signed numbers, or huge.
#[test]
fn cve_2014_9862_and_2020_14315_control_tuples_that_lie() {
    let _alone = MEASURING.lock().unwrap_or_else(|e| e.into_inner());
    let old = [7u8; 64];
    let most = u64::MAX;
    for (what, size, tuples) in [
        ("a negative add", 64, &[(most, 0, 0)][..]),
        ("a negative copy", 64, &[(0, most, 0)]),
        ("the smallest negative add", 64, &[(1 << 63, 0, 0)]),
        ("add and copy that overflow together", 64, &[(64, most - 63, 0)]),
        ("an add past the old file", 128, &[(65, 0, 0)]),
        ("a copy past the new file", 64, &[(0, 65, 0)]),
        ("a seek before the old file", 64, &[(1, 0, -2), (63, 0, 0)]),
        ("a seek far behind it", 64, &[(1, 0, i64::MAX), (63, 0, 0)]),
        ("the smallest seek", 64, &[(1, 0, i64::MIN), (63, 0, 0)]),
        ("a result of an exabyte", 1 << 60, &[(64, 0, 0)]),
        ("fewer bytes than promised", 64, &[(63, 0, 0)]),
    ] {
        let hostile = bsdiff(&old, size, tuples, &[]);
        let (done, most) =
            measured(|| delta::decode(&hostile, &old, DecodeLimits { new_size: 1 << 20, memory: 8 << 20 }));
        assert!(done.is_err(), "{what}");
        assert!(most <= 8 << 20, "{what}: {most} bytes");
    }
}

/// A release whose base is `base` and whose one fix is `patch`.
fn release(base: &dyn Fn(&Path), patch: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("rel/fixes")).unwrap();
    fs::create_dir_all(dir.path().join("rel/base")).unwrap();
    fs::create_dir_all(dir.path().join("outside")).unwrap();
    fs::write(dir.path().join("outside/secret"), "1\n").unwrap();
    base(&dir.path().join("rel/base"));
    fs::write(dir.path().join("rel/fixes/EVIL.patch"), patch).unwrap();
    fs::write(
        dir.path().join("rel/cumulate.toml"),
        "[component]\nname = \"a\"\n[release]\nversion = \"2\"\nfrom = \"1\"\n[[base]]\nversion = \"1\"\nsource = \"base\"\n",
    )
    .unwrap();
    dir
}

/// What it is, the base, and the patch.
type Patch<'a> = (&'a str, &'a dyn Fn(&Path), String);

/// Patches that made other tools write where they should not.
#[test]
fn patches_of_published_vulnerabilities_are_refused() {
    let plain = |d: &Path| fs::write(d.join("file"), "1\n").unwrap();
    let linked = |d: &Path| {
        plain(d);
        std::os::unix::fs::symlink("../../outside/secret", d.join("link")).unwrap();
        std::os::unix::fs::symlink("../../outside", d.join("folder")).unwrap();
    };
    let hunk = "@@ -1 +1 @@\n-1\n+2\n";
    let link_to = |name: &str, to: &str| {
        format!(
            "diff --git a/{name} b/{name}\nnew file mode 120000\n--- /dev/null\n+++ b/{name}\n@@ -0,0 +1 @@\n+{to}\n\\ No newline at end of file\n"
        )
    };
    let below = |path: &str| {
        format!("diff --git a/{path} b/{path}\nnew file mode 100644\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x\n")
    };
    let table: Vec<Patch<'_>> = vec![
        ("CVE-2023-23946: a link, then a file through it", &plain, link_to("l", "../../outside") + &below("l/new")),
        (
            "CVE-2023-23946: a link that is renamed, then a file through the new name",
            &linked,
            "diff --git a/folder b/moved\nsimilarity index 100%\nrename from folder\nrename to moved\n".to_owned()
                + &below("moved/new"),
        ),
        (
            "CVE-2023-23946: a folder's file renamed away, a link in its place, a file through it",
            &|d| {
                fs::create_dir(d.join("sub")).unwrap();
                fs::write(d.join("sub/f"), "1\n").unwrap();
            },
            "diff --git a/sub/f b/f\nsimilarity index 100%\nrename from sub/f\nrename to f\n".to_owned()
                + &link_to("sub", "../../outside")
                + &below("sub/secret"),
        ),
        (
            "CVE-2019-13636: a hunk for a file where the base has a link",
            &linked,
            format!("--- a/link\n+++ b/link\n{hunk}"),
        ),
        (
            "CVE-2019-13636: a hunk behind a link to a folder",
            &linked,
            format!("--- a/folder/secret\n+++ b/folder/secret\n{hunk}"),
        ),
        ("CVE-2018-1000156: an ed script", &plain, "--- a/file\n+++ b/file\n1337a\n!touch outside/x\n.\n".into()),
        ("CVE-2018-1000156: an ed script alone", &plain, "1d\n2,3c\n!touch outside/x\n.\nw\n".into()),
        ("CVE-2010-4651: a name that climbs", &plain, format!("--- a/../../outside/secret\n+++ b/../../outside/secret\n{hunk}")),
        ("CVE-2015-1196: a link out of the tree, then its target", &plain, link_to("l", "/tmp") + &below("l/x")),
        ("an absolute name", &plain, format!("--- a//etc/passwd\n+++ b//etc/passwd\n{hunk}")),
        ("a C-quoted name that climbs", &plain, format!("--- \"a/\\056\\056/x\"\n+++ \"b/\\056\\056/x\"\n{hunk}")),
        ("a C-quoted absolute name", &plain, format!("--- \"a/\\057etc\\057passwd\"\n+++ \"b/\\057etc\\057passwd\"\n{hunk}")),
        ("a C-quoted name with a NUL", &plain, format!("--- \"a/x\\000y\"\n+++ \"b/x\\000y\"\n{hunk}")),
        ("a name with a backslash", &plain, format!("--- \"a/x\\\\y\"\n+++ \"b/x\\\\y\"\n{hunk}")),
        ("a name into cumulate's own folder", &plain, below(".cumulate/journal")),
        (
            "a git binary size that lies",
            &plain,
            "diff --git a/x b/x\nnew file mode 100644\nindex 0000000..1111111\nGIT binary patch\nliteral 99999999999\nKcmZQzU|?Vb00961\n\n".into(),
        ),
    ];
    for (what, base, patch) in table {
        let dir = release(base, &patch);
        let before = exact(dir.path());
        let run = cumulate(dir.path(), &["build", "rel", "-o", "evil.cup", "--no-cache"]);
        assert!([1, 3].contains(&run.code), "{what}: exit {}\n{}{}", run.code, run.stdout, run.stderr);
        assert!((run.stdout + &run.stderr).contains("EVIL"), "{what}: the fix is named");
        assert_eq!(exact(dir.path()), before, "{what}: nothing was written");
    }
}

/// One entry of a tar archive: name, kind, link, content.
type Item<'a> = (&'a [u8], u8, &'a [u8], &'a [u8]);

fn tar(items: &[Item<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, kind, link, content) in items {
        let mut head = [0u8; 512];
        head[..name.len()].copy_from_slice(name);
        head[100..108].copy_from_slice(b"0000644\0");
        head[108..116].copy_from_slice(b"0000000\0");
        head[116..124].copy_from_slice(b"0000000\0");
        head[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
        head[136..148].copy_from_slice(b"00000000000\0");
        head[148..156].copy_from_slice(b"        ");
        head[156] = *kind;
        head[157..157 + link.len()].copy_from_slice(link);
        head[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = head.iter().map(|b| u32::from(*b)).sum();
        head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        out.extend(head);
        out.extend(*content);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

#[test]
fn archives_that_lie_about_their_entries_are_refused() {
    let f: Item<'_> = (b"v/f", b'0', b"", b"1");
    let table: &[(&str, Vec<Item<'_>>)] = &[
        ("a name twice", vec![f, (b"v/f", b'0', b"", b"2")]),
        ("a name twice, spelt otherwise", vec![f, (b"v/./f", b'0', b"", b"2")]),
        ("a file and a folder of one name", vec![f, (b"v/f/g", b'0', b"", b"2")]),
        ("a link and a file below it", vec![(b"v/l", b'2', b"/tmp", b""), (b"v/l/f", b'0', b"", b"1")]),
        ("a name that climbs", vec![f, (b"v/../../f", b'0', b"", b"1")]),
        ("a hard link out of the tree", vec![f, (b"v/h", b'1', b"../../etc/passwd", b"")]),
        ("an absolute hard link", vec![f, (b"v/h", b'1', b"/etc/passwd", b"")]),
        ("a hard link to what is not there", vec![f, (b"v/h", b'1', b"v/later", b"")]),
        ("a character device", vec![f, (b"v/d", b'3', b"", b"")]),
        ("a block device", vec![f, (b"v/d", b'4', b"", b"")]),
        ("a pipe", vec![f, (b"v/p", b'6', b"", b"")]),
        ("a backslash", vec![f, (b"v/a\\b", b'0', b"", b"1")]),
        ("a control character", vec![f, (b"v/a\nb", b'0', b"", b"1")]),
        ("no UTF-8", vec![f, (b"v/\xff", b'0', b"", b"1")]),
        ("the installer's own folder", vec![f, (b".cumulate/journal", b'0', b"", b"1"), (b"g", b'0', b"", b"1")]),
    ];
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("v.tar");
    for (what, items) in table {
        fs::write(&file, tar(items)).unwrap();
        let e = read_source(&file, &SourceOptions::default()).map(|_| ()).expect_err(what);
        assert!([ErrorCode::BadSource, ErrorCode::BadPath].contains(&e.code), "{what}: {e}");
    }
    fs::write(&file, tar(&[f])).unwrap();
    read_source(&file, &SourceOptions::default()).unwrap();
    let whole = fs::read(&file).unwrap();
    let mut lies = whole.clone();
    lies[124..136].copy_from_slice(b"77777777777\0");
    lies[148..156].copy_from_slice(b"        ");
    let sum: u32 = lies[..512].iter().map(|b| u32::from(*b)).sum();
    lies[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    fs::write(&file, &lies).unwrap();
    let _alone = MEASURING.lock().unwrap_or_else(|e| e.into_inner());
    let (result, most) = measured(|| read_source(&file, &SourceOptions::default()));
    assert!(result.is_err() && most < 4 << 20, "a size of 8 GiB that lies: {most} bytes");
}
