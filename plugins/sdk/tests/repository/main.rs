//! That the repository's documents show what is compiled and tested. They are not part of the package.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The blocks of Rust in a document.
fn blocks(document: &str) -> Vec<String> {
    let parts = document.split("```rust\n").skip(1);
    parts.map(|part| part.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn the_readme_shows_a_backend_that_compiles() {
    let compiled = read("README.md");
    let shown = blocks(&read("../../README.md"));
    assert_eq!(shown.len(), 1);
    assert!(
        compiled.contains(&shown[0]),
        "plugins/sdk/README.md, which is compiled, lacks this:\n{}",
        shown[0]
    );
}

#[test]
fn the_guide_shows_parts_of_the_example() {
    let example = read("examples/containers.rs");
    let shown = blocks(&read("../../docs/write-a-backend.md"));
    assert!(shown.len() >= 5);
    for block in shown {
        assert!(example.contains(&block), "examples/containers.rs lacks this:\n{block}");
    }
}
