//! Small installations and releases made in memory, for the installer's tests.
#![allow(dead_code, reason = "each test file uses its part")]

pub mod power;

use cumulate::bundle::{Action, Class, Limits, Slice, Step};
use cumulate::delta::{self, Codec, DecodeLimits, Profile};
use cumulate::install::{Release, Route};
use cumulate::report::{Error, ErrorCode};
use cumulate::tree::{Digest, Entry, Tree, TreePath};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::{Arc, Mutex};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    File(Vec<u8>, u32),
    Link(String),
    Folder,
}

/// What a folder holds, by path.
pub type World = BTreeMap<String, Node>;

/// `"path = text"`, `"path * text"` (executable), `"path -> target"`, `"path/"`.
pub fn world(lines: &[&str]) -> World {
    lines
        .iter()
        .map(|line| {
            if let Some((p, t)) = line.split_once(" -> ") {
                (p.to_owned(), Node::Link(t.into()))
            } else if let Some((p, t)) = line.split_once(" = ") {
                (p.to_owned(), Node::File(t.into(), 0o644))
            } else if let Some((p, t)) = line.split_once(" * ") {
                (p.to_owned(), Node::File(t.into(), 0o755))
            } else {
                (line.trim_end_matches('/').to_owned(), Node::Folder)
            }
        })
        .collect()
}

pub fn path(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

pub fn tree(world: &World) -> Tree {
    let entry = |node: &Node| match node {
        Node::File(bytes, mode) => {
            Entry::File { digest: Digest::of(bytes), size: bytes.len() as u64, exec: mode & 0o100 != 0 }
        }
        Node::Link(target) => Entry::Symlink { target: target.clone() },
        Node::Folder => Entry::Folder,
    };
    Tree { entries: world.iter().map(|(p, n)| (path(p), entry(n))).collect() }
}

/// A scratch folder in memory where there is one: these tests sync thousands of times.
pub fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// Lays a world out with fixed times, so that any change of a time shows.
pub fn lay(dir: &Path, world: &World) {
    for (p, node) in world {
        let full = dir.join(p);
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        match node {
            Node::File(bytes, mode) => {
                fs::write(&full, bytes).unwrap();
                fs::set_permissions(&full, fs::Permissions::from_mode(*mode)).unwrap();
            }
            Node::Link(target) => std::os::unix::fs::symlink(target, &full).unwrap(),
            Node::Folder => fs::create_dir_all(&full).unwrap(),
        }
    }
    age(dir);
}

fn age(dir: &Path) {
    let disk = cumulate::disk::Disk::real();
    for item in fs::read_dir(dir).unwrap() {
        let full = item.unwrap().path();
        if fs::symlink_metadata(&full).unwrap().is_dir() {
            age(&full);
        } else {
            disk.set_mtime(&full, 1_500_000_000, 123).unwrap();
        }
    }
    disk.set_mtime(dir, 1_400_000_000, 456).unwrap();
}

/// Every path with kind, full mode, owner, modification time and content; without cumulate's folder.
pub fn listing(dir: &Path) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    walk(dir, "", &mut out);
    out
}

fn walk(dir: &Path, prefix: &str, out: &mut BTreeMap<String, String>) {
    let meta = fs::symlink_metadata(dir).unwrap();
    out.insert(format!("{prefix}."), describe(&meta, "folder"));
    for item in fs::read_dir(dir).unwrap() {
        let item = item.unwrap();
        let name = format!("{prefix}{}", item.file_name().to_str().unwrap());
        if name == ".cumulate" {
            continue;
        }
        let full = item.path();
        let meta = fs::symlink_metadata(&full).unwrap();
        if meta.is_dir() {
            walk(&full, &format!("{name}/"), out);
        } else if meta.is_symlink() {
            out.insert(name, describe(&meta, &format!("-> {}", fs::read_link(&full).unwrap().display())));
        } else {
            out.insert(name, describe(&meta, &String::from_utf8_lossy(&fs::read(&full).unwrap())));
        }
    }
}

fn describe(meta: &fs::Metadata, what: &str) -> String {
    format!("{:o} {}:{} {}.{} {what}", meta.mode(), meta.uid(), meta.gid(), meta.mtime(), meta.mtime_nsec())
}

