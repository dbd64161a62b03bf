//! Routes over real releases: `cargo test --test route_corpus -- --ignored --nocapture` prints each base's bytes.

use cumulate::bundle::{Action, Class};
use cumulate::delta::{DecodeLimits, Profile, decode};
use cumulate::route::{pack, route};
use cumulate::tree::{Digest, Source, SourceOptions, read_source};
use std::path::PathBuf;

fn read(path: PathBuf) -> Source {
    read_source(&path, &SourceOptions::default()).unwrap()
}

#[test]
#[ignore = "corpus"]
fn every_base_of_real_binaries_reaches_the_target_by_its_steps() {
    let root = std::env::var_os("CUMULATE_CORPUS").map_or_else(|| "../shared/corpus/data".into(), PathBuf::from);
    for set in ["npm-esbuild-linux-0.25", "pypi-cryptography-42.0-linux"] {
        let mut target = read(root.join(set).join("target"));
        let mut names: Vec<PathBuf> =
            std::fs::read_dir(root.join(set).join("bases")).unwrap().map(|e| e.unwrap().path()).collect();
        names.sort();
        let mut bases = Vec::new();
        for name in &names {
            let source = read(name.clone());
            target.store.absorb(source.store);
            bases.push(source.tree);
        }
        let routes: Vec<_> = bases.iter().map(|b| route(b, &target.tree, &target.store, &|_| Class::Code)).collect();
        let packed = pack(&routes, &target.store, Profile::Balanced, None, &|_| {}).unwrap();
        for ((base, mine), name) in bases.iter().zip(&packed.bases).zip(&names) {
            let download: usize = mine.packs.iter().map(|p| packed.packs[*p].len()).sum();
            println!("{set} {:10} {download} bytes", name.file_name().unwrap().to_string_lossy());
            for step in &mine.steps.steps {
                let limits =
                    DecodeLimits { new_size: step.after.as_ref().map_or(0, |e| e.size()), memory: mine.memory };
                let (from, at) = match &step.action {
                    Action::Delta { from, at, .. } => (Some(from), at),
                    Action::Full { at } => (None, at),
                    _ => continue,
                };
                let old = from.map(|f| target.store.get(&base.get(f).unwrap().digest().unwrap()).unwrap());
                let pack = &packed.packs[mine.packs[at.pack as usize]];
                let delta = &pack[at.offset as usize..(at.offset + at.length) as usize];
                let new = decode(delta, old.as_deref().unwrap_or_default(), limits).unwrap();
                assert_eq!(Some(Digest::of(&new)), step.after.as_ref().unwrap().digest(), "{}", step.path);
            }
        }
    }
}
