//! What was frozen of the contract stays as it is, by the byte: plugins that were built for it stand on that.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// The file beside the frozen folders that has the digest of each file in them, as `sha256sum` writes it.
const DIGESTS: &str = "SHA256SUMS";

/// The names of the frozen contracts, the newest last: a release follows its candidates.
pub(crate) fn names() -> Vec<String> {
    let entries = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap());
    let folders = entries.filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
    let age = |name: &String| match name.strip_prefix("rc-") {
        Some(number) => (
            0,
            number.parse::<u64>().expect("a candidate has a number"),
            String::new(),
        ),
        None => (1, 0, name.clone()),
    };
    names.sort_by_key(age);
    names
}

/// The folder of frozen contracts, one folder each.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/released")
}

/// Where `folder` is not what its digests say. One without frozen contracts has nothing to say.
fn changes(folder: &Path) -> Vec<String> {
    let digests = fs::read_to_string(folder.join(DIGESTS)).unwrap_or_default();
    let frozen = digests
        .lines()
        .map(|line| line.split_once("  ").expect("a digest and a file"));
    let mut frozen: BTreeMap<&str, &str> = frozen.map(|(digest, file)| (file, digest)).collect();
    let mut changes = Vec::new();
    for (file, bytes) in files(folder) {
        let digest: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        match frozen.remove(&*file) {
            Some(frozen) if frozen == digest => {}
            Some(_) => changes.push(format!("{file} is not what was frozen")),
            None => changes.push(format!("{file} was not frozen")),
        }
    }
    changes.extend(frozen.keys().map(|file| format!("{file} is missing")));
    changes
}

/// The files in the frozen folders, by their paths below `folder`.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = |folder: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    let contracts = entries(folder).into_iter().filter(|path| path.is_dir());
    let files = contracts.flat_map(|contract| entries(&contract));
    files
        .map(|file| {
            let name = file.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            (name, fs::read(file).unwrap())
        })
        .collect()
}

#[test]
fn what_was_frozen_is_as_it_was() {
    assert_eq!(changes(&folder()), Vec::<String>::new());
    assert!(!names().is_empty(), "nothing is frozen");
}

#[test]
fn a_byte_that_changes_in_any_file_that_was_frozen_is_found() {
    let place = tempfile::tempdir().unwrap();
    let copy = place.path();
    fs::copy(folder().join(DIGESTS), copy.join(DIGESTS)).unwrap();
    for name in names() {
        fs::create_dir(copy.join(name)).unwrap();
    }
    let frozen = files(&folder());
    for (file, bytes) in &frozen {
        fs::write(copy.join(file), bytes).unwrap();
    }
    assert_eq!(changes(copy), Vec::<String>::new());
    for (file, bytes) in &frozen {
        for at in [0, bytes.len() / 2, bytes.len() - 1] {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            fs::write(copy.join(file), changed).unwrap();
            assert_eq!(changes(copy), [format!("{file} is not what was frozen")]);
        }
        fs::write(copy.join(file), bytes).unwrap();
    }
}

#[test]
fn a_byte_more_less_or_other_and_a_file_more_or_less_are_found() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    assert_eq!(changes(folder), Vec::<String>::new());

    let contract = b"package berth:backend@0.1.0;\n";
    fs::create_dir_all(folder.join("rc-1")).unwrap();
    fs::write(folder.join("rc-1/backend.wit"), contract).unwrap();
    assert_eq!(changes(folder), ["rc-1/backend.wit was not frozen"]);

    let digest: String = Sha256::digest(contract)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    fs::write(folder.join(DIGESTS), format!("{digest}  rc-1/backend.wit\n")).unwrap();
    assert_eq!(changes(folder), Vec::<String>::new());

    let (more, less) = ([contract, &b"\n"[..]].concat(), &contract[..contract.len() - 1]);
    let other = contract.map(|byte| if byte == b'1' { b'2' } else { byte });
    for changed in [&more[..], less, &other] {
        fs::write(folder.join("rc-1/backend.wit"), changed).unwrap();
        assert_eq!(changes(folder), ["rc-1/backend.wit is not what was frozen"]);
    }

    fs::remove_file(folder.join("rc-1/backend.wit")).unwrap();
    fs::write(folder.join("rc-1/rust.wasm"), "").unwrap();
    let both = ["rc-1/rust.wasm was not frozen", "rc-1/backend.wit is missing"];
    assert_eq!(changes(folder), both);
}