/// What a folder holds as a tree, without cumulate's own folder.
pub fn tree_of(dir: &Path) -> Tree {
    cumulate::tree::read_source(dir, &cumulate::tree::SourceOptions::default()).unwrap().tree
}

/// A release in memory.
pub struct Made {
    pub version: String,
    pub sequence: Option<u64>,
    pub routes: Vec<Route>,
    pub limits: Limits,
    pack: Arc<Mutex<Vec<u8>>>,
}

pub const LIMITS: Limits = Limits { file: 1 << 20, memory: 64 << 20, paths: 1_000_000, blob: 1 << 20 };

impl Made {
    /// From bases by name to one target; `classes` gives paths other classes than `code`.
    pub fn new(version: &str, bases: &[(&str, &World)], target: &World, classes: &[(&str, Class)]) -> Self {
        let pack = Mutex::new(Vec::new());
        let after = Arc::new(tree(target));
        let class_of =
            |p: &TreePath| classes.iter().find(|(c, _)| *c == p.as_str()).map_or(Class::Code, |(_, class)| *class);
        let put = |codec: Codec, old: Option<&[u8]>, new: &[u8]| {
            let mut pack = pack.lock().unwrap();
            let made = delta::encode(codec, old, new, Profile::Fast).unwrap();
            let offset = pack.len() as u64;
            pack.extend_from_slice(&made.bytes);
            Slice { pack: 0, offset, length: made.bytes.len() as u64 }
        };
        let routes = bases
            .iter()
            .map(|(name, base)| {
                let before = tree(base);
                let twins: BTreeMap<Digest, &TreePath> =
                    before.entries.iter().rev().filter_map(|(p, e)| Some((e.digest()?, p))).collect();
                let all: std::collections::BTreeSet<&TreePath> =
                    before.entries.keys().chain(after.entries.keys()).collect();
                let mut steps = Vec::new();
                let mut config = Vec::new();
                for p in all {
                    let (b, a) = (before.get(p), after.get(p));
                    let class = class_of(p);
                    if a == b {
                        if class == Class::Config {
                            config.push(p.clone());
                        }
                        continue;
                    }
                    let action = match (b, a) {
                        (_, None) => Action::Delete,
                        (_, Some(Entry::Symlink { .. })) => Action::Link,
                        (_, Some(Entry::Folder | Entry::Brief { .. })) => Action::Folder,
                        (b, Some(Entry::File { digest, .. })) => {
                            let Some(Node::File(new, _)) = target.get(p.as_str()) else { unreachable!() };
                            let twin = twins.get(digest);
                            match (b.and_then(Entry::digest), twin, base.get(p.as_str())) {
                                (Some(d), _, _) if d == *digest => Action::Mode,
                                (_, Some(from), _) => Action::Copy { from: TreePath::clone(from) },
                                (Some(_), None, Some(Node::File(old, _))) if class == Class::Code => Action::Delta {
                                    from: p.clone(),
                                    codec: Codec::Bsdiff,
                                    at: put(Codec::Bsdiff, Some(old), new),
                                },
                                _ => Action::Full { at: put(Codec::Full, None, new) },
                            }
                        }
                    };
                    steps.push(Step { path: p.clone(), before: b.cloned(), after: a.cloned(), action, class });
                }
                Route::new(name, "default", after.clone(), steps, config, Vec::new(), &LIMITS).unwrap()
            })
            .collect();
        Self { version: version.into(), sequence: None, routes, limits: LIMITS, pack: Arc::new(pack) }
    }

    pub fn sequence(mut self, sequence: u64) -> Self {
        self.sequence = Some(sequence);
        self
    }

    /// Damages the last byte of all deltas.
    pub fn damage(&self) {
        *self.pack.lock().unwrap().last_mut().unwrap() ^= 1;
    }

    pub fn release(&self) -> Release<'_> {
        let (pack, heads) = (Arc::clone(&self.pack), Arc::clone(&self.pack));
        Release {
            component: "acme".into(),
            version: self.version.clone(),
            bundle: Digest::of(self.version.as_bytes()),
            sequence: self.sequence,
            created: Some(1_700_000_000),
            best_before: None,
            limits: self.limits,
            routes: self.routes.clone(),
            absent: Vec::new(),
            decode: Box::new(move |_, slice, old, new_size, out| {
                let bytes =
                    pack.lock().unwrap()[slice.offset as usize..(slice.offset + slice.length) as usize].to_vec();
                delta::decode_proved(&bytes, old, DecodeLimits { new_size, memory: LIMITS.memory }, out)
                    .map_err(|e| Error::new(ErrorCode::BadDelta, "pack", e))
            }),
            needs: Box::new(move |_, slice, old| {
                let head = delta::header(&heads.lock().unwrap()[slice.offset as usize..]);
                head.map(|h| delta::decode_memory(&h, old)).map_err(|e| Error::new(ErrorCode::BadDelta, "pack", e))
            }),
        }
    }
}

