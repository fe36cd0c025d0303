//! From bytes to a plugin that can be called, or an error that names the file and what is wrong with it.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use rayon::ThreadPoolBuilder;
use sha2::{Digest, Sha256};
use thiserror::Error;
use wasmtime::component::{Component, InstancePre};

use super::Engine;
use super::bundled::{self, Bundled};
use super::engine::StoreData;
use super::exports::Exports;

/// How each component begins.
const PREAMBLE: &[u8] = b"\0asm\x0d\0\x01\0";
/// Bytes of a plugin.
const LARGEST: u64 = 256 << 20;

/// Why a plugin could not be loaded. `origin` is the file, or `bundled plugin NAME`.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("{origin}: {cause}; give `plugin` the path of a .wasm file that berth may read")]
    Unreadable {
        /// The file.
        origin: String,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The file is not the one that the operator pinned.
    #[error(
        "{origin}: its SHA-256 is {found}, and config pins {pinned}; if you trust this file, write `sha256 = \"{found}\"`"
    )]
    Mismatch {
        /// The file.
        origin: String,
        /// The digest of the file, in hex.
        found: String,
        /// The digest in config, in hex.
        pinned: String,
    },
    /// It is not a file, or it is larger than any plugin.
    #[error("{origin} {fault}; give `plugin` the path of a .wasm file")]
    NoPlugin {
        /// The file.
        origin: String,
        /// What is wrong with it, as the words after its name.
        fault: String,
    },
    /// Not a WebAssembly component.
    #[error("{origin} is not a WebAssembly component: {cause}; build it for the target wasm32-wasip2")]
    NotAComponent {
        /// The file.
        origin: String,
        /// What the compiler said.
        cause: String,
    },
    /// A component for another contract, or for none.
    #[error(
        "{origin} does not fit the contract: {cause}; use the berth that it was built for, or rebuild it against this one's \
         plugins/sdk/wit/backend.wit"
    )]
    Mismatched {
        /// The file.
        origin: String,
        /// Where it differs from the contract.
        cause: String,
    },
    /// There is no such plugin in the binary.
    #[error("there is no bundled plugin `{name}`; there are: {}", names())]
    Unknown {
        /// The name asked for.
        name: String,
    },
}

fn names() -> String {
    let names: Vec<&str> = bundled::ALL.iter().map(|plugin| plugin.name).collect();
    names.join(", ")
}

/// A compiled plugin, linked and type-checked.
#[derive(Clone)]
pub struct Plugin {
    /// The file, or `bundled plugin NAME`.
    pub origin: String,
    /// SHA-256 of the component, in hex: two backends of one plugin have the same.
    pub digest: String,
    pub(crate) linked: InstancePre<StoreData>,
    /// Where its functions are.
    pub(crate) exports: Exports,
}

impl Plugin {
    /// Loads the bundled plugin `name`.
    pub fn bundled(engine: &Engine, name: &str) -> Result<Self, LoadError> {
        let plugin = built_in(name)?;
        let digest = plugin.digest.to_owned();
        Self::from_bytes(engine, &format!("bundled plugin {name}"), plugin.bytes, digest)
    }

    /// Loads the component in `path`, which must have the digest `pinned` where one is given.
    pub fn file(engine: &Engine, path: &Path, pinned: Option<[u8; 32]>) -> Result<Self, LoadError> {
        let origin = path.display().to_string();
        let bytes = read(path)?;
        let found = digest(&bytes);
        match pinned.map(hex::encode) {
            Some(pinned) if pinned != found => Err(LoadError::Mismatch { origin, found, pinned }),
            _ => Self::from_bytes(engine, &origin, &bytes, found),
        }
    }

    fn from_bytes(engine: &Engine, origin: &str, bytes: &[u8], digest: String) -> Result<Self, LoadError> {
        let component = compiled(engine, origin, bytes, &digest)?;
        Self::link(engine, origin, digest, &component)
    }

