//! What the examples export and import as components.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use wit_component::{DecodedWasm, decode};

const TARGET: &str = "wasm32-wasip2";

/// What a component exports and imports of the contract, in order.
fn of_the_contract(example: &str) -> (Vec<String>, Vec<String>) {
    let bytes = fs::read(built(example)).unwrap();
    let DecodedWasm::Component(resolve, world) = decode(&bytes).unwrap() else {
        panic!("{example} is not a component");
    };
    let world = &resolve.worlds[world];
    let names = |keys: Vec<_>| {
        let names = keys.into_iter().map(|key| resolve.name_world_key(key));
        let ours =
            names.filter_map(|name| Some(name.strip_prefix("berth:backend/")?.strip_suffix("@0.1.0")?.to_owned()));
        let mut ours: Vec<_> = ours.collect();
        ours.sort();
        ours
    };
    (
        names(world.exports.keys().collect()),
        names(world.imports.keys().collect()),
    )
}

/// Builds an example in the common target folder, which the cargo that runs the tests does not lock meanwhile.
#[allow(
    clippy::disallowed_methods,
    reason = "this starts cargo, and is not a program of a backend"
)]
fn built(example: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let status = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args([
            "build",
            "--quiet",
            "--locked",
            "--target",
            TARGET,
            "--example",
            example,
            "--target-dir",
        ])
        .arg(target)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTFLAGS")
        .status()
        .unwrap();
    assert!(status.success(), "if the target is missing: rustup target add {TARGET}");
    target
        .join(TARGET)
        .join("debug/examples")
        .join(example)
        .with_extension("wasm")
}

#[test]
fn a_component_exports_what_export_names_and_nothing_more() {
    let (exports, imports) = of_the_contract("containers");
    assert_eq!(exports, ["manifest", "session-backend", "session-control"]);
    assert!(imports.contains(&"process".to_owned()), "{imports:?}");
}

#[test]
fn every_interface_of_the_contract_can_be_exported_and_imported() {
    let (exports, imports) = of_the_contract("whole");
    let all = [
        "changes",
        "manifest",
        "own-tools",
        "projects",
        "session-backend",
        "session-control",
        "session-options",
        "transcripts",
        "upkeep",
    ];
    assert_eq!(exports, all);
    assert_eq!(
        imports,
        [
            "context", "files", "log", "process", "settings", "ssh", "store", "types"
        ]
    );
}
