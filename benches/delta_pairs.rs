//! One delta per pair of released files (`shared/corpus/delta-pairs.sh`, `benches/pairs.sh`): the engine beside every peer that this machine
//! has, on the same inputs in the same run. Every delta is applied and compared.
//!
//!     CUMULATE_PAIRS=/work/pairs cargo bench --bench delta_pairs -- [PAIR...]
//!
//! Peers: Debian's `bsdiff`, `xdelta3` and `zstd`; `hdiffz` and `hpatchz` on PATH, else PyPI's `hdiffpatch` in the Python
//! that CUMULATE_PYTHON names (`python3` without it). The best figure that was ever stored for a pair stands beside them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[path = "support/cost.rs"]
mod measure;
use measure::{Cost, cost};

/// Pairs, and of some the smallest patch of bsdiff 4.3, hdiffz, Zucchini, zstd 22, bidiff, bsdiff crate + xz, as
/// measured before this engine.
const PAIRS: &[(&str, Option<u64>)] = &[
    ("certifi-pem", Some(43)),
    ("typescript-js", Some(517)),
    ("mdi-ttf", Some(6_644)),
    ("tzdata-tar", Some(1_164)),
    ("typescript-tgz", Some(3_955_165)),
    ("closure-jar", Some(9_518_119)),
    ("numpy-whl", Some(11_647_757)),
    ("esbuild-x64", Some(189_388)),
    ("esbuild-arm64", Some(145_088)),
    ("esbuild-win", Some(111_232)),
    ("numpy-x64", Some(78_884)),
    ("cryptography-x64", Some(646_995)),
    ("ruff-x64", Some(2_236_104)),
    ("ruff-win", Some(1_481_812)),
    ("swc-x64", Some(813_888)),
    ("swc-arm64", Some(931_656)),
    ("biome-x64", Some(2_840_016)),
    ("duckdb-x64", Some(2_197_833)),
    ("bun-x64", Some(3_601_908)),
    ("esbuild-mac-arm64", None),
    ("esbuild-x86", None),
    ("esbuild-arm", None),
    ("esbuild-riscv64", None),
    ("esbuild-wasm", None),
    ("esbuild-tgz", None),
    ("rollup-mac-arm64", None),
    ("rollup-mac-x64", None),
    ("rollup-win-x64", None),
    ("rollup-win-x86", None),
    ("rollup-arm", None),
    ("vips-x64", None),
    ("vips-win-x64", None),
    ("lmdb-debug", None),
    ("fsevents-universal", None),
    ("ruff-whl", None),
    ("pydantic-whl", None),
];

/// One way from two files to a patch and back.
struct Tool {
    name: &'static str,
    ours: bool,
    encode: fn(&Files) -> Command,
    decode: fn(&Files) -> Command,
}

struct Files {
    old: PathBuf,
    new: PathBuf,
    patch: PathBuf,
    out: PathBuf,
    old_size: u64,
}

const TOOLS: &[Tool] = &[
    Tool { name: "fast", ours: true, encode: |f| ours(f, "fast"), decode: undo },
    Tool { name: "balanced", ours: true, encode: |f| ours(f, "balanced"), decode: undo },
    Tool { name: "small", ours: true, encode: |f| ours(f, "small"), decode: undo },
    Tool {
        name: "bsdiff",
        ours: false,
        encode: |f| command("bsdiff", &[&f.old, &f.new, &f.patch]),
        decode: |f| command("bspatch", &[&f.old, &f.out, &f.patch]),
    },
    Tool {
        name: "xdelta3",
        ours: false,
        encode: |f| {
            let mut c = Command::new("xdelta3");
            c.args(["-e", "-f", "-9", "-S", "lzma", "-B", &f.old_size.max(1 << 26).to_string(), "-s"]);
            c.args([&f.old, &f.new, &f.patch]);
            c
        },
        decode: |f| {
            let mut c = Command::new("xdelta3");
            c.args(["-d", "-f", "-B", &f.old_size.max(1 << 26).to_string(), "-s"]).args([&f.old, &f.patch, &f.out]);
            c
        },
    },
    Tool {
        name: "zstd",
        ours: false,
        encode: |f| {
            let mut c = Command::new("zstd");
            c.args(["-q", "-f", "--ultra", "-22", "--long=31"]).arg(format!("--patch-from={}", f.old.display()));
            c.arg(&f.new).arg("-o").arg(&f.patch);
            c
        },
        decode: |f| {
            let mut c = Command::new("zstd");
            c.args(["-q", "-f", "-d", "--long=31"]).arg(format!("--patch-from={}", f.old.display()));
            c.arg(&f.patch).arg("-o").arg(&f.out);
            c
        },
    },
    Tool { name: "hdiffz", ours: false, encode: hdiff, decode: hpatch },
];

