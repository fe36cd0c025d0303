//! Builds the bundled plugins for `wasm32-wasip2`, so that `cargo build` alone gives a whole berth.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};

const TARGET: &str = "wasm32-wasip2";
const LOCK: &str = "Cargo.lock";
/// Package of each bundled plugin, and the name that config gives it.
const BUNDLED: &[(&str, &str)] = &[
    ("berth-headless", "headless"),
    ("berth-ssh", "ssh"),
    ("berth-tmux", "tmux"),
];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("..");
    for watched in ["plugins", "Cargo.toml", LOCK] {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }
    if !has_target()? {
        // Ending well, so that cargo prints this line alone.
        println!("cargo::error=the target {TARGET} of the plugins is not installed: rustup target add {TARGET}");
        return Ok(());
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for (package, name) in BUNDLED {
        let component = build(&root, package, &out.join("plugins"))?;
        let bytes = fs::read(component)?;
        let digest: String = Sha256::digest(&bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        fs::write(out.join(name).with_extension("sha256"), digest)?;
        fs::write(out.join(name).with_extension("wasm"), bytes)?;
    }
    Ok(())
}

/// Whether the compiler has the standard library for the plugins' target: without it, the nested cargo would print an
/// error for each of their dependencies.
#[allow(
    clippy::disallowed_methods,
    reason = "this asks the compiler at build time, and is not a program of a backend"
)]
fn has_target() -> Result<bool, Box<dyn Error>> {
    let asked = Command::new(env::var("RUSTC")?)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()?;
    let libraries = PathBuf::from(String::from_utf8(asked.stdout)?.trim());
    let is_std = |name: &str| name.starts_with("libstd-");
    let mut files = fs::read_dir(libraries).into_iter().flatten().flatten();
    Ok(files.any(|file| file.file_name().to_str().is_some_and(is_std)))
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
        .args(root.join(LOCK).exists().then_some("--locked"))
        // Flags and wrappers of the host's build are not for this one.
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .status()?;
    if !status.success() {
        return Err(format!("the plugin {package} could not be built for {TARGET}: see above").into());
    }
    let file = package.replace('-', "_");
    Ok(target.join(TARGET).join("plugin").join(file).with_extension("wasm"))
}
