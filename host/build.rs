//! Builds the bundled plugins for `wasm32-wasip2`, so that `cargo build` alone gives a whole berth.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "wasm32-wasip2";
/// Package of each bundled plugin, and the name that config gives it.
const BUNDLED: &[(&str, &str)] = &[("berth-tmux", "tmux")];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("..");
    for watched in ["wit", "plugins", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for (package, name) in BUNDLED {
        let component = build(&root, package, &out.join("plugins"))?;
        fs::copy(component, out.join(name).with_extension("wasm"))?;
    }
    Ok(())
}

/// Builds one plugin in a target folder of its own, since the outer cargo holds the lock of the common one.
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
            "the plugin {package} could not be built for {TARGET}; if that target is missing: rustup target add {TARGET}"
        )
        .into());
    }
    let file = package.replace('-', "_");
    Ok(target.join(TARGET).join("plugin").join(file).with_extension("wasm"))
}