fn command(program: &str, paths: &[&PathBuf]) -> Command {
    let mut c = Command::new(program);
    c.args(paths);
    c
}

fn ours(f: &Files, profile: &str) -> Command {
    let mut c = Command::new(env!("CARGO_BIN_EXE_cumulate"));
    c.args(["delta", "encode", "--force", "--profile", profile]).args([&f.old, &f.new]).arg("-o").arg(&f.patch);
    c
}

fn undo(f: &Files) -> Command {
    let mut c = Command::new(env!("CARGO_BIN_EXE_cumulate"));
    c.args(["delta", "decode", "--force"]).args([&f.old, &f.patch]).arg("-o").arg(&f.out);
    c
}

fn python(code: &str, paths: [&PathBuf; 3]) -> Command {
    let mut c = Command::new(std::env::var_os("CUMULATE_PYTHON").unwrap_or_else(|| "python3".into()));
    c.args(["-c", code]).args(paths);
    c
}

fn hdiff(f: &Files) -> Command {
    if has(Command::new("hdiffz").arg("-v")) {
        let mut c = Command::new("hdiffz");
        c.args(["-f", "-m-1", "-block-0", "-cache", "-c-lzma2-9-128m"]).args([&f.old, &f.new, &f.patch]);
        return c;
    }
    let code = "import sys, hdiffpatch as h\na, b = (open(p, 'rb').read() for p in sys.argv[1:3])\n\
                open(sys.argv[3], 'wb').write(h.diff(a, b, compression=h.COMPRESSION_LZMA2))";
    python(code, [&f.old, &f.new, &f.patch])
}

fn hpatch(f: &Files) -> Command {
    if has(Command::new("hpatchz").arg("-v")) {
        return command("hpatchz", &[&PathBuf::from("-f"), &f.old, &f.patch, &f.out]);
    }
    let code = "import sys, hdiffpatch as h\na, d = (open(p, 'rb').read() for p in sys.argv[1:3])\n\
                open(sys.argv[3], 'wb').write(h.apply(a, d))";
    python(code, [&f.old, &f.patch, &f.out])
}

/// Whether a command can be started and ends well or badly, but is there.
fn has(c: &mut Command) -> bool {
    c.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.code() != Some(127))
}

fn present(tool: &Tool) -> bool {
    match tool.name {
        "hdiffz" => {
            has(Command::new("hdiffz").arg("-v"))
                || python("import hdiffpatch", [&PathBuf::new(), &PathBuf::new(), &PathBuf::new()])
                    .stderr(Stdio::null())
                    .status()
                    .is_ok_and(|s| s.success())
        }
        "bsdiff" | "xdelta3" | "zstd" => has(Command::new(tool.name).arg("-V")),
        _ => true,
    }
}