    /// Links a compiled component, whose bytes had `digest`, to what the host offers.
    pub(crate) fn link(
        engine: &Engine,
        origin: &str,
        digest: String,
        component: &Component,
    ) -> Result<Self, LoadError> {
        let mismatched = |cause: String| LoadError::Mismatched {
            origin: origin.to_owned(),
            cause,
        };
        let faults = engine.contract.faults(&engine.inner, component);
        if !faults.is_empty() {
            return Err(mismatched(faults.join("; ")));
        }
        let linked = engine.linker.instantiate_pre(component);
        Ok(Self {
            origin: origin.to_owned(),
            digest,
            linked: linked.map_err(|cause| mismatched(format!("{cause:#}")))?,
            exports: Exports::of(component),
        })
    }
}

/// The bundled plugin `name`.
pub(super) fn built_in(name: &str) -> Result<&'static Bundled, LoadError> {
    bundled::find(name).ok_or_else(|| LoadError::Unknown { name: name.into() })
}

/// The bytes of a component file. It is checked before it is read.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    let origin = || path.display().to_string();
    let unreadable = |cause| LoadError::Unreadable {
        origin: origin(),
        cause,
    };
    let no_plugin = |fault: String| LoadError::NoPlugin {
        origin: origin(),
        fault,
    };
    // Before it is opened: opening a FIFO would block.
    let found = std::fs::metadata(path).map_err(unreadable)?;
    if !found.is_file() {
        return Err(no_plugin("is not a file".into()));
    }
    if found.len() > LARGEST {
        return Err(no_plugin(format!("has more than {LARGEST} bytes")));
    }
    let mut bytes = Vec::new();
    let mut file = File::open(path).map_err(unreadable)?;
    let mut more = |bytes: &mut Vec<u8>, most| file.by_ref().take(most).read_to_end(bytes).map_err(unreadable);
    more(&mut bytes, PREAMBLE.len() as u64)?;
    if let Some(cause) = not_a_component(&bytes) {
        return Err(LoadError::NotAComponent {
            origin: origin(),
            cause: cause.into(),
        });
    }
    more(&mut bytes, LARGEST)?;
    Ok(bytes)
}

/// Why a file that begins like this is not a component.
fn not_a_component(beginning: &[u8]) -> Option<&'static str> {
    match beginning {
        [] => Some("it is empty"),
        PREAMBLE => None,
        [b'\0', b'a', b's', b'm', 1, 0, 0, 0] => Some("it is a core module"),
        [b'\0', b'a', b's', b'm', ..] => Some("it is cut off, or of a version that is not known"),
        _ => Some("it does not begin as WebAssembly does"),
    }
}

/// The component of these bytes, which have this digest: as it is kept, otherwise compiled now.
pub(super) fn compiled(engine: &Engine, origin: &str, bytes: &[u8], digest: &str) -> Result<Component, LoadError> {
    let Some(kept) = &engine.compiled else {
        return compile(engine, origin, bytes);
    };
    if let Some(component) = kept.find(&engine.inner, digest) {
        return Ok(component);
    }
    let component = compile(engine, origin, bytes)?;
    kept.keep(digest, &component);
    Ok(component)
}

fn compile(engine: &Engine, origin: &str, bytes: &[u8]) -> Result<Component, LoadError> {
    // `from_binary` takes components only; the text format and precompiled code are never accepted.
    let compile = || Component::from_binary(&engine.inner, bytes);
    // Threads of its own: in the ones that all share, a small plugin would wait for all of a large one.
    let threads = ThreadPoolBuilder::new().thread_name(|_| "compile".into()).build();
    let compiled = threads.map_or_else(|_| compile(), |threads| threads.install(compile));
    compiled.map_err(|cause| LoadError::NotAComponent {
        origin: origin.to_owned(),
        cause: in_one_line(&format!("{cause:#}")),
    })
}

/// The compiler's message without the bytes of the file, which it lists over many lines.
fn in_one_line(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    line.split(" - expected=").next().unwrap_or(line).to_owned()
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
