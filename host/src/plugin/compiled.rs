//! Compiled plugins, kept as files. The next start maps such a file: it neither compiles the plugin, nor copies code that
//! nobody calls into memory.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use uuid::Uuid;
use wasmtime::Engine;
use wasmtime::component::Component;

/// How long a file is kept that no start has used.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// A folder of compiled plugins. Only this user can reach it, as `store` has checked.
#[derive(Debug)]
pub(super) struct Compiled {
    folder: PathBuf,
    /// Stands for everything that compiled code depends on beside the plugin: wasmtime's version, its settings, the
    /// processor.
    fits: u64,
}

impl Compiled {
    /// The folder of `cache` for this engine. It is made when something is kept.
    pub(super) fn new(engine: &Engine, cache: &Path) -> Self {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Self {
            folder: cache.join("compiled"),
            fits: hasher.finish(),
        }
    }

    /// What was compiled of the component with this digest, if it is kept.
    pub(super) fn find(&self, engine: &Engine, digest: &str) -> Option<Component> {
        let file = self.file(digest);
        let component = mapped(engine, &file)?;
        if let Err(error) = File::open(&file).and_then(|file| file.set_modified(SystemTime::now())) {
            tracing::debug!("the use of {} is not noted: {error}", file.display());
        }
        Some(component)
    }

    /// Keeps a compiled component, and removes what no start has used for a long time. It is only slower where that fails.
    pub(super) fn keep(&self, digest: &str, component: &Component) {
        let kept = component.serialize().map_err(io::Error::other);
        if let Err(error) = kept.and_then(|code| self.write(digest, &code)) {
            tracing::warn!("a compiled plugin is not kept, so the next start compiles it again: {error}");
        }
        self.tidy();
    }

    fn file(&self, digest: &str) -> PathBuf {
        self.folder.join(format!("{digest}-{:016x}.cwasm", self.fits))
    }

    /// Whole or not at all, also after a loss of power: half of it would be run.
    fn write(&self, digest: &str, code: &[u8]) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let new = self.folder.join(format!("{}.new", Uuid::new_v4()));
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)
            .and_then(|mut file| file.write_all(code).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&new, self.file(digest)));
        if written.is_err() {
            let _ = fs::remove_file(&new);
        }
        written
    }

    fn tidy(&self) {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for entry in entries {
            let age = entry.metadata().and_then(|found| found.modified());
            let is_old = age.is_ok_and(|used| used.elapsed().is_ok_and(|age| age > KEPT));
            if is_old && let Err(error) = fs::remove_file(entry.path()) {
                tracing::debug!("{} is not removed: {error}", entry.path().display());
            }
        }
    }
}

/// The file as a component; none if there is none, or if it was made for another version.
#[allow(
    unsafe_code,
    reason = "code that was compiled before is believed to be what the compiler made"
)]
fn mapped(engine: &Engine, file: &Path) -> Option<Component> {
    // SAFETY: only this user can write below the cache directory, and berth never changes a file there: it is written whole
    // under another name first. Whoever can change it could change berth as well.
    unsafe { Component::deserialize_file(engine, file) }.ok()
}

#[cfg(test)]
mod tests;