/// A base and a target between which every kind of step stands.
pub fn everything() -> (World, World) {
    let base = world(&[
        "bin/tool * old tool",
        "bin/helper = helper",
        "lib/core = core 1",
        "lib/same = same",
        "lib/moved-from = moved",
        "lib/old/a = a",
        "lib/old/deep/b = b",
        "lib/current -> core",
        "lib/plain = a file that becomes a link",
        "lib/link -> core",
        "turn = a file that becomes a folder",
        "swap/inner = a folder that becomes a file",
        "etc/app.conf = pristine",
        "etc/edited.conf = pristine too",
        "var/",
    ]);
    let target = world(&[
        "bin/tool * new tool",
        "bin/helper * helper",
        "lib/core = core 2",
        "lib/same = same",
        "lib/moved/to = moved",
        "lib/new = new",
        "lib/current -> new",
        "lib/plain -> new",
        "lib/link = a link that became a file",
        "turn/inside = in the new folder",
        "swap = a file by now",
        "etc/app.conf = pristine 2",
        "etc/edited.conf = pristine too 2",
        "spool/",
    ]);
    (base, target)
}

pub const CONFIG: &[(&str, Class)] = &[("etc/app.conf", Class::Config), ("etc/edited.conf", Class::Config)];

/// What an installation of [`everything`] looks like, with a local edit and files of the site's.
pub fn lived_in(base: &World) -> World {
    let mut here = base.clone();
    here.insert("etc/edited.conf".into(), Node::File("edited by hand".into(), 0o600));
    here.insert("site/notes".into(), Node::File("mine".into(), 0o640));
    here.insert("lib/old/mine".into(), Node::File("also mine".into(), 0o644));
    here.insert("bin/tool".into(), Node::File("old tool".into(), 0o4750));
    here
}

/// The same after the apply.
pub fn lived_in_after(target: &World) -> World {
    let mut here = target.clone();
    here.insert("etc/edited.conf".into(), Node::File("edited by hand".into(), 0o600));
    here.insert("etc/edited.conf.new".into(), Node::File("pristine too 2".into(), 0o600));
    here.insert("site/notes".into(), Node::File("mine".into(), 0o640));
    here.insert("lib/old/mine".into(), Node::File("also mine".into(), 0o644));
    here
}

impl Made {
    /// The release as an unsigned `.cup` file.
    pub fn write(&self, file: &Path) {
        use cumulate::bundle::{self, BaseDraft, Blobs, Draft, Steps, TrackDraft};
        let mut blobs = Blobs::new();
        let pack = blobs.add(self.pack.lock().unwrap().clone());
        let draft = Draft {
            component: "acme".into(),
            release: bundle::Release {
                version: self.version.clone(),
                sequence: self.sequence,
                created: None,
                best_before: None,
            },
            tracks: vec![TrackDraft {
                name: "default".into(),
                branch: String::new(),
                platform: String::new(),
                version: self.version.clone(),
                target: Tree::clone(&self.routes[0].after),
                provenance: bundle::Provenance::default(),
            }],
            fixes: Vec::new(),
            graph: bundle::Graph::default(),
            bases: self
                .routes
                .iter()
                .map(|r| BaseDraft {
                    name: r.name.clone(),
                    track: r.track.clone(),
                    before: r.before.clone(),
                    steps: Steps { steps: r.steps.clone(), config: r.config.iter().cloned().collect() },
                    packs: vec![pack],
                    memory: 32 << 20,
                    fixes: Vec::new(),
                    hooks: r.hooks.clone(),
                })
                .collect(),
        };
        let package = draft.assemble(&mut blobs).unwrap();
        bundle::write_file(&package, &blobs, &cumulate::disk::Disk::real(), file).unwrap();
    }
}
