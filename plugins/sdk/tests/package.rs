//! That the crate can be published: all that it is built from lies inside.

#![allow(clippy::unwrap_used)]

use std::process::Command;

#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "this starts cargo, and is not a program of a backend"
)]
fn the_package_has_the_contract_the_licences_and_the_readme() {
    let listed = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["package", "--list", "--allow-dirty", "--offline"])
        .output()
        .unwrap();
    let files = String::from_utf8(listed.stdout).unwrap();
    for file in [
        "wit/backend.wit",
        "README.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "examples/containers.rs",
    ] {
        assert!(
            files.lines().any(|line| line == file),
            "{file} is not in the package:\n{files}"
        );
    }
}
