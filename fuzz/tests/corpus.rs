//! Replays the corpus through the fuzz targets, and holds the places that name a target together.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use sockeye_fuzz::{TARGETS, Target};

fn fuzz_folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The names of what is in a folder of this crate, in order.
fn names_in(folder: &Path) -> Vec<String> {
    let shown = folder.display();
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{shown}: {error}"));
    let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let mut names: Vec<String> =
        entries.map(|entry| name(entry.expect("a folder of ours can be read"))).collect();
    names.sort();
    names
}

fn replay(name: &str, target: Target) {
    let folder = fuzz_folder("corpus").join(name);
    let inputs = names_in(&folder);
    assert!(!inputs.is_empty(), "{} has no input", folder.display());
    for input in inputs {
        let input = folder.join(input);
        let data = fs::read(&input).expect("a corpus file can be read");
        let held = std::panic::catch_unwind(|| target(&data));
        assert!(held.is_ok(), "the target {name} fails on {}", input.display());
    }
}

#[test]
fn every_target_holds_for_its_corpus() {
    for (name, target) in TARGETS {
        replay(name, *target);
    }
}

#[test]
fn every_target_has_a_function_a_corpus_a_file_and_a_binary() {
    let functions: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let corpora: BTreeSet<String> = names_in(&fuzz_folder("corpus")).into_iter().collect();
    assert_eq!(corpora, functions, "the folders in corpus are the targets");

    let without_rs = |file: String| file.strip_suffix(".rs").map(str::to_owned);
    let files = names_in(&fuzz_folder("fuzz_targets")).into_iter().filter_map(without_rs);
    assert_eq!(files.collect::<BTreeSet<_>>(), functions, "the files in fuzz_targets are too");

    let manifest = fs::read_to_string(fuzz_folder("Cargo.toml")).unwrap();
    let (_, binaries) = manifest.split_once("[[bin]]").unwrap();
    let named = |line: &str| {
        line.strip_prefix("name = \"").and_then(|rest| rest.strip_suffix('"')).map(str::to_owned)
    };
    let binaries: BTreeSet<String> = binaries.lines().filter_map(named).collect();
    assert_eq!(binaries, functions, "and so are the binaries in Cargo.toml");
}

#[test]
fn every_binary_is_built_for_the_fuzzer_only() {
    let manifest = fs::read_to_string(fuzz_folder("Cargo.toml")).unwrap();
    for binary in manifest.split("[[bin]]").skip(1) {
        assert!(binary.contains("required-features = [\"libfuzzer\"]"), "{binary}");
    }
}

#[test]
fn every_file_calls_the_function_of_its_name() {
    for (name, _) in TARGETS {
        let file = fuzz_folder("fuzz_targets").join(format!("{name}.rs"));
        let text = fs::read_to_string(&file).unwrap();
        let call =
            format!("libfuzzer_sys::fuzz_target!(|data: &[u8]| sockeye_fuzz::{name}(data));");
        assert!(text.contains(&call), "{} does not say {call}", file.display());
    }
}