fn main() {
    let Some(folder) = std::env::var_os("CUMULATE_PAIRS").map(PathBuf::from) else {
        println!("CUMULATE_PAIRS names no folder of pairs");
        return;
    };
    let chosen: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let (tools, absent): (Vec<&Tool>, Vec<&Tool>) = TOOLS.iter().partition(|t| present(t));
    for tool in absent {
        println!("{} is absent", tool.name);
    }
    println!(
        "ratio: to the best peer of the pair, here or stored; 10, 50, 200: seconds of download and decoding at so many Mbit/s"
    );
    let mut ratios: Vec<(&str, f64)> = Vec::new();
    let mut totals = vec![(Cost::default(), Cost::default()); tools.len()];
    for (name, stored) in PAIRS {
        if chosen.is_empty() || chosen.iter().any(|c| name.contains(c.as_str())) {
            pair(&folder.join(name), name, *stored, &tools, &mut ratios, &mut totals);
        }
    }
    println!();
    for (tool, (encode, decode)) in tools.iter().zip(&totals) {
        let mib = |c: &Cost| c.kib / 1024;
        println!(
            "{}: encoding {:.1} s CPU, at most {} MiB; decoding {:.2} s CPU, at most {} MiB",
            tool.name,
            encode.cpu,
            mib(encode),
            decode.cpu,
            mib(decode)
        );
    }
    for tool in tools.iter().filter(|t| t.ours) {
        let logs: Vec<f64> = ratios.iter().filter(|r| r.0 == tool.name).map(|r| r.1.ln()).collect();
        if !logs.is_empty() {
            let mean = (logs.iter().sum::<f64>() / logs.len() as f64).exp();
            println!("{}: geometric mean of {} ratios {mean:.3}", tool.name, logs.len());
        }
    }
}

fn pair<'t>(
    folder: &Path,
    name: &str,
    stored: Option<u64>,
    tools: &[&'t Tool],
    ratios: &mut Vec<(&'t str, f64)>,
    totals: &mut [(Cost, Cost)],
) {
    let (old, new) = (folder.join("old"), folder.join("new"));
    let (Ok(old_size), Ok(new_size)) = (fs::metadata(&old).map(|m| m.len()), fs::metadata(&new).map(|m| m.len()))
    else {
        println!("\n{name} is not in the folder");
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    let files = Files { old, new, patch: scratch.path().join("patch"), out: scratch.path().join("out"), old_size };
    let rows: Vec<_> = tools
        .iter()
        .zip(totals)
        .map(|(tool, total)| {
            let encode = cost(&mut (tool.encode)(&files));
            let size = fs::metadata(&files.patch).unwrap().len();
            let decode = cost(&mut (tool.decode)(&files));
            assert!(fs::read(&files.out).unwrap() == fs::read(&files.new).unwrap(), "{name} by {}", tool.name);
            total.0.add(encode);
            total.1.add(decode);
            (*tool, size, encode, decode)
        })
        .collect();
    let best = rows.iter().filter(|r| !r.0.ours).map(|r| r.1).chain(stored).min().unwrap_or(new_size);
    let known = stored.map_or(String::new(), |s| format!("; the best stored peer had {s} B"));
    println!("\n{name}: {new_size} B{known}");
    println!(
        "{:>9} {:>10} {:>7} {:>7} {:>6} {:>7} {:>6} {:>6} {:>7} {:>7} {:>7}",
        "tool", "bytes", "ratio", "enc s", "MiB", "dec s", "MiB", "MB/s", "10", "50", "200"
    );
    for (tool, size, encode, decode) in rows {
        let ratio = size as f64 / best as f64;
        let patched = |mbit: f64| size as f64 * 8.0 / (mbit * 1e6) + decode.cpu;
        println!(
            "{:>9} {size:>10} {ratio:>7.4} {:>7.1} {:>6} {:>7.2} {:>6} {:>6.1} {:>7.2} {:>7.2} {:>7.2}",
            tool.name,
            encode.cpu,
            encode.kib / 1024,
            decode.cpu,
            decode.kib / 1024,
            new_size as f64 / 1e6 / decode.cpu.max(0.01),
            patched(10.0),
            patched(50.0),
            patched(200.0),
        );
        if tool.ours {
            ratios.push((tool.name, ratio));
        }
    }
}
