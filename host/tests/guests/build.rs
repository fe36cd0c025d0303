//! Builds the test plugins for `wasm32-wasip2`, as the host builds its bundled ones.

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "wasm32-wasip2";
/// Package of each test plugin, and the variable that holds its path.
const GUESTS: &[(&str, &str)] = &[("berth-guest-misbehaving", "MISBEHAVING"), ("berth-guest-noop", "NOOP")];

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../..");
    for watched in [
        "plugins/sdk",
        "host/tests/guests/misbehaving",
        "host/tests/guests/noop",
        "Cargo.lock",
    ] {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }
    let target = PathBuf::from(env::var("OUT_DIR")?);
    for (package, variable) in GUESTS {
        let component = build(&root, package, &target)?;
        println!("cargo::rustc-env={variable}={}", component.display());
    }
    Ok(())
}

/// Builds in a target folder of its own, since the outer cargo holds the lock of the common one.
#[allow(
    clippy::disallowed_methods,
    reason = "this starts cargo at build time, not a program of a backend"
)]
fn build(root: &Path, package: &str, target: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let status = Command::new(env::var("CARGO")?)
        .current_dir(root)
        .args([
            "build",
            "--profile",
            "plugin",
            "--target",
            TARGET,
            "--package",
            package,
            "--target-dir",
        ])
        .arg(target)
        // Flags and wrappers of the host's build are not for this one.
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .status()?;
    if !status.success() {
        return Err(format!(
            "the test plugin {package} could not be built for {TARGET}; if that target is missing: rustup target add {TARGET}"
        )
        .into());
    }
    let file = package.replace('-', "_");
    Ok(target.join(TARGET).join("plugin").join(file).with_extension("wasm"))
}
